"""Every error code has its gRPC status."""

from __future__ import annotations

import grpc
import pytest

from control_plane.errors import CALLER_MISTAKES, ErrorCode
from control_plane.grpc_api.status import STATUS

EXPECTED = {
    "invalid_argument": "INVALID_ARGUMENT",
    "photo_invalid": "INVALID_ARGUMENT",
    "photo_too_large": "INVALID_ARGUMENT",
    "photo_forbidden": "PERMISSION_DENIED",
    "photo_not_found": "NOT_FOUND",
    "message_too_large": "RESOURCE_EXHAUSTED",
    "unknown_engine": "NOT_FOUND",
    "unknown_release": "NOT_FOUND",
    "not_found": "NOT_FOUND",
    "permission_denied": "PERMISSION_DENIED",
    "unimplemented": "UNIMPLEMENTED",
    "conflict": "FAILED_PRECONDITION",
    "release_not_ready": "UNAVAILABLE",
    "overloaded": "RESOURCE_EXHAUSTED",
    "backend_unavailable": "UNAVAILABLE",
    "backend_fault": "INTERNAL",
    "shutting_down": "UNAVAILABLE",
    "store_unavailable": "UNAVAILABLE",
    "queue_unavailable": "UNAVAILABLE",
    "photo_unavailable": "UNAVAILABLE",
    "deadline_exceeded": "DEADLINE_EXCEEDED",
    "cancelled": "CANCELLED",
    "configuration": "FAILED_PRECONDITION",
    "internal": "INTERNAL",
}


def test_the_table_is_total() -> None:
    assert set(STATUS) == set(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_the_status_of_a_code_is_a_promise(code: ErrorCode) -> None:
    assert STATUS[code].name == EXPECTED[code.value]


@pytest.mark.parametrize("code", sorted(CALLER_MISTAKES))
def test_no_mistake_looks_like_something_to_try_again(code: ErrorCode) -> None:
    assert STATUS[code] is not grpc.StatusCode.UNAVAILABLE
