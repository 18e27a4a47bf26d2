"""What the end of a call means, in Triton's own words as observed on 2.51."""

from __future__ import annotations

import grpc
import pytest

from control_plane.core.outcomes import CallFailure, classify
from control_plane.errors import ErrorCode

NOT_READY = "Request for unknown model: 'simple' version 1 is not at ready state"


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses", ErrorCode.BACKEND_UNAVAILABLE),
        ("UNAVAILABLE", "Server is stopping", ErrorCode.BACKEND_UNAVAILABLE),
        ("UNAVAILABLE", "Exceeds maximum queue size", ErrorCode.OVERLOADED),
        ("UNAVAILABLE", "in ensemble 'd--1.0.0', Request timeout expired", ErrorCode.OVERLOADED),
        ("UNAVAILABLE", NOT_READY, ErrorCode.RELEASE_NOT_READY),
        ("UNAVAILABLE", "'d--1.0.0' has no available versions", ErrorCode.RELEASE_NOT_READY),
        ("NOT_FOUND", "'d--1.0.0' has no available versions", ErrorCode.RELEASE_NOT_READY),
        ("INTERNAL", NOT_READY, ErrorCode.BACKEND_FAULT),
        ("INTERNAL", "Stub process 'd_0' is not healthy", ErrorCode.BACKEND_FAULT),
        ("INTERNAL", "exceeds maximum queue size", ErrorCode.BACKEND_FAULT),
        ("RESOURCE_EXHAUSTED", "CUDA out of memory", ErrorCode.OVERLOADED),
        (
            "RESOURCE_EXHAUSTED",
            "Sent message larger than max (6 vs. 5)",
            ErrorCode.MESSAGE_TOO_LARGE,
        ),
        ("INVALID_ARGUMENT", "message larger than max", ErrorCode.INVALID_ARGUMENT),
        ("INVALID_ARGUMENT", "unexpected shape", ErrorCode.INVALID_ARGUMENT),
        ("OUT_OF_RANGE", "", ErrorCode.INVALID_ARGUMENT),
        ("UNIMPLEMENTED", "", ErrorCode.UNIMPLEMENTED),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", ErrorCode.DEADLINE_EXCEEDED),
        ("CANCELLED", "", ErrorCode.CANCELLED),
    ],
)
def test_what_a_failed_call_means(status: str, message: str, code: ErrorCode) -> None:
    assert classify(CallFailure(status, message)) is code


@pytest.mark.parametrize(
    "status",
    ["UNKNOWN", "INTERNAL", "DATA_LOSS", "ABORTED", "UNAUTHENTICATED", "FAILED_PRECONDITION"],
)
def test_the_rest_are_faults_of_the_backend(status: str) -> None:
    assert classify(CallFailure(status, "anything")) is ErrorCode.BACKEND_FAULT


@pytest.mark.parametrize("status", [status.name for status in grpc.StatusCode])
def test_every_status_has_a_meaning(status: str) -> None:
    assert classify(CallFailure(status, "")) in ErrorCode
