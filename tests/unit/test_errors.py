"""The tree of refusals: what follows from a code, and that every code has been thought about."""

from __future__ import annotations

import pytest

from control_plane.errors import (
    CALLER_MISTAKES,
    RETRYABLE,
    ConfigurationError,
    ControlPlaneError,
    ErrorCode,
    InvalidArgument,
)

RETRYABLE_CODES = {
    "release_not_ready",
    "overloaded",
    "backend_unavailable",
    "backend_fault",
    "shutting_down",
    "store_unavailable",
    "queue_unavailable",
    "photo_unavailable",
}
OTHERS = {"deadline_exceeded", "cancelled", "configuration", "internal"}


@pytest.mark.parametrize("code", ErrorCode)
def test_whose_fault_it_is_follows_from_the_code(code: ErrorCode) -> None:
    error = ControlPlaneError(code, "why")
    assert error.is_retryable == (code.value in RETRYABLE_CODES)
    assert error.is_callers_mistake == (code.value not in RETRYABLE_CODES | OTHERS)


def test_no_mistake_is_worth_a_retry() -> None:
    assert CALLER_MISTAKES.isdisjoint(RETRYABLE)


def test_an_error_carries_its_words() -> None:
    error = ControlPlaneError(ErrorCode.OVERLOADED, "full", field="engine", retry_after_s=0.5)
    assert (error.code, error.message, error.field, error.retry_after_s) == (
        ErrorCode.OVERLOADED,
        "full",
        "engine",
        0.5,
    )
    assert str(error) == "full"
    assert repr(error) == "<ControlPlaneError overloaded field=engine: full>"


def test_an_error_without_a_field_shows_none() -> None:
    error = ControlPlaneError(ErrorCode.INTERNAL, "oh")
    assert error.field is None
    assert error.retry_after_s is None
    assert repr(error) == "<ControlPlaneError internal: oh>"


def test_the_two_kinds_with_a_name_know_their_code() -> None:
    refused = InvalidArgument("bad", field="priority")
    assert (refused.code, refused.message, refused.field) == (
        ErrorCode.INVALID_ARGUMENT,
        "bad",
        "priority",
    )
    broken = ConfigurationError("no such file", field="engines")
    assert (broken.code, broken.message, broken.field) == (
        ErrorCode.CONFIGURATION,
        "no such file",
        "engines",
    )
    assert ConfigurationError("no such file").field is None
