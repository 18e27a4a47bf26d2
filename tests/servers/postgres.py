"""A Postgres server of the tests' own: a cluster in a folder, gone with it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.servers.ports import free_port

PASSWORD = "correct-horse"
INSTALLED_AT = "/usr/lib/postgresql"
MISSING = "Postgres is missing here; scripts/install_test_servers.sh gets it"
START_TIMEOUT_S = 60


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl: Debian keeps them out of the PATH."""
    # Root has to run it as somebody else, and packages bring that user.
    if os.geteuid() == 0 and "postgres" not in {one.pw_name for one in pwd.getpwall()}:
        return None
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path(INSTALLED_AT).glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


class PostgresServer:
    """One cluster on a free port of the loopback, with a password."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="tidegate-pg-"))
        self._data = self._folder / "data"
        self._databases = 0
        self.port = free_port()
        # It refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._make_cluster()

    def _make_cluster(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        command = ["initdb", "-D", str(self._data), "-U", "tidegate", "-A", "scram-sha-256"]
        self._run(*command, f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync")
        settings = {
            "listen_addresses": "'127.0.0.1'",
            "port": str(self.port),
            "unix_socket_directories": f"'{self._folder}'",
            "fsync": "off",
        }
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def start(self) -> None:
        log = self._folder / "log"
        self._run("pg_ctl", "-D", str(self._data), "-l", str(log), "-w", "start")

    def stop(self) -> None:
        """At once, as if the machine had failed."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        shutil.rmtree(self._folder)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://tidegate:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        self._databases += 1
        name = f"test_{self._databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tidegate", name)
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        # Into a file: a pipe that the server inherits would never be closed.
        said = self._folder / "said"
        with said.open("w") as output:
            done = subprocess.run(
                [str(self._programs / program), *arguments],
                user=self._user,
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=START_TIMEOUT_S,
                check=False,
            )
        assert done.returncode == 0, f"{program} {arguments}: {said.read_text()}"
