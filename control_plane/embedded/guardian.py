"""The small process between Tidegate and one tritonserver, which outlives both to clean up.

Run as a script, with nothing but the standard library: its own session, one tritonserver as its
child, one pipe from its parent on standard input. It ends in four ways, and each leaves neither a
process nor a shared-memory segment nor a scratch folder behind:

- the parent writes ``stop``: SIGTERM to tritonserver, its grace, then SIGKILL to what is left;
- the pipe closes without that word, or the parent's id changes: the parent was killed, and nobody
  waits for answers any more, so SIGKILL at once;
- SIGTERM, SIGINT or SIGHUP: as ``stop``;
- tritonserver ends by itself: the stubs it left are killed.

It is a *subreaper*: the stubs of a dead tritonserver become its children, so that it finds and
ends them all. Should the guardian itself be killed, the kernel kills tritonserver
(``PR_SET_PDEATHSIG``) and the stubs end themselves within seconds; the fleet clears the rest.

Every party to a fleet holds a shared ``flock`` on the fleet's lock file in ``/dev/shm``. Whoever
can take it exclusively knows that all others are gone, and removes the fleet's folder and the lock.
The kernel gives a dead process's lock back, so this holds across pid reuse and containers.

The functions that find and remove leftovers are here, because the script may import nothing else;
the fleet uses them too.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  the kernel's own name for it
LOCK_SUFFIX = ".lock"
TRITON_TEMPORARY = Path("/tmp")  # noqa: S108  where Triton makes them, and not configurable
TRITON_FOLDER = re.compile(r"(python_env_|folder)[A-Za-z0-9]{6}")
TWIN_CONTENT = re.compile(r"config\.pbtxt|\d+|\d+/\.keep")
STOP_WORD = b"stop\n"
PARENT_POLL_S = 1.0
KILL_WAIT_S = 5.0

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(spec_json: str) -> int:
    """Runs what ``spec_json`` says; answers tritonserver's exit status, 128 + n after signal n."""
    spec = json.loads(spec_json)
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake_up, wake_up_writer = os.pipe()
    os.set_blocking(wake_up_writer, False)
    signal.set_wakeup_fd(wake_up_writer, warn_on_full_buffer=False)
    asked_to_stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: asked_to_stop.append(received))
    signal.signal(signal.SIGCHLD, lambda _received, _frame: None)

    lock = shared_lock(Path(spec["lock"]))
    remove_segments(spec["segment_prefix"])

    def die_with_guardian() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    # The guardian has one thread, so code between fork and exec is safe.
    server = subprocess.Popen(
        spec["command"],
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=die_with_guardian,
    )
    try:
        is_graceful = watch(server, parent, wake_up, asked_to_stop)
        if server.poll() is None and is_graceful:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(spec["grace_s"])
    finally:
        kill_descendants(server)
        remove_segments(spec["segment_prefix"])
        remove_triton_folders()
        remove_if_last(lock, Path(spec["lock"]), Path(spec["fleet_dir"]))
    status = server.returncode if server.returncode is not None else -signal.SIGKILL
    return status if status >= 0 else 128 - status


def watch(
    server: subprocess.Popen[bytes], parent: int, wake_up: int, asked_to_stop: list[int]
) -> bool:
    """Waits until there is something to do; true where tritonserver is to be stopped gently."""
    standard_input = sys.stdin.fileno()
    received = b""
    while server.poll() is None:
        if asked_to_stop:
            return True
        if os.getppid() != parent:
            return False
        readable, _, _ = select.select([standard_input, wake_up], [], [], PARENT_POLL_S)
        if wake_up in readable:
            os.read(wake_up, 64)
        if standard_input in readable:
            chunk = os.read(standard_input, 64)
            received += chunk
            if STOP_WORD in received:
                return True
            if not chunk:
                return False
    return True


def kill_descendants(server: subprocess.Popen[bytes]) -> None:
    """Kills tritonserver and, as they become this subreaper's children, all it ever started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(KILL_WAIT_S)
    give_up_at = time.monotonic() + KILL_WAIT_S
    while time.monotonic() < give_up_at:
        for pid in children(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if reaped == 0:
            time.sleep(0.005)


def children(parent: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                # The command's name may hold blanks and brackets; the fields after it do not.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    yield int(entry.name)


def shared_lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def remove_if_last(lock: int, path: Path, fleet_dir: Path) -> bool:
    """Gives up the lock; whoever was the last to hold it removes the fleet's folder and the lock.

    A failed upgrade loses the shared lock (flock(2)), so of several that leave at once the last
    succeeds.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        remove_folder(fleet_dir)
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(lock)


def remove_folder(folder: Path) -> bool:
    """Removes a folder with all in it if it is this user's own, and no link to another."""
    with contextlib.suppress(OSError):
        facts = folder.lstat()
        if stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
            return True
    return False


def remove_segments(prefix: str) -> list[str]:
    """Removes the shared-memory segments whose names begin with ``prefix``; answers their names."""
    removed = []
    for segment in SHARED_MEMORY.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            segment.unlink()
            removed.append(segment.name)
    return removed


def remove_triton_folders(root: Path = TRITON_TEMPORARY) -> list[str]:
    """Removes what killed Tritons left in ``/tmp``; answers the names.

    Triton makes ``python_env_XXXXXX`` for itself and ``folderXXXXXX`` for a model loaded with its
    files, in ``/tmp`` whatever ``TMPDIR`` says, and removes them unless it is killed. Their names
    do not tell whose they are, so one goes only if it is older than every Triton that lives,
    belongs to this user and holds nothing but what a twin consists of.
    """
    candidates = [path for path in root.iterdir() if TRITON_FOLDER.fullmatch(path.name)]
    # Looked up after the listing, so that a Triton that starts meanwhile has nothing in it.
    oldest = min(starts_of("tritonserver"), default=float("inf"))
    removed = []
    for folder in candidates:
        with contextlib.suppress(OSError):
            facts = folder.lstat()
            is_private = stat.S_IMODE(facts.st_mode) == 0o700 and facts.st_uid == os.getuid()
            # The kernel counts the start of a process in ticks after a boot known to the second.
            if not is_private or facts.st_ctime > oldest - 2.0:
                continue
            contents = {str(path.relative_to(folder)) for path in folder.rglob("*")}
            if all(TWIN_CONTENT.fullmatch(path) for path in contents):
                shutil.rmtree(folder)
                removed.append(folder.name)
    return removed


def starts_of(command: str) -> Iterator[float]:
    """When each living process of that name began, in seconds since the epoch."""
    boot_s = next(
        float(line.split()[1])
        for line in Path("/proc/stat").read_text().splitlines()
        if line.startswith("btime ")
    )
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                name, _, rest = (entry / "stat").read_text().rpartition(")")
                is_zombie = rest.split()[0] == "Z"
                if name.partition("(")[2] == command and not is_zombie:
                    yield boot_s + float(rest.split()[19]) / ticks_per_s


def kill_strays(segment_prefix: str) -> list[int]:
    """Kills this user's processes whose command line names the prefix: stubs left by a crash."""
    killed = []
    marker = segment_prefix.encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            is_ours = entry.stat().st_uid == os.getuid()
            if is_ours and any(argument.startswith(marker) for argument in arguments):
                os.kill(int(entry.name), signal.SIGKILL)
                killed.append(int(entry.name))
    return killed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
