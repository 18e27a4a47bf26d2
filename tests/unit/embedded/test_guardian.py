"""The guardian as the real process it is, around a fake tritonserver.

Nothing here waits for a time: a pipe or a process descriptor says when something ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from control_plane.embedded import guardian

FAKE = Path(__file__).with_name("fake_tritonserver.py")
DEADLINE_S = 20.0


class Guarded:
    """A running guardian, its fake tritonserver and the stub of that."""

    def __init__(self, prefix: str, folder: Path, behaviour: str) -> None:
        self.prefix = prefix
        self.fleet_dir = folder / "fleet"
        self.fleet_dir.mkdir()
        self.lock = folder / "fleet.lock"
        self.lock.touch()
        self.process = subprocess.Popen(
            self.command(behaviour),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline().split()
        self.pids = [int(pid) for pid in first[1:]] if first[:1] == [b"up"] else []

    def command(self, behaviour: str) -> list[str]:
        spec = {
            "command": [
                sys.executable,
                str(FAKE),
                f"--backend-config=python,shm-region-prefix-name={self.prefix}",
                f"--fake={behaviour}",
            ],
            "fleet_dir": str(self.fleet_dir),
            "lock": str(self.lock),
            "segment_prefix": self.prefix,
            "grace_s": 0.2 if behaviour == "deaf" else DEADLINE_S,
        }
        return [sys.executable, "-S", "-E", guardian.__file__, json.dumps(spec)]

    def say(self, word: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word)
        self.process.stdin.flush()

    def end(self) -> int:
        """Waits for the guardian's end and asserts that nothing is left of it."""
        status = self.process.wait(DEADLINE_S)
        assert not list(guardian.SHARED_MEMORY.glob(f"{self.prefix}*"))
        assert not any(map(is_alive, self.pids))
        return status

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_end(pid: int) -> None:
    """Until the process, whoever's child it is, has ended."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            assert select.select([descriptor], [], [], DEADLINE_S)[0], f"{pid} still runs"
        finally:
            os.close(descriptor)


Guard = Callable[..., Guarded]


@pytest.fixture
def guard(prefix: str, tmp_path: Path) -> Iterator[Guard]:
    started: list[Guarded] = []

    def start(behaviour: str = "") -> Guarded:
        started.append(Guarded(prefix, tmp_path, behaviour))
        return started[-1]

    yield start
    for guarded in started:
        guarded.close()


def test_the_word_stop_ends_it_gently(guard: Guard) -> None:
    guarded = guard()
    guarded.say(guardian.STOP_WORD)
    assert guarded.end() == 0


def test_the_pipes_end_kills_at_once(guard: Guard) -> None:
    guarded = guard("deaf")
    assert guarded.process.stdin is not None
    guarded.process.stdin.close()
    assert guarded.end() == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_gently(guard: Guard, number: signal.Signals) -> None:
    guarded = guard()
    guarded.process.send_signal(number)
    assert guarded.end() == 0


def test_a_server_deaf_to_sigterm_is_killed_after_its_grace(guard: Guard) -> None:
    guarded = guard("deaf")
    guarded.say(guardian.STOP_WORD)
    assert guarded.end() == 128 + signal.SIGKILL


def test_the_servers_own_status_is_passed_on(guard: Guard) -> None:
    assert guard("exit").end() == 3


@pytest.mark.parametrize("behaviour", ["", "stub-escapes"])
def test_a_killed_servers_stub_is_killed_even_out_of_its_process_group(
    guard: Guard, behaviour: str
) -> None:
    guarded = guard(behaviour)
    os.kill(guarded.pids[0], signal.SIGKILL)
    assert guarded.end() == 128 + signal.SIGKILL


def test_a_killed_guardian_takes_the_server_with_it_and_the_rest_can_be_cleared(
    guard: Guard,
) -> None:
    guarded = guard()
    server, stub = guarded.pids
    guarded.process.kill()
    wait_end(server)
    assert guardian.kill_strays(guarded.prefix) == [stub]
    wait_end(stub)
    assert guardian.remove_segments(guarded.prefix) == [f"{guarded.prefix}segment"]


def test_the_last_to_leave_removes_the_folder_and_the_lock(guard: Guard) -> None:
    guarded = guard()
    other = guardian.shared_lock(guarded.lock)
    guarded.say(guardian.STOP_WORD)
    guarded.end()
    assert guarded.fleet_dir.exists()
    assert guardian.remove_if_last(other, guarded.lock, guarded.fleet_dir)
    assert not guarded.fleet_dir.exists()
    assert not guarded.lock.exists()


def test_one_alone_removes_them(guard: Guard) -> None:
    guarded = guard()
    guarded.say(guardian.STOP_WORD)
    guarded.end()
    assert not guarded.fleet_dir.exists()
    assert not guarded.lock.exists()


def test_of_several_that_leave_the_last_removes(tmp_path: Path) -> None:
    lock, folder = tmp_path / "lock", tmp_path / "fleet"
    lock.touch()
    folder.mkdir()
    held = [guardian.shared_lock(lock) for _ in range(3)]
    assert [guardian.remove_if_last(each, lock, folder) for each in held] == [False, False, True]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_the_last_to_leave_removes_no_folder_of_another_user(tmp_path: Path) -> None:
    lock, folder = tmp_path / "lock", tmp_path / "fleet"
    lock.touch()
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    assert guardian.remove_if_last(guardian.shared_lock(lock), lock, folder)
    assert folder.exists()


class TestTritonFolders:
    """Triton's own folders in /tmp, after a kill."""

    @pytest.fixture(autouse=True)
    def no_triton_lives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guardian, "starts_of", lambda _name: iter(()))

    def made(self, root: Path, name: str, *contents: str, mode: int = 0o700) -> Path:
        folder = root / name
        folder.mkdir(mode=mode)
        for content in contents:
            (folder / content).parent.mkdir(exist_ok=True)
            (folder / content).touch()
        return folder

    def test_those_of_twins_and_environments_go(self, tmp_path: Path) -> None:
        self.made(tmp_path, "folderN4XrAp", "config.pbtxt", "1/.keep")
        self.made(tmp_path, "python_env_FOaaCt")
        assert sorted(guardian.remove_triton_folders(tmp_path)) == [
            "folderN4XrAp",
            "python_env_FOaaCt",
        ]
        assert not list(tmp_path.iterdir())

    def test_whatever_else_is_called_so_stays(self, tmp_path: Path) -> None:
        self.made(tmp_path, "folderbackup", "thesis.tex")
        self.made(tmp_path, "folderpublic", mode=0o755)
        self.made(tmp_path, "folderofmine1")
        assert guardian.remove_triton_folders(tmp_path) == []
        assert len(list(tmp_path.iterdir())) == 3

    def test_those_a_living_triton_could_have_made_stay(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.made(tmp_path, "folderN4XrAp")
        an_hour_ago = time.time() - 3600
        monkeypatch.setattr(guardian, "starts_of", lambda _name: iter((an_hour_ago,)))
        assert guardian.remove_triton_folders(tmp_path) == []


def test_the_start_of_a_process_is_known_to_the_second() -> None:
    name = Path("/proc/self/comm").read_text().strip()
    own = os.stat("/proc/self").st_ctime
    assert any(abs(start - own) < 5 for start in guardian.starts_of(name))


def test_a_lock_is_shared(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    first, second = guardian.shared_lock(path), guardian.shared_lock(path)
    with pytest.raises(BlockingIOError):
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(first)
    os.close(second)
