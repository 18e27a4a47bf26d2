"""A RabbitMQ of the tests' own: one node in a folder, gone with it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.servers.ports import free_port

PASSWORD = "correct-horse"
USER = "tidegate"
# Debian's programs in the PATH insist on the machine's own folders; these do not.
INSTALLED_AT = "/usr/lib/rabbitmq/bin"
MISSING = "RabbitMQ is missing here; scripts/install_test_servers.sh gets it"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60


def find_programs() -> Path | None:
    """The folder of rabbitmq-server and rabbitmqctl."""
    # Erlang's programs read a cookie that only its owner may read, so root is somebody else too.
    if os.geteuid() == 0 and "rabbitmq" not in {one.pw_name for one in pwd.getpwall()}:
        return None
    found = shutil.which("rabbitmq-server")
    folders = [Path(INSTALLED_AT)]
    folders += [Path(found).resolve().parent] if found else []
    return next((folder for folder in folders if (folder / "rabbitmqctl").exists()), None)


class RabbitmqServer:
    """One node on free ports of the loopback, with a user of its own."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="tidegate-mq-"))
        self._names = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._names_daemon: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._names_port, self._distribution_port = free_port(), free_port()
        self._node = f"tidegate-test-{os.getpid()}-{self.port}@localhost"
        self._user = "rabbitmq" if os.geteuid() == 0 else None
        for name in ("mnesia", "log"):
            (self._folder / name).mkdir()
        (self._folder / "enabled_plugins").write_text("[].\n")
        (self._folder / "rabbitmq.conf").write_text(self._settings())
        if self._user:
            owner = pwd.getpwnam(self._user)
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def _settings(self) -> str:
        return "\n".join(
            (
                f"listeners.tcp.1 = 127.0.0.1:{self.port}",
                f"default_user = {USER}",
                f"default_pass = {PASSWORD}",
                # A full or small disk of who runs the tests is not what they are about.
                "disk_free_limit.absolute = 10MB",
                "log.file.level = warning",
                "",
            )
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            # Where the cookie is made.
            "HOME": str(self._folder),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self._folder / "advanced"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "no-such-file"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            # Two schedulers that sleep when idle: the tests share the machine.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none "
            "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def start(self) -> None:
        """With the data that is there. Returns once it can be used."""
        assert self._process is None
        self._start_names()
        with (self._folder / "log" / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [str(self._programs / "rabbitmq-server")],
                user=self._user,
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Killed as one: the shell that starts it, and Erlang.
                start_new_session=True,
            )
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, f"RabbitMQ ended: {self._last_words()}"
            assert time.monotonic() < give_up_at, f"RabbitMQ: {self._last_words()}"
            time.sleep(0.1)

    def _start_names(self) -> None:
        """Erlang's daemon of names: started by Erlang it would stay when all else is gone."""
        if self._names_daemon is None:
            self._names_daemon = subprocess.Popen(
                ["epmd", "-port", str(self._names_port), "-address", "127.0.0.1"],
                user=self._user,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def stop(self) -> None:
        """In good order, as an operator would."""
        if self._process is not None:
            # The shell passes it on as `rabbitmqctl shutdown`.
            self._process.terminate()
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    def kill(self) -> None:
        """At once, as if the machine had failed."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None
        while self._answers():
            time.sleep(0.01)

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        self.kill()
        if self._names_daemon is not None:
            self._names_daemon.kill()
            self._names_daemon.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, *, port: int | None = None) -> str:
        """port: of a proxy in front of it."""
        return f"amqp://{USER}:{PASSWORD}@127.0.0.1:{port or self.port}/"

    def new_prefix(self) -> str:
        """In front of the names of queues: nobody else has it."""
        self._names += 1
        return f"test-{self._names}"

    def close_connections(self) -> None:
        self.control("close_all_connections", "a test wants it")

    def control(self, *arguments: str) -> str:
        """What rabbitmqctl says. It takes a second: Erlang has to start."""
        done = subprocess.run(
            [str(self._programs / "rabbitmqctl"), *arguments],
            user=self._user,
            cwd=self._folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"rabbitmqctl {arguments[0]}: {done.stdout} {done.stderr}"
        return done.stdout

    def _answers(self) -> bool:
        """Whether it speaks AMQP: it listens last of all."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(connection.recv(1))
        except OSError:
            return False

    def _last_words(self) -> str:
        return (self._folder / "log" / "output").read_text(errors="replace")[-2000:]
