"""A stand-in for tritonserver: its ports and signals, a stub child and a shared-memory segment.

What it does has been seen on the real one: it answers ``/v2/health/ready``, names its segments
with the prefix it is given, hands the segment's name to the stub's command line and leaves both
behind when it is killed. ``--fake=…`` makes it misbehave. It says ``up PID STUB_PID`` when it runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/v2/health/ready" else 404)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Silent, as Triton is about probes."""


def option(name: str, default: str = "") -> str:
    found = [each.partition("=")[2] for each in sys.argv if each.startswith(f"--{name}=")]
    return found[-1] if found else default


def main() -> None:
    behaviour = option("fake")
    if behaviour == "exit":
        print("error: creating server: as asked", flush=True)
        sys.exit(3)
    segment = Path("/dev/shm") / f"{option('backend-config').rpartition('=')[2]}segment"
    segment.write_bytes(b"tensors")
    stub = subprocess.Popen(
        [
            *(sys.executable, "-S", "-c", "import signal; print(flush=True); signal.pause()"),
            segment.name,
        ],
        stdout=subprocess.PIPE,
        start_new_session=behaviour == "stub-escapes",
    )

    # Its command line can be read once it runs. It holds the log's pipe by its standard error.
    assert stub.stdout is not None
    stub.stdout.readline()

    def leave(_number: int, _frame: object) -> None:
        stub.kill()
        segment.unlink()
        sys.exit(0)

    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, leave)
    print(f"up {os.getpid()} {stub.pid}", flush=True)
    if behaviour == "never-ready":
        signal.pause()
    with HTTPServer(("127.0.0.1", int(option("http-port", "0"))), Ready) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
