"""What the end of a call means, in Triton's own words as observed on 2.51."""

from __future__ import annotations

import grpc
import pytest

from control_plane.core.outcomes import (
    MEANINGS,
    CallFailure,
    Ending,
    Verdict,
    classify,
    names_dead_process,
)
from control_plane.errors import ErrorCode

NOT_READY = "Request for unknown model: 'simple' version 1 is not at ready state"


@pytest.mark.parametrize(
    ("status", "message", "ending"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses", Ending.UNREACHABLE),
        ("UNAVAILABLE", "Server is stopping", Ending.UNREACHABLE),
        ("UNAVAILABLE", "Exceeds maximum queue size", Ending.OVERLOAD),
        ("UNAVAILABLE", "in ensemble 'd--1.0.0', Request timeout expired", Ending.OVERLOAD),
        ("UNAVAILABLE", NOT_READY, Ending.NOT_READY_HERE),
        ("UNAVAILABLE", "'d--1.0.0' has no available versions", Ending.NOT_READY_HERE),
        ("UNAVAILABLE", "model 'd' is not ready", Ending.NOT_READY_HERE),
        ("NOT_FOUND", "'d--1.0.0' has no available versions", Ending.NOT_READY_HERE),
        ("INTERNAL", NOT_READY, Ending.BACKEND_FAULT),
        ("INTERNAL", "Stub process 'd_0' is not healthy", Ending.BACKEND_FAULT),
        ("INTERNAL", "exceeds maximum queue size", Ending.BACKEND_FAULT),
        ("RESOURCE_EXHAUSTED", "CUDA out of memory", Ending.OVERLOAD),
        ("RESOURCE_EXHAUSTED", "Sent message larger than max (6 vs. 5)", Ending.TOO_LARGE),
        ("INVALID_ARGUMENT", "message larger than max", Ending.CALLERS_MISTAKE),
        ("INVALID_ARGUMENT", "unexpected shape", Ending.CALLERS_MISTAKE),
        ("OUT_OF_RANGE", "", Ending.CALLERS_MISTAKE),
        ("UNIMPLEMENTED", "", Ending.UNSUPPORTED),
        ("CANCELLED", "", Ending.CANCELLED),
    ],
)
def test_what_a_failed_call_means(status: str, message: str, ending: Ending) -> None:
    for is_cut_short in (True, False):
        found = classify(CallFailure(status, message), is_cut_short=is_cut_short)
        assert found is ending


def test_whose_time_ran_out_is_told_apart() -> None:
    failure = CallFailure("DEADLINE_EXCEEDED", "Deadline Exceeded")
    assert classify(failure, is_cut_short=True) is Ending.DEADLINE
    assert classify(failure, is_cut_short=False) is Ending.SLOW


@pytest.mark.parametrize(
    "status",
    ["UNKNOWN", "INTERNAL", "DATA_LOSS", "ABORTED", "UNAUTHENTICATED", "FAILED_PRECONDITION"],
)
def test_the_rest_are_faults_of_the_backend(status: str) -> None:
    failure = CallFailure(status, "anything")
    assert classify(failure, is_cut_short=False) is Ending.BACKEND_FAULT


@pytest.mark.parametrize("status", [status.name for status in grpc.StatusCode])
def test_every_status_has_a_meaning(status: str) -> None:
    assert classify(CallFailure(status, ""), is_cut_short=False) in Ending


def test_the_table_of_meanings_is_total_and_says_what_the_essay_says() -> None:
    assert set(MEANINGS) == set(Ending)
    assert [ending for ending, meaning in MEANINGS.items() if meaning.code is None] == [
        Ending.SUCCESS
    ]
    by_verdict = {
        verdict: {ending for ending, meaning in MEANINGS.items() if meaning.verdict is verdict}
        for verdict in Verdict
    }
    assert by_verdict[Verdict.SUCCESS] == {Ending.SUCCESS}
    assert by_verdict[Verdict.FAILURE] == {
        Ending.BACKEND_FAULT,
        Ending.UNREACHABLE,
        Ending.SLOW,
    }
    assert {ending for ending, meaning in MEANINGS.items() if meaning.may_go_elsewhere} == {
        Ending.OVERLOAD,
        Ending.NOT_READY_HERE,
        Ending.BACKEND_FAULT,
        Ending.UNREACHABLE,
        Ending.SLOW,
    }
    assert MEANINGS[Ending.OVERLOAD].code is ErrorCode.OVERLOADED
    assert MEANINGS[Ending.SLOW].code is MEANINGS[Ending.DEADLINE].code


DEAD = "in ensemble 'damage--1.0.0', Stub process 'damage_detector_0_1' is not healthy."


@pytest.mark.parametrize(
    ("status", "message", "is_dead"),
    [
        ("INTERNAL", DEAD, True),
        ("INTERNAL", "Stub process 'preprocess_0_0' is not healthy.", True),
        ("INTERNAL", "Stub process 'a_stranger_0_0' is not healthy.", False),
        ("INTERNAL", "damage_detector_0_1 is out of memory", False),
        # What a caller wrote, said back to him.
        ("INVALID_ARGUMENT", f"unexpected inference input '{DEAD}'", False),
        ("UNAVAILABLE", DEAD, False),
    ],
)
def test_a_dead_process_is_known_by_the_component_that_triton_names(
    status: str, message: str, is_dead: bool
) -> None:
    components = {"preprocess", "damage_detector"}
    assert names_dead_process(CallFailure(status, message), components) is is_dead
