"""Finished traces sent to an OpenTelemetry collector, off the path of requests.

    offer ─► a bounded queue ─► batches, one after the other, in a thread ─► the collector
      └─ no room: dropped, and counted

OpenTelemetry's own exporters send them, over gRPC or HTTP; its spans are made of ours here and
nowhere else. A collector that is away costs one line of the log and the traces of that time.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import structlog
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpExporter,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from control_plane.adapters.tracing.outcomes import Outcome
from control_plane.adapters.tracing.readable import readable_spans
from control_plane.core.tracing import FinishedTrace

log = structlog.get_logger(__name__)

MOST_IN_A_BATCH = 64
"""Traces that are sent at once."""

FLUSH_S = 2.0
"""How long what waits may take to be sent when the process ends."""


@dataclass(frozen=True, slots=True)
class OtlpOptions:
    """endpoint: as the exporter of the protocol takes it. resource: attributes of this process.

    max_waiting: traces. pause_s: for how long what comes is gathered into one batch.
    """

    endpoint: str
    protocol: Literal["grpc", "http"] = "grpc"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    resource: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 5.0
    max_waiting: int = 512
    pause_s: float = 0.5


class OtlpSink:
    """SpanSink. ``open_otlp`` makes one."""

    def __init__(self, exporter: SpanExporter, options: OtlpOptions) -> None:
        self._exporter = exporter
        self._options = options
        self._resource = Resource(dict(options.resource))
        self._waiting: deque[FinishedTrace] = deque()
        self._counts: Counter[Outcome] = Counter()
        self._changed = asyncio.Event()
        # Of its own: an export that hangs must not hold up what else is done in threads.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="traces")
        self._is_failing = False

    def __repr__(self) -> str:
        return f"<OtlpSink {self._options.endpoint}, {len(self._waiting)} waiting>"

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """How many traces came to what, since the start."""
        return {outcome: self._counts[outcome] for outcome in Outcome}

    def offer(self, trace: FinishedTrace) -> None:
        if len(self._waiting) >= self._options.max_waiting:
            self._counts[Outcome.DROPPED] += 1
            return
        self._waiting.append(trace)
        self._changed.set()

    async def run(self) -> None:
        """Sends what comes, until cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(self._options.pause_s)
            self._changed.clear()
            await self.flush()

    async def flush(self) -> None:
        """Sends what waits."""
        while self._waiting:
            count = min(MOST_IN_A_BATCH, len(self._waiting))
            await self._send([self._waiting.popleft() for _ in range(count)])

    async def close(self) -> None:
        """What waits is sent if that takes no time; then it is over."""
        try:
            async with asyncio.timeout(FLUSH_S):
                await self.flush()
        except TimeoutError:
            self._counts[Outcome.DROPPED] += len(self._waiting)
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._exporter.shutdown()

    async def _send(self, batch: Sequence[FinishedTrace]) -> None:
        loop = asyncio.get_running_loop()
        reason = "the collector does not take them"
        try:
            result = await loop.run_in_executor(self._thread, self._export, batch)
        except Exception as error:  # a trace that cannot be sent must not end the others
            result, reason = SpanExportResult.FAILURE, f"{type(error).__name__}: {error}"
        if result is SpanExportResult.SUCCESS:
            self._counts[Outcome.SENT] += len(batch)
            if self._is_failing:
                log.info("traces are sent again", endpoint=self._options.endpoint)
            self._is_failing = False
            return
        self._counts[Outcome.FAILED] += len(batch)
        if not self._is_failing:
            log.warning("traces are not sent", endpoint=self._options.endpoint, reason=reason[:200])
        self._is_failing = True

    def _export(self, batch: Sequence[FinishedTrace]) -> SpanExportResult:
        spans: list[ReadableSpan] = []
        for trace in batch:
            spans += readable_spans(trace, self._resource)
        return self._exporter.export(spans)


@asynccontextmanager
async def open_otlp(
    options: OtlpOptions, make: Callable[[OtlpOptions], SpanExporter] | None = None
) -> AsyncIterator[OtlpSink]:
    """A sink that sends until the end of the context. make: the exporter, for tests."""
    sink = OtlpSink((make or make_exporter)(options), options)
    sending = asyncio.create_task(sink.run(), name="traces", context=contextvars.Context())
    try:
        yield sink
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await sink.close()


def make_exporter(options: OtlpOptions) -> SpanExporter:
    # They tell of every try; we tell once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
    if options.protocol == "http":
        return HttpExporter(
            endpoint=options.endpoint, headers=dict(options.headers), timeout=options.timeout_s
        )
    return GrpcExporter(
        endpoint=options.endpoint,
        insecure=options.endpoint.startswith("http://"),
        headers=tuple(options.headers.items()),
        timeout=options.timeout_s,
    )
