"""Where results are sent: a server of its own process that writes down each receipt first.

It is seldom at its best: every so often it is slow, refuses with a server's error, or has noted
a result and hangs up before it says so, so that its sender has to send again.
"""

from __future__ import annotations

import socketserver
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random

from tests.integration.queue_faults.notes import Notes


@dataclass(frozen=True, slots=True)
class Manners:
    """Shares of requests. slow_s: how long those take that are slow."""

    slow: float = 0.0
    slow_s: float = 0.0
    refuses: float = 0.0
    hangs_up: float = 0.0


GOOD = Manners()
BAD = Manners(slow=0.1, slow_s=1.5, refuses=0.1, hangs_up=0.1)


def receive(port: int, folder: Path, manners: Manners, seed: int) -> None:
    """Serves until it is killed."""
    notes, rng = Notes(folder), Random(seed)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Small answers on a connection that is kept: they must not wait for each other.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # its sender was killed in the middle: that is no result
                self.close_connection = True
                return
            draw = rng.random()
            if draw < manners.slow:
                time.sleep(manners.slow_s)
            draw -= manners.slow
            is_refused = 0 <= draw < manners.refuses
            notes.receive(self.headers["webhook-id"], body, 503 if is_refused else 204)
            if 0 <= draw - manners.refuses < manners.hangs_up:
                self.close_connection = True
                return
            self.send_response(503 if is_refused else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not on the terminal."""

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """Its senders are killed; that is none of its errors."""

    with Server(("127.0.0.1", port), Handler) as server:
        server.serve_forever()
