"""A collector that keeps what it is sent: OTLP over gRPC, and over HTTP as Triton speaks it."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as pb_grpc


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """parent_id: "" where there is none. service: of its resource."""

    span_id: str
    parent_id: str
    name: str
    service: str
    attributes: dict[str, Any]


class Collector(pb_grpc.TraceServiceServicer):  # type: ignore[misc]
    """What it was sent, by trace. grpc, http: its endpoints."""

    def __init__(self) -> None:
        self.traces: defaultdict[str, dict[str, ReceivedSpan]] = defaultdict(dict)
        self.grpc = self.http = ""

    def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 -- gRPC's name
        self.take(request)
        return pb.ExportTraceServiceResponse()

    def take(self, request: Any) -> None:
        for resource in request.resource_spans:
            service = _attributes(resource.resource.attributes).get("service.name", "")
            for scope in resource.scope_spans:
                for one in scope.spans:
                    self.traces[one.trace_id.hex()][one.span_id.hex()] = ReceivedSpan(
                        one.span_id.hex(),
                        one.parent_span_id.hex(),
                        one.name,
                        str(service),
                        _attributes(one.attributes),
                    )

    def take_json(self, document: Any) -> None:
        """As Triton sends. OTLP's JSON is not protobuf's own: its ids are hexadecimal."""
        for resource in document["resourceSpans"]:
            pairs = resource.get("resource", {}).get("attributes", [])
            service = _json_attributes(pairs).get("service.name", "")
            for scope in resource["scopeSpans"]:
                for one in scope["spans"]:
                    self.traces[one["traceId"].lower()][one["spanId"].lower()] = ReceivedSpan(
                        one["spanId"].lower(),
                        one.get("parentSpanId", "").lower(),
                        one["name"],
                        str(service),
                        _json_attributes(one.get("attributes", [])),
                    )

    def spans(self, trace_id: str, service: str | None = None) -> list[ReceivedSpan]:
        """Of one trace; of one service of it."""
        found = list(self.traces.get(trace_id, {}).values())
        return [one for one in found if service in (None, one.service)]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        pb_grpc.add_TraceServiceServicer_to_server(collector, server)
        collector.grpc = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        with _http(collector) as url:
            collector.http = url
            try:
                yield collector
            finally:
                server.stop(None).wait()


@contextmanager
def _http(collector: Collector) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-type"] == "application/json":
                collector.take_json(json.loads(body))
            else:
                collector.take(pb.ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests say what they miss."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _json_attributes(pairs: Any) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values()), None) for one in pairs}


def _attributes(pairs: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in pairs}
