"""What callers may call their requests, and what the split is made by."""

from __future__ import annotations

import pytest

from control_plane.core.identifiers import (
    check_idempotency_key,
    check_job_id,
    check_routing_key,
    is_correlation_id,
)
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument


@pytest.mark.parametrize("good", ["a", "Shop:42/roof_7.a-b", "x" * 128])
def test_what_fits_in_a_log_line_and_a_header_is_a_correlation_id(good: str) -> None:
    assert is_correlation_id(good)


@pytest.mark.parametrize("bad", ["", "a b", "x" * 129, "a\n", "\u00fc", "{}", "\u0661"])
def test_what_does_not_is_none(bad: str) -> None:
    assert not is_correlation_id(bad)


def test_a_routing_key_is_bounded_under_the_callers_own_name_for_it() -> None:
    assert check_routing_key("k" * 128, "X-Routing-Key") == "k" * 128
    with pytest.raises(InvalidArgument) as refusal:
        check_routing_key("k" * 129, "X-Routing-Key")
    assert refusal.value.field == "X-Routing-Key"
    assert refusal.value.message == "X-Routing-Key has 129 characters; the limit is 128"


@pytest.mark.parametrize(
    ("given", "key"),
    [("a", "a"), ('"', '"'), ('"a b"', "a b"), ("photo-1", "photo-1"), ("k" * 255, "k" * 255)],
)
def test_an_idempotency_key_is_taken_with_quotes_and_without(given: str, key: str) -> None:
    assert check_idempotency_key(given, "Idempotency-Key") == key


@pytest.mark.parametrize("bad", ["", '""', "k" * 256, "\u00fc", "a\n", "a\x00"])
def test_a_bad_idempotency_key_is_named(bad: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        check_idempotency_key(bad, "idempotency_key")
    assert refusal.value.field == "idempotency_key"


def test_the_id_of_a_job_is_a_uuid_however_it_is_written() -> None:
    job_id = "0b6fd3a2-8c0e-4d5e-9f0a-2f6d2f1c7b11"
    for written in (job_id, job_id.upper(), job_id.replace("-", "")):
        assert check_job_id(written, "job") == job_id


@pytest.mark.parametrize(
    "bad", ["", "x", "\x00", "0b6fd3a2", "{0b6fd3a2-8c0e-4d5e-9f0a-2f6d2f1c7b11}"]
)
def test_what_is_no_uuid_is_the_id_of_no_job(bad: str) -> None:
    with pytest.raises(ControlPlaneError) as refusal:
        check_job_id(bad, "job")
    assert refusal.value.code is ErrorCode.NOT_FOUND
    assert refusal.value.field == "job"
