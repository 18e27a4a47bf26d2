from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from structlog.testing import capture_logs

from control_plane.adapters.tracing.otlp import (
    MOST_IN_A_BATCH,
    OtlpOptions,
    OtlpSink,
    make_exporter,
    open_otlp,
)
from control_plane.adapters.tracing.outcomes import Outcome
from control_plane.adapters.tracing.readable import readable_spans
from control_plane.core import tracing
from control_plane.core.tracing import FinishedSpan, FinishedTrace, Keep
from tests.unit.virtual_time import run_virtually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OPTIONS = OtlpOptions("http://collector:4317", max_waiting=3)


@dataclass
class FakeExporter(SpanExporter):
    """A collector. answers: what it says, in turn; all after them: it has it."""

    answers: list[SpanExportResult | Exception] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)
    gate: threading.Event | None = None
    is_shut_down: bool = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.gate is not None:
            self.gate.wait()
        answer = self.answers.pop(0) if self.answers else SpanExportResult.SUCCESS
        if isinstance(answer, Exception):
            raise answer
        if answer is SpanExportResult.SUCCESS:
            self.batches.append([one.name for one in spans])
        return answer

    def shutdown(self) -> None:
        self.is_shut_down = True
        if self.gate is not None:
            self.gate.set()


def finished(*names: str, error: str = "") -> FinishedTrace:
    spans = tuple(
        FinishedSpan(
            span_id=f"{number + 1:016x}",
            parent_id="00f067aa0ba902b7" if number == 0 else f"{1:016x}",
            name=name,
            kind=tracing.SpanKind.SERVER if number == 0 else tracing.SpanKind.CLIENT,
            started_s=1e9 + number,
            ended_s=1e9 + 5.25,
            error=error if number else "",
            attributes={"engine": "damage", "attempts": 2, "hedge": True},
        )
        for number, name in enumerate(names)
    )
    return FinishedTrace(TRACE, "c-1", "a=1", Keep.SLOW, spans)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- the thread of the sink tells nobody
            await asyncio.sleep(0.01)


async def test_what_is_offered_is_sent() -> None:
    exporter = FakeExporter()
    options = OtlpOptions("http://collector:4317", pause_s=0.0)
    async with open_otlp(options, lambda _: exporter) as sink:
        sink.offer(finished("detect", "engine"))
        await until(lambda: sink.outcomes[Outcome.SENT] == 1)

    assert exporter.batches == [["detect", "engine"]]
    assert exporter.is_shut_down


async def test_what_comes_within_a_pause_is_one_batch() -> None:
    exporter = FakeExporter()
    sink = OtlpSink(exporter, OtlpOptions("http://collector:4317"))
    for number in range(MOST_IN_A_BATCH + 1):
        sink.offer(finished(f"n{number}"))
    await sink.flush()
    await sink.close()

    assert [len(batch) for batch in exporter.batches] == [MOST_IN_A_BATCH, 1]


async def test_what_there_is_no_room_for_is_dropped_and_counted() -> None:
    exporter = FakeExporter()
    sink = OtlpSink(exporter, OPTIONS)
    for number in range(5):
        sink.offer(finished(f"n{number}"))

    assert repr(sink) == "<OtlpSink http://collector:4317, 3 waiting>"
    await sink.close()
    assert exporter.batches == [["n0", "n1", "n2"]]
    assert sink.outcomes == {Outcome.SENT: 3, Outcome.DROPPED: 2, Outcome.FAILED: 0}


async def test_a_collector_that_is_away_costs_one_line() -> None:
    away: list[SpanExportResult | Exception] = [
        SpanExportResult.FAILURE,
        RuntimeError("cannot be encoded"),
        SpanExportResult.SUCCESS,
        RuntimeError("once more"),
    ]
    sink = OtlpSink(FakeExporter(away), OPTIONS)
    with capture_logs() as lines:
        for _ in range(4):
            sink.offer(finished("detect"))
            await sink.flush()
    await sink.close()

    assert [line["event"] for line in lines] == [
        "traces are not sent",
        "traces are sent again",
        "traces are not sent",
    ]
    assert lines[2]["reason"] == "RuntimeError: once more"
    assert sink.outcomes == {Outcome.SENT: 1, Outcome.DROPPED: 0, Outcome.FAILED: 3}


def test_a_collector_that_hangs_holds_up_no_end() -> None:
    exporter = FakeExporter(gate=threading.Event())

    async def end() -> OtlpSink:
        async with open_otlp(OPTIONS, lambda _: exporter) as sink:
            sink.offer(finished("detect"))
        return sink

    run_virtually(end())

    assert exporter.is_shut_down


def test_a_trace_becomes_opentelemetrys() -> None:
    resource = Resource({"service.name": "tidegate"})
    root, attempt = readable_spans(finished("detect", "attempt", error="slow: 5 s"), resource)

    assert (root.name, root.kind, attempt.kind) == ("detect", SpanKind.SERVER, SpanKind.CLIENT)
    assert root.context is not None
    assert f"{root.context.trace_id:032x}" == TRACE
    assert root.context.trace_state.to_header() == "a=1"
    assert root.parent is not None
    assert root.parent.is_remote
    assert attempt.parent is not None
    assert not attempt.parent.is_remote
    assert attempt.parent.span_id == root.context.span_id
    assert (root.start_time, root.end_time) == (10**18, 1_000_000_005_250_000_000)
    assert root.attributes == {
        "tidegate.engine": "damage",
        "tidegate.attempts": 2,
        "tidegate.hedge": True,
        "tidegate.correlation_id": "c-1",
        "tidegate.kept": "slow",
    }
    assert root.status.status_code is StatusCode.UNSET
    assert attempt.status.status_code is StatusCode.ERROR
    assert attempt.status.description == "slow: 5 s"
    # What the exporters do with it.
    assert len(encode_spans([root, attempt]).resource_spans[0].scope_spans[0].spans) == 2


def test_a_trace_that_begins_here_has_no_parent() -> None:
    trace = finished("detect")
    first = trace.spans[0]
    alone = FinishedTrace(
        TRACE,
        "c-1",
        "",
        Keep.ERROR,
        (
            FinishedSpan(
                first.span_id, "", "detect", tracing.SpanKind.INTERNAL, 1e9, 1e9 + 1, "", {}
            ),
        ),
    )
    (root,) = readable_spans(alone, Resource({}))

    assert root.parent is None
    assert root.kind is SpanKind.INTERNAL


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_each_protocol_has_its_exporter(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = OtlpOptions(
        "http://127.0.0.1:1/v1/traces",
        protocol=protocol,  # type: ignore[arg-type]
        headers={"authorization": "Bearer secret"},
        timeout_s=0.1,
    )
    exporter = make_exporter(options)

    assert protocol in type(exporter).__module__
    assert "secret" not in repr(options)
    exporter.shutdown()
