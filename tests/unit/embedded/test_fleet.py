"""The fleet and its supervision, around fake tritonservers and real guardians."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from control_plane.embedded import guardian
from control_plane.embedded.fleet import NAME_PREFIX, EmbeddedFleet, NotReady, create_lock, sweep
from control_plane.embedded.instance import EmbeddedTriton, reason_of
from control_plane.embedded.lifecycle import InstanceState, InstanceStatus
from control_plane.embedded.options import FleetOptions, LogLevel, LogLine
from control_plane.embedded.prerequisites import MissingPrerequisite
from control_plane.embedded.runtime import Wheel
from control_plane.errors import ErrorCode

pytestmark = pytest.mark.usefixtures("fake_wheel")

DEADLINE_S = 20.0


@pytest.fixture
def lines() -> list[LogLine]:
    return []


@pytest.fixture
def options(
    model_repository: Path, base_port: int, tmp_path: Path, lines: list[LogLine]
) -> FleetOptions:
    return FleetOptions(
        model_repository,
        base_port=base_port,
        runtime_root=tmp_path / "runtime",
        on_log=lines.append,
        start_timeout_s=DEADLINE_S,
        first_back_off_s=0.02,
        longest_back_off_s=0.05,
    )


async def until(
    fleet: EmbeddedFleet, is_met: Callable[[tuple[InstanceStatus, ...]], bool]
) -> tuple[InstanceStatus, ...]:
    async with asyncio.timeout(DEADLINE_S):
        while not is_met(fleet.status()):
            await fleet.wait_change()
    return fleet.status()


def assert_nothing_left(options: FleetOptions, lines: list[LogLine]) -> None:
    assert not list(options.runtime_root.glob("*"))
    pids = [pid for line in lines if line.text.startswith("up ") for pid in line.text.split()[1:]]
    assert not [pid for pid in pids if is_alive(pid)]


def is_alive(pid: str) -> bool:
    try:
        # A dead process whose new parent has not looked yet, a zombie, is no longer there.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def server_of(lines: list[LogLine], instance: str) -> int:
    """The process of the instance's latest server."""
    return [
        int(line.text.split()[1])
        for line in lines
        if line.instance == instance and line.text.startswith("up ")
    ][-1]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_a_fleet_becomes_ready_and_leaves_nothing(
    options: FleetOptions, lines: list[LogLine]
) -> None:
    fleet = EmbeddedFleet(options)
    assert fleet.status() == ()
    async with fleet:
        first, second = fleet.status()
        assert (first.name, second.name) == ("triton-0", "triton-1")
        assert {first.state, second.state} == {InstanceState.READY}
        assert first.http_url == f"127.0.0.1:{options.base_port}"
        assert second.grpc_url == f"127.0.0.1:{options.base_port + 11}"
        assert second.metrics_url == f"http://127.0.0.1:{options.base_port + 12}/metrics"
        (folder,) = options.runtime_root.iterdir()
        segments = guardian.SHARED_MEMORY.glob(f"{folder.name}*")
        assert len(list(segments)) == 3  # a lock and one segment for each
    assert {status.state for status in fleet.status()} == {InstanceState.STOPPED}
    assert_nothing_left(options, lines)
    assert not list(guardian.SHARED_MEMORY.glob(f"{folder.name}*"))
    await fleet.stop()


async def test_a_killed_server_comes_back_and_says_why_it_ended(
    options: FleetOptions, lines: list[LogLine]
) -> None:
    async with EmbeddedFleet(options, rng=random.Random(1)) as fleet:
        os.kill(server_of(lines, "triton-1"), signal.SIGKILL)
        await until(fleet, lambda all_: all_[1].state is InstanceState.BACKING_OFF)
        first, second = await until(
            fleet, lambda all_: all_[1].restarts == 1 and all_[1].state is InstanceState.READY
        )
        assert second.last_exit == "killed by SIGKILL"
        assert (first.restarts, first.last_exit) == (0, None)
        assert any("killed by SIGKILL; again in" in line.text for line in lines)
    assert_nothing_left(options, lines)


async def test_a_killed_guardian_is_cleared_up_after_and_replaced(
    options: FleetOptions, lines: list[LogLine]
) -> None:
    async with EmbeddedFleet(replace(options, count=1)) as fleet:
        server = server_of(lines, "triton-0")
        os.kill(parent_of(server), signal.SIGKILL)
        (status,) = await until(
            fleet, lambda all_: all_[0].restarts == 1 and all_[0].state is InstanceState.READY
        )
        assert status.last_exit == "its guardian was killed by SIGKILL"
    assert_nothing_left(options, lines)


async def test_a_server_that_cannot_start_backs_off_and_its_last_words_are_told(
    options: FleetOptions, lines: list[LogLine]
) -> None:
    fleet = EmbeddedFleet(replace(options, count=1, extra_arguments=("--fake=exit",)))
    await fleet.start()
    try:
        (status,) = await until(fleet, lambda all_: all_[0].restarts >= 3)
        assert status.last_exit == "exited with status 3"
        with pytest.raises(NotReady, match=r"triton-0 is .*status 3.*creating server: as asked"):
            await fleet.wait_ready(0.01)
    finally:
        await fleet.stop()
    assert_nothing_left(options, lines)


async def test_a_server_that_never_gets_ready_is_ended_and_tried_again(
    options: FleetOptions, lines: list[LogLine]
) -> None:
    impatient = replace(
        options, count=1, start_timeout_s=0.3, extra_arguments=("--fake=never-ready",)
    )
    fleet = EmbeddedFleet(impatient)
    await fleet.start()
    try:
        (status,) = await until(fleet, lambda all_: all_[0].restarts >= 1)
        assert status.last_exit == "not ready within 0.3 s"
        with pytest.raises(NotReady) as caught:
            await fleet.wait_ready(0.01)
        assert caught.value.code is ErrorCode.BACKEND_UNAVAILABLE
    finally:
        await fleet.stop()
    assert_nothing_left(options, lines)


async def test_a_fleet_that_does_not_get_ready_is_put_away(
    options: FleetOptions, lines: list[LogLine]
) -> None:
    never = replace(options, start_timeout_s=0.3, extra_arguments=("--fake=never-ready",))
    with pytest.raises(NotReady):
        async with EmbeddedFleet(never):
            raise AssertionError("it cannot be ready")
    assert_nothing_left(options, lines)


async def test_a_cancelled_start_leaves_nothing(
    options: FleetOptions, lines: list[LogLine]
) -> None:
    is_up = asyncio.Event()

    def on_log(line: LogLine) -> None:
        lines.append(line)
        if sum(each.text.startswith("up ") for each in lines) == 2:
            is_up.set()

    async def enter() -> None:
        never = replace(options, on_log=on_log, extra_arguments=("--fake=never-ready",))
        async with EmbeddedFleet(never):
            raise AssertionError("it cannot be ready")

    task = asyncio.create_task(enter())
    async with asyncio.timeout(DEADLINE_S):
        await is_up.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_nothing_left(options, lines)


async def test_a_missing_prerequisite_stops_the_start_before_anything_runs(
    options: FleetOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Wheel, "find", lambda: None)
    fleet = EmbeddedFleet(options)
    with pytest.raises(MissingPrerequisite, match="nvidia-pytriton"):
        await fleet.start()
    assert not options.runtime_root.exists()
    await fleet.stop()


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


async def test_a_fork_that_fails_is_an_ending_like_any_other_and_leaks_nothing(
    options: FleetOptions, lines: list[LogLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    fork, failures = asyncio.create_subprocess_exec, 0

    async def fork_later(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        nonlocal failures
        if failures < 3:
            failures += 1
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return await fork(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fork_later)
    before = len(descriptors())
    async with EmbeddedFleet(replace(options, count=1)) as fleet:
        (status,) = fleet.status()
        assert status.restarts == 3
        assert status.last_exit is not None
        assert "Resource temporarily unavailable" in status.last_exit
        failed = [line for line in lines if "temporarily unavailable; again in" in line.text]
        assert [line.level for line in failed] == [LogLevel.ERROR] * 3
    await asyncio.sleep(0)  # asyncio closes a pipe in its next turn
    assert len(descriptors()) <= before + 1  # the process watcher of the event loop may stay
    assert_nothing_left(options, lines)


async def test_a_supervision_that_ends_unasked_is_told(
    options: FleetOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_once = EmbeddedTriton._run_once

    async def run_into_a_bug(triton: EmbeddedTriton) -> str:
        if triton.name == "triton-1":
            raise RuntimeError("a bug")
        return await run_once(triton)

    monkeypatch.setattr(EmbeddedTriton, "_run_once", run_into_a_bug)
    fleet = EmbeddedFleet(options)
    await fleet.start()
    try:
        ended = fleet.ended()
        async with asyncio.timeout(DEADLINE_S):
            name, error = await anext(ended)
        assert (name, str(error)) == ("triton-1", "a bug")
        await ended.aclose()
    finally:
        await fleet.stop()
    assert [name async for name, error in fleet.ended() if error is None] == ["triton-0"]


async def test_own_errors_are_logged_as_errors(options: FleetOptions, lines: list[LogLine]) -> None:
    async with EmbeddedFleet(replace(options, count=1)) as fleet:
        os.kill(server_of(lines, "triton-0"), signal.SIGKILL)
        await until(fleet, lambda all_: all_[0].state is InstanceState.BACKING_OFF)
        assert lines[-1].level is LogLevel.ERROR
        assert lines[-1].text in fleet.status()[0].log_tail


def test_a_dead_fleets_leftovers_are_swept_and_a_living_ones_are_not(tmp_path: Path) -> None:
    dead, living = "tidegate-00dead00", "tidegate-0alive00"
    for name in (dead, living):
        (tmp_path / name).mkdir()
        (guardian.SHARED_MEMORY / f"{name}-0-segment").touch()
    locks = [
        create_lock(guardian.SHARED_MEMORY / f"{name}.lock", tmp_path / name)
        for name in (dead, living)
    ]
    os.close(locks[0])
    stray = subprocess.Popen(
        [
            *(sys.executable, "-S", "-c", "import signal; print(flush=True); signal.pause()"),
            f"{dead}-0-segment",
        ],
        stdout=subprocess.PIPE,
    )
    assert stray.stdout is not None
    stray.stdout.readline()  # only a process that has begun has a command line to be found by
    try:
        assert f"{dead}-" in sweep()
        assert stray.wait(DEADLINE_S) == -signal.SIGKILL
        assert not list(guardian.SHARED_MEMORY.glob(f"{dead}*"))
        assert not (tmp_path / dead).exists()
        assert len(list(guardian.SHARED_MEMORY.glob(f"{living}*"))) == 2
        assert (tmp_path / living).exists()
    finally:
        stray.kill()
        stray.communicate()
        guardian.remove_segments(living)
        os.close(locks[1])


NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


@pytest.fixture
def abandoned(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The lock file and the folder of a dead fleet."""
    folder = tmp_path / f"{NAME_PREFIX}aband0n{os.getpid()}"
    folder.mkdir()
    (folder / "precious").touch()
    path = guardian.SHARED_MEMORY / f"{folder.name}.lock"
    os.close(create_lock(path, folder))
    yield path, folder
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["precious", f"{NAME_PREFIX}another"])
def test_a_lock_that_names_a_strange_folder_costs_that_folder_nothing(
    abandoned: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    path, _ = abandoned
    (tmp_path / name).mkdir()
    path.write_text(str(tmp_path / name))
    sweep()
    assert (tmp_path / name).exists()
    assert not path.exists()


@as_root
def test_a_lock_of_another_user_is_left_alone(abandoned: tuple[Path, Path]) -> None:
    path, folder = abandoned
    os.chown(path, NOBODY, NOBODY)
    sweep()
    assert (folder / "precious").exists()
    assert path.exists()


@as_root
def test_a_folder_of_another_user_is_left_alone(abandoned: tuple[Path, Path]) -> None:
    path, folder = abandoned
    os.chown(folder, NOBODY, NOBODY)
    sweep()
    assert (folder / "precious").exists()
    assert not path.exists()


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_lock_that_is_a_link_is_left_alone(
    abandoned: tuple[Path, Path], tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    path, folder = abandoned
    real = guardian.SHARED_MEMORY / f"test-{path.name}.real"
    path.rename(real)
    try:
        link(real, path)
        sweep()
        assert (folder / "precious").exists()
        assert path.is_symlink() or path.exists()
    finally:
        real.unlink()


def test_a_folder_that_is_a_link_is_not_followed(
    abandoned: tuple[Path, Path], tmp_path: Path
) -> None:
    path, folder = abandoned
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    sweep()
    assert (tmp_path / "elsewhere" / "precious").exists()
    assert not path.exists()


def test_a_lock_that_is_no_file_or_no_text_does_not_end_the_sweep(
    abandoned: tuple[Path, Path],
) -> None:
    path, folder = abandoned
    path.write_bytes(b"\0\xff")
    pipe = path.with_name(f"{path.stem}0pipe.lock")
    os.mkfifo(pipe)
    try:
        sweep()
        assert folder.exists()
        assert pipe.exists()
    finally:
        pipe.unlink()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (None, "still running"),
        (0, "exited with status 0"),
        (3, "exited with status 3"),
        (128 + signal.SIGSEGV, "killed by SIGSEGV"),
        (-signal.SIGKILL, "its guardian was killed by SIGKILL"),
        (255, "exited with status 255"),
    ],
)
def test_reasons(status: int | None, reason: str) -> None:
    assert reason_of(status) == reason
