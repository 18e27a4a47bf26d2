"""Messages on the queue: read as what they are, or refused by the name of the field."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from control_plane.core.jobs import JobRequest
from control_plane.core.jobs.orders import ForeignOrder, JobReference
from control_plane.core.tracing import TraceContext
from control_plane.errors import InvalidArgument
from control_plane.queue_api.messages import MessageBody, read_deadline, read_message

KNOWN = ("damage", "materials", "volume")
URL = "s3://claims/roof.jpg"
UUID = "3f2b8c1e-5d1c-4f7a-9b53-0d7f0a1c2e4d"


def read(body: object) -> JobReference | ForeignOrder:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_message(raw, known=KNOWN, new_id=lambda: "new")


def refusal_of(body: object) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as refusal:
        read(body)
    return refusal.value


def test_an_order_of_our_own_names_a_job() -> None:
    assert read({"job_id": UUID}) == JobReference(UUID)
    assert read({"job_id": UUID.upper()}) == JobReference(UUID)


def test_what_is_left_out_has_a_default() -> None:
    order = read({"photo_url": URL})
    assert order == ForeignOrder(JobRequest(KNOWN, "new", photo_url=URL))


def test_all_that_may_be_said_is_read() -> None:
    order = read(
        {
            "photo_url": URL,
            "photo_id": UUID,
            "detection_types": ["volume", "material"],
            "priority": "low",
            "metadata": {"project_id": UUID, "user_id": None},
            "releases": {"volume": "canary"},
            "routing_key": "roof-7",
            "correlation_id": "batch/9",
            "deadline": "2025-01-31T13:00:00.5+01:00",
            "idempotency_key": "photo-1",
        }
    )
    assert isinstance(order, ForeignOrder)
    assert order.request == JobRequest(
        engines=("volume", "materials"),
        correlation_id="batch/9",
        photo_url=URL,
        photo_id=UUID,
        releases={"volume": "canary"},
        metadata={"project_id": UUID},
        routing_key="roof-7",
    )
    assert order.idempotency_key == "photo-1"
    assert order.deadline_at == datetime(2025, 1, 31, 12, 0, 0, 500_000, UTC)


def test_a_message_without_an_id_for_the_log_gets_one() -> None:
    first, second = (read_message(b'{"photo_url": "s3://a/b"}', known=KNOWN) for _ in range(2))
    assert isinstance(first, ForeignOrder)
    assert isinstance(second, ForeignOrder)
    assert first.request.correlation_id != second.request.correlation_id


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"\xff\xfe", "body"),
        (b'{"photo_url": "\\ud800"}', "body"),
        (b'{"photo_url": NaN}', "body"),
        (b"[" * 60_000, "body"),
        (b'{"photo_url":' * 5000, "body"),
        (b"1" * 60_000, "body"),
        (b"null", "body"),
        (b'"photo"', "body"),
        ([], "body"),
        ({}, "photo_url"),
        ({"photo_url": None}, "photo_url"),
        ({"photo_url": 10**400}, "body"),
        ({"photo_url": 10**15}, "photo_url"),
        ({"photo_url": "s3://a/\x00"}, "photo_url"),
        ({"photo_url": "s3://a/" + "b" * 5000}, "photo_url"),
        ({"photo": "abc"}, "photo"),
        ({"photo_url": URL, "a\x00b": 1}, "a?b"),
        ({"photo_url": URL, "photo_id": "7"}, "photo_id"),
        ({"photo_url": URL, "detection_types": []}, "detection_types"),
        ({"photo_url": URL, "detection_types": ["roof"]}, "detection_types[0]"),
        ({"photo_url": URL, "priority": "urgent"}, "priority"),
        ({"photo_url": URL, "metadata": {"project_id": "7"}}, "metadata.project_id"),
        ({"photo_url": URL, "metadata": {"x": "7"}}, "metadata.x"),
        ({"photo_url": URL, "releases": {"roof": "1.0.0"}}, "releases"),
        ({"photo_url": URL, "releases": {"damage": "\x00"}}, "releases"),
        ({"photo_url": URL, "routing_key": "k" * 129}, "routing_key"),
        ({"photo_url": URL, "routing_key": "\x1b[31m"}, "routing_key"),
        ({"photo_url": URL, "correlation_id": "a b"}, "correlation_id"),
        ({"photo_url": URL, "correlation_id": ""}, "correlation_id"),
        ({"photo_url": URL, "idempotency_key": ""}, "idempotency_key"),
        ({"photo_url": URL, "idempotency_key": "k" * 256}, "idempotency_key"),
        ({"photo_url": URL, "deadline": 12}, "deadline"),
        ({"photo_url": URL, "deadline": "tomorrow"}, "deadline"),
        ({"job_id": 7}, "job_id"),
        ({"job_id": "7"}, "job_id"),
        ({"job_id": UUID, "photo_url": URL}, "photo_url"),
    ],
)
def test_a_mistake_is_refused_by_the_name_of_the_field(body: object, field: str) -> None:
    refusal = refusal_of(body)
    assert refusal.field == field
    assert "\x00" not in refusal.message


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-31",
        "2025-01-31T12:00:00",
        "2025-01-31 12:00:00Z",
        "2025-02-30T12:00:00Z",
        "2025-01-31T12:00:60Z",
        "2025-01-31T12:00:00+99:00",
        "20250131T120000Z",
        "0000-01-31T12:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "٢٠٢٥-01-31T12:00:00Z",
        "",
    ],
)
def test_a_deadline_that_is_no_rfc_3339_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        read_deadline(text)


@pytest.mark.parametrize("text", ["2025-01-31T12:00:00Z", "2025-01-31t14:00:00.000000000+02:00"])
def test_a_deadline_has_a_zone(text: str) -> None:
    at = read_deadline(text)
    assert at == datetime(2025, 1, 31, 12, tzinfo=UTC)
    assert isinstance(at.utcoffset(), timedelta)


anything: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
fields = st.sampled_from([*MessageBody.model_fields, "job_id"])


def check_harmless(raw: bytes) -> None:
    """Whatever it is, it is read or refused, and nothing else; what is said can be written."""
    refusal: InvalidArgument | None = None
    try:
        read_message(raw, known=KNOWN)
    except InvalidArgument as error:
        refusal = error
    if refusal is not None:
        assert refusal.field
        assert refusal.message.encode()


@given(st.binary())
def test_no_bytes_do_harm(raw: bytes) -> None:
    check_harmless(raw)


@given(anything)
def test_no_json_does_harm(body: object) -> None:
    check_harmless(json.dumps(body).encode())


@settings(max_examples=300)
@given(st.dictionaries(fields, anything), st.booleans())
@example({"deadline": "0001-01-01T00:00:00+23:59"}, True)
@example({"deadline": "9999-12-31T23:59:59-23:59"}, True)
def test_no_value_of_a_field_does_harm(body: dict[str, object], has_url: bool) -> None:
    check_harmless(json.dumps(body | ({"photo_url": URL} if has_url else {})).encode())


@given(st.text())
def test_no_deadline_does_harm(text: str) -> None:
    check_harmless(json.dumps({"photo_url": URL, "deadline": text}).encode())


def test_a_message_may_name_the_trace_that_it_belongs_to() -> None:
    trace_id, span_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    parent = f"00-{trace_id}-{span_id}-01"
    order = read({"photo_url": URL, "traceparent": parent, "tracestate": "a=1"})
    assert isinstance(order, ForeignOrder)
    assert order.request.trace == TraceContext(trace_id, span_id, True, "a=1")
    # What is none costs nobody his job.
    assert read({"photo_url": URL, "traceparent": "none", "tracestate": "a=1"}) == read(
        {"photo_url": URL}
    )
