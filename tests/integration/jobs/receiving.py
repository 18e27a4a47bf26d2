"""Where results are sent: a receiver that keeps them, and can refuse."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "correct horse battery staple"


class Receiver:
    """answers: by correlation id, what to say to the next requests about it; then 204.

    received: by the result's id. forged: the ids of those that were not signed as they should be.
    parents: the ``traceparent`` of each try, by the result's id.
    """

    def __init__(self) -> None:
        self.received: defaultdict[str, list[bytes]] = defaultdict(list)
        self.answers: dict[str, list[int]] = {}
        self.forged: list[str] = []
        self.parents: defaultdict[str, list[str]] = defaultdict(list)
        self.url = ""
        self._lock = threading.Lock()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        result_id = headers["webhook-id"]
        signed = f"{result_id}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
        with self._lock:
            if headers["webhook-signature"] != f"v1,{base64.b64encode(digest).decode()}":
                self.forged.append(result_id)
            self.received[result_id].append(body)
            self.parents[result_id].append(headers.get("traceparent", ""))
            left = self.answers.get(json.loads(body)["correlation_id"])
            return left.pop(0) if left else 204


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(headers, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests say what they miss."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/results"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
