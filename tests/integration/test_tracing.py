"""One trace, from the edge to a Triton and through the queue, at a real receiver of OTLP."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable

import httpx
import pytest
import tritonclient.grpc as triton

from tests.integration.asking import image_input
from tests.integration.jobs.asking import accepted, finished, submit
from tests.integration.jobs.receiving import Receiver
from tests.integration.photos import photo_of
from tests.integration.running import (
    NO_CERTIFICATES,
    RunningTidegate,
    command_line,
    wait_until,
)
from tests.servers.otlp import Collector, ReceivedSpan

pytestmark = pytest.mark.triton

CALLER = "00f067aa0ba902b7"
OWN, TRITONS = "tidegate", "tidegate-triton"


def parent_of(trace_id: str, *, is_sampled: bool = True) -> str:
    return f"00-{trace_id}-{CALLER}-{'01' if is_sampled else '00'}"


def wait_for(collector: Collector, trace_id: str, *names: str) -> list[ReceivedSpan]:
    """The spans of a trace, once there is one of each name."""
    wait_until(
        lambda: set(names) <= {one.name for one in collector.spans(trace_id)},
        what=f"{names} among {[one.name for one in collector.spans(trace_id)]}",
    )
    return collector.spans(trace_id, OWN)


def named(spans: Iterable[ReceivedSpan], name: str) -> list[ReceivedSpan]:
    return [one for one in spans if one.name == name]


def assert_whole(spans: Iterable[ReceivedSpan], roots: set[str]) -> None:
    """Each belongs to another one of the trace, up to the roots' own parent, the caller."""
    known = {one.span_id: one for one in spans}
    for one in known.values():
        if one.name in roots and one.parent_id == CALLER:
            continue
        assert one.parent_id in known, one


def detect(tidegate: RunningTidegate, trace_id: str, *, is_sampled: bool = True) -> str:
    """The correlation id."""
    correlation_id = f"c-{trace_id}"
    answer = httpx.post(
        f"{tidegate.url}/api/v1/orchestrator/detect",
        files={"photo": ("photo.jpg", photo_of("damage"))},
        headers={
            "x-correlation-id": correlation_id,
            "traceparent": parent_of(trace_id, is_sampled=is_sampled),
        },
        timeout=60,
        verify=NO_CERTIFICATES,
    )
    assert answer.status_code == 200, answer.text
    return correlation_id


def test_a_detection_is_one_trace_of_the_callers(
    tidegate: RunningTidegate, collector: Collector, engines: tuple[str, ...]
) -> None:
    trace_id = secrets.token_hex(16)
    detect(tidegate, trace_id)
    spans = wait_for(collector, trace_id, "detect", "engine", "attempt")

    assert_whole(spans, {"detect"})
    assert len(named(spans, "detect")) == 1
    asked = {one.attributes["tidegate.engine"]: one for one in named(spans, "engine")}
    assert set(asked) == set(engines)
    for attempt in named(spans, "attempt"):
        engine = asked[attempt.attributes["tidegate.engine"]]
        assert attempt.parent_id == engine.span_id
        assert attempt.attributes["tidegate.instance"] in tidegate.triton_urls
        assert attempt.attributes["tidegate.release"] == engine.attributes["tidegate.release"]
        assert attempt.attributes["tidegate.ending"] == "success"


def test_the_tritons_go_on_with_it(tidegate: RunningTidegate, collector: Collector) -> None:
    trace_id = secrets.token_hex(16)
    detect(tidegate, trace_id)
    spans = wait_for(collector, trace_id, "attempt")
    wait_until(lambda: collector.spans(trace_id, TRITONS), what="spans of a Triton's own")

    attempts = {one.span_id for one in named(spans, "attempt")}
    wait_until(
        lambda: attempts & {one.parent_id for one in collector.spans(trace_id, TRITONS)},
        what="a Triton's span within an attempt",
    )


def test_what_the_collector_has_can_be_looked_at_without_one(
    tidegate: RunningTidegate, collector: Collector
) -> None:
    trace_id = secrets.token_hex(16)
    correlation_id = detect(tidegate, trace_id)
    spans = wait_for(collector, trace_id, "detect", "attempt")

    shown = tidegate.get(f"/api/v1/traces/{correlation_id}")
    assert shown == tidegate.get(f"/api/v1/traces/{trace_id}")
    assert {one["span_id"] for one in shown["spans"]} == {one.span_id for one in spans}
    assert (shown["status"], shown["is_complete"], shown["is_sampled"]) == ("ok", True, True)
    done = command_line("trace", correlation_id, url=tidegate.url)
    assert done.returncode == 0, done.stderr
    assert "engine damage" in done.stdout
    as_json = command_line("trace", correlation_id, "--json", url=tidegate.url)
    assert json.loads(as_json.stdout) == shown


def test_a_callers_no_is_honoured(tidegate: RunningTidegate, collector: Collector) -> None:
    unwanted, wanted = secrets.token_hex(16), secrets.token_hex(16)
    correlation_id = detect(tidegate, unwanted, is_sampled=False)
    detect(tidegate, wanted)
    wait_for(collector, wanted, "detect")

    assert collector.spans(unwanted) == []
    assert tidegate.get(f"/api/v1/traces/{correlation_id}")["is_sampled"] is False


def test_a_triton_client_is_traced_too(
    client: triton.InferenceServerClient, collector: Collector
) -> None:
    trace_id = secrets.token_hex(16)
    client.infer(
        "damage",
        image_input(photo_of("damage")),
        headers={"traceparent": parent_of(trace_id)},
    )
    spans = wait_for(collector, trace_id, "infer", "engine", "attempt")

    assert_whole(spans, {"infer"})
    assert {one.name for one in spans} == {"infer", "engine", "attempt"}


def test_a_job_is_one_trace_from_its_acceptance_to_its_delivery(
    tidegate: RunningTidegate,
    collector: Collector,
    receiver: Receiver,
    engines: tuple[str, ...],
) -> None:
    trace_id = secrets.token_hex(16)
    headers = {"traceparent": parent_of(trace_id), "x-correlation-id": f"c-{trace_id}"}
    request_id = accepted(submit(tidegate, photo_of("damage"), headers=headers))
    assert finished(tidegate, request_id)["status"] == "completed"
    names = ("submit", "store", "publish", "job", "claim", "photo", "attempt", "settle", "deliver")
    spans = wait_for(collector, trace_id, *names)

    assert_whole(spans, {"submit"})
    (submitted,), (job,) = named(spans, "submit"), named(spans, "job")
    assert job.parent_id == submitted.span_id
    assert {one.parent_id for one in named(spans, "engine")} == {job.span_id}
    assert len(named(spans, "engine")) == len(engines)
    (delivered,) = named(spans, "deliver")
    (parents,) = [them for name, them in receiver.parents.items() if name.startswith(request_id)]
    assert parents == [f"00-{trace_id}-{delivered.span_id}-01"]

    shown = tidegate.get(f"/api/v1/traces/{request_id}")
    assert {one["span_id"] for one in shown["spans"]} == {one.span_id for one in spans}


def test_log_lines_name_the_trace(tidegate: RunningTidegate) -> None:
    trace_id, queued = secrets.token_hex(16), secrets.token_hex(16)
    correlation_id = detect(tidegate, trace_id)
    headers = {"traceparent": parent_of(queued), "x-correlation-id": f"c-{queued}"}
    finished(tidegate, accepted(submit(tidegate, photo_of("damage"), headers=headers)))

    (line,) = [one for one in tidegate.log_lines(correlation_id) if one["event"] == "request"]
    assert line["trace_id"] == trace_id
    wait_until(
        lambda: (
            [
                one["trace_id"]
                for one in tidegate.log_lines(f"c-{queued}")
                if one["event"] == "a job is done"
            ]
            == [queued]
        ),
        what="the line of the job's end",
    )


def test_what_was_sent_is_counted(tidegate: RunningTidegate, collector: Collector) -> None:
    trace_id = secrets.token_hex(16)
    detect(tidegate, trace_id)
    wait_for(collector, trace_id, "detect")
    text = httpx.get(f"{tidegate.url}/metrics", timeout=10, verify=NO_CERTIFICATES).text
    counts = dict(
        line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("tidegate_traces_")
    )

    assert float(counts['tidegate_traces_total{outcome="sent"}']) >= 1
    assert float(counts['tidegate_traces_total{outcome="failed"}']) == 0
    assert float(counts['tidegate_traces_total{outcome="dropped"}']) == 0
