"""Two real Tritons, the control plane, sample photos, answers, pictures, and a new release.

What ``make demo`` runs. Everything it starts ends with it; the annotated pictures stay in
``demo-output/``. Ports are free ones, so a Tidegate that already runs is not disturbed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
TIDEGATE = Path(sys.executable).parent / "tidegate"
PHOTOS = sorted((ROOT / "samples").glob("*.jpg"))
OUTPUT = ROOT / "demo-output"
SUBJECTS = {"roof": "damage", "site": "materials", "pile": "volume"}
READY_TIMEOUT_S = 120
STOP_TIMEOUT_S = 40
TRITONS = 2
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

console = Console()


def main() -> int:
    if not PHOTOS:
        console.print("no photo in samples/", style="red")
        return 1
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    http_port, grpc_port = free_port(), free_port()
    url = f"http://127.0.0.1:{http_port}"
    log_file = OUTPUT / "tidegate.log"
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, leave)
    with ExitStack() as stack:
        log = stack.enter_context(log_file.open("wb"))
        plane = subprocess.Popen(
            [
                str(TIDEGATE),
                "up",
                f"--tritons={TRITONS}",
                f"--model-repository={ROOT / 'model_repository'}",
                f"--triton-base-port={free_port_range(10 * TRITONS)}",
                f"--http-port={http_port}",
                f"--grpc-port={grpc_port}",
                # Nothing of a Tidegate that is kept here is read, and it stays as it is.
                f"--state-dir={OUTPUT / 'state'}",
            ],
            stdout=log,
            stderr=log,
            # Ctrl-C reaches this script alone, which then stops what it started.
            start_new_session=True,
        )
        stack.callback(stop, plane)
        if not wait_ready(plane, url):
            console.print(log_file.read_text()[-4000:], highlight=False)
            console.print(f"Tidegate did not become ready; its log: {log_file}", style="red")
            return 1
        environment = {**os.environ, "TIDEGATE_URL": url}
        steps = [["status"]]
        for subject, engine in SUBJECTS.items():
            photos = [str(photo.relative_to(ROOT)) for photo in PHOTOS if subject in photo.name]
            steps.append(["detect", *photos, "--types", engine, "--annotate", OUTPUT.name])
        roof = next(photo for photo in PHOTOS if "roof" in photo.name)
        steps.append(["promote", "damage", "1.1.0", "--direct", "--watch"])
        steps.append(["detect", str(roof.relative_to(ROOT)), "--types", "damage"])
        for step in steps:
            console.rule(f"tidegate {' '.join(step)}")
            done = subprocess.run([str(TIDEGATE), *step], env=environment, check=False, cwd=ROOT)
            if done.returncode:
                console.print(f"that failed; the log: {log_file}", style="red")
                return done.returncode
        console.rule("done")
    pictures = sorted(OUTPUT.glob("*.jpg"))
    console.print(f"{len(pictures)} annotated pictures in {OUTPUT.relative_to(ROOT)}/")
    console.print(
        "Next: [bold]make up[/bold] keeps it running: the dashboard on http://127.0.0.1:9000/, "
        "the API on /docs"
    )
    return 0 if len(pictures) == len(PHOTOS) and plane.returncode == 0 else 1


def leave(number: int, _frame: FrameType | None) -> None:
    """Leaves as Ctrl-C does, through whatever has to be stopped, which is not cut short."""
    for each in ENDING_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def wait_ready(plane: subprocess.Popen[bytes], url: str) -> bool:
    """Until every engine's stable release is served somewhere, showing what still is not."""
    give_up_s = time.monotonic() + READY_TIMEOUT_S
    with console.status("starting two Tritons and the control plane") as status:
        while time.monotonic() < give_up_s and plane.poll() is None:
            try:
                if httpx.get(f"{url}/readyz", timeout=2).status_code == httpx.codes.OK:
                    return True
                fleet = httpx.get(f"{url}/api/v1/fleet", timeout=2).json()["instances"]
                shown = [f"{instance['name']} {instance['state']}" for instance in fleet]
                status.update(f"loading models: {', '.join(shown)}")
            except httpx.TransportError:
                status.update("starting the control plane")
            time.sleep(0.2)
    return False


def stop(plane: subprocess.Popen[bytes]) -> None:
    with console.status("stopping"):
        if plane.poll() is None:
            plane.send_signal(signal.SIGTERM)
        try:
            plane.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            plane.kill()
            plane.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def free_port_range(count: int) -> int:
    """The first of ``count`` ports in a row that nobody listens on now."""
    for first in range(18_000, 30_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise SystemExit("no free ports between 18000 and 30000")


if __name__ == "__main__":
    sys.exit(main())
