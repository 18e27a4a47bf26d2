"""A control plane of canned answers on a real socket, in the shapes of INTERFACES.md."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

RELEASE = {
    "release": "1.0.0",
    "pins": {"damage_detector": 1},
    "is_stable": True,
    "weight_bp": 10_000,
    "ready_on": ["triton-0", "triton-1"],
    "ejected": 0,
    "benched": 0,
    "is_panicking": False,
    "panics": 3,
    "is_canary": False,
    "shadow_bp": 0,
    "is_serving": True,
}
CANARY = {
    "release": "1.1.0",
    "pins": {"damage_detector": 2},
    "is_stable": False,
    "weight_bp": 0,
    "ready_on": [],
    "ejected": 0,
    "benched": 0,
    "is_panicking": False,
    "panics": 0,
    "is_canary": False,
    "shadow_bp": 0,
    "is_serving": False,
}
ENGINES = {
    "engines": [
        {
            "name": "damage",
            "kind": "ensemble",
            "stable": "1.0.0",
            "is_ready": True,
            "releases": [RELEASE, CANARY],
            "admission": {
                "limit": 40,
                "in_flight": 3,
                "admitted": {"high": 1, "normal": 20, "low": 5},
                "shed": {"high": 0, "normal": 1, "low": 2},
            },
            "retry_budget_remaining": 30.0,
        }
    ]
}
CHANGE = {
    "at": "2025-01-31T12:00:00Z",
    "instance": "triton-1",
    "engine": None,
    "was": "healthy",
    "now": "unhealthy",
    "reason": "[red]connection refused[/]",
}
WELL = {
    "name": "triton-0",
    "url": "127.0.0.1:8001",
    "state": "ready",
    "serving": {"damage": ["1.0.0"], "volume": ["1.0.0"]},
    "in_flight": 3,
    "breakers": {"volume 1.0.0": "half_open"},
    "reason": "",
    "observed_ago_s": 0.25,
    "health": "healthy",
    "health_reason": "all is well",
    "health_since": "2025-01-31T11:00:00Z",
    "engines": {
        "damage": {"fitness": "fit", "reason": "probe: ok", "in_flight": 2},
        "volume": {"fitness": "unprobed", "reason": "", "in_flight": 1},
    },
    "last_change": None,
    "load": {
        "scraped_ago_s": 0.4,
        "pending": 2,
        "queue_ms": {"damage 1.0.0": 12.4, "volume 1.0.0": 3.0},
        "gpu_utilization": 0.425,
        "gpu_memory_used_bytes": 3 * 2**30,
        "gpu_memory_total_bytes": 16 * 2**30,
        "cpu_utilization": None,
        "cpu_memory_used_bytes": None,
        "cpu_memory_total_bytes": None,
    },
    "load_reason": "",
}
FLEET: dict[str, Any] = {
    "instances": [
        WELL,
        {
            "name": "triton-1",
            "url": "127.0.0.1:8011",
            "state": "unreachable",
            "serving": {},
            "in_flight": 0,
            "breakers": {},
            "reason": "no look yet",
            "observed_ago_s": None,
            "health": "unhealthy",
            "health_reason": "[red]connection refused[/]",
            "health_since": None,
            "engines": {
                "damage": {"fitness": "given_up", "reason": "after 5 mends", "in_flight": 0}
            },
            "last_change": CHANGE,
            "load": None,
            "load_reason": "not scraped while it does not answer",
        },
    ],
    "changes": [CHANGE],
}
HEALTH = {
    "status": "degraded",
    "version": "0.1.0",
    "engines": {"damage": {"is_ready": True, "stable": "1.0.0", "ready_on": ["triton-0"]}},
    "instances": {"triton-0": "ready", "triton-1": "unreachable"},
}
ANSWER: dict[str, Any] = {
    "request_id": "r-1",
    "detection_id": "d-1",
    "correlation_id": "c-1",
    "status": "completed",
    "results": {
        "damage": {
            "detections": [
                {
                    "class": "hail",
                    "confidence": 0.91,
                    "box": {"x_min": 100.0, "y_min": 80.0, "x_max": 180.0, "y_max": 140.0},
                }
            ],
            "counts": {"hail": 1},
        },
        "volume": {"volume_m3": 4.125, "confidence": 0.87},
    },
    "errors": {},
    "processing_time_ms": 41.7,
    "model_versions": {"damage": "v1.0.0", "volume": "v1.0.0"},
    "timestamp": "2025-01-31T12:00:00+00:00",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def form(self) -> dict[str, bytes]:
        """The parts of a multipart body by name."""
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser().parsebytes(head + self.body)
        parts = message.get_payload()
        assert isinstance(parts, list)
        found = {}
        for part in parts:
            assert isinstance(part, Message)
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found[str(name)] = content
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    body: Any
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def problem(status: int, code: str, detail: str, **more: object) -> Reply:
    body = {"status": status, "code": code, "detail": detail, "correlation_id": "c-9", **more}
    return Reply(body, status, "application/problem+json")


class Plane:
    """``replies``: path to what is answered there, or to what makes it of the request."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.replies: dict[str, Reply | Callable[[Seen], Reply]] = {
            "/api/v1/engines": Reply(ENGINES),
            "/api/v1/engines/damage/releases": Reply(
                {"engine": "damage", "stable": "1.0.0", "releases": [RELEASE, CANARY]}
            ),
            "/api/v1/fleet": Reply(FLEET),
            "/api/v1/fleet/triton-0": Reply({**WELL, "history": []}),
            "/api/v1/orchestrator/health": Reply(HEALTH),
            "/api/v1/orchestrator/detect": Reply(ANSWER),
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        plane = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {key.lower(): value for key, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, body)
                plane.seen.append(seen)
                found = plane.replies.get(self.path, problem(404, "not_found", "no such path"))
                reply = found if isinstance(found, Reply) else found(seen)
                content = reply.body
                if not isinstance(content, bytes):
                    content = json.dumps(content).encode()
                self.send_response(reply.status)
                self.send_header("content-type", reply.content_type)
                self.send_header("content-length", str(len(content)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                # A caller whose deadline has passed is gone by now.
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(content)

            do_POST = do_PUT = do_GET  # noqa: N815 - http.server's own spelling

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the tests read what was seen."""

        return Handler
