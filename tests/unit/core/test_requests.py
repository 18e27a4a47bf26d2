"""What a request counts for: how the arm did that it was sent to, whoever answered it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.core.analysis import Arm, Observed, bucket_of
from control_plane.core.outcomes import Ending
from control_plane.core.requests import Ended, Try, observed_of
from control_plane.core.routing import Route
from control_plane.errors import CALLER_MISTAKES, ErrorCode

ROUTE = Route(
    engine="damage",
    salt="r-1",
    stable="1.0.0",
    weights_bp={"1.0.0": 9_500, "1.1.0": 500},
    serving={"1.0.0": None, "1.1.0": None},  # type: ignore[dict-item]
    known=frozenset({"1.0.0", "1.1.0"}),
    canary="1.1.0",
)
CANARY, STABLE = "1.1.0", "1.0.0"
OK, FAULT, FULL = Ending.SUCCESS, Ending.BACKEND_FAULT, Ending.OVERLOAD


def tries(*endings: Ending, release: str = CANARY, first_s: float = 10.1) -> list[Try]:
    """One after the other, a tenth of a second each."""
    return [
        Try(release, f"triton-{number}", ending, 0.1, first_s + number / 10)
        for number, ending in enumerate(endings)
    ]


def ended(
    *endings: Ending,
    chosen: str = CANARY,
    answered_by: str | None = None,
    error: ErrorCode | None = None,
) -> Ended:
    """A request to the canary that began at 10 s; answered by it if a try of it was a success."""
    if OK in endings and answered_by is None:
        answered_by = chosen
    return Ended(
        route=ROUTE,
        wanted_release="",
        routing_key="key",
        is_key_given=False,
        sequence=None,
        correlation_id="c-1",
        chosen=chosen,
        tries=tries(*endings, release=chosen),
        answered_by=answered_by,
        error=error if error or answered_by else ErrorCode.BACKEND_FAULT,
        started_s=10.0,
        ended_s=11.0,
    )


def observed(one: Ended, confidence: float | None = None) -> Observed | None:
    return observed_of(one, slow_s=0.5, confidence=confidence)


def test_what_the_arm_answered_is_no_error() -> None:
    assert observed(ended(OK), 0.8) == Observed(Arm.CANARY, False, False, bucket_of(0.8), None)
    assert observed(ended(OK, chosen=STABLE)) == Observed(Arm.STABLE, False, False, None, None)
    assert ended(OK).engine == "damage"


def test_the_key_is_the_callers_own_or_none() -> None:
    one = observed(replace(ended(OK), is_key_given=True))
    assert one is not None
    assert one.key == "key"


@pytest.mark.parametrize("ending", [FAULT, Ending.UNREACHABLE, Ending.SLOW])
@pytest.mark.parametrize("chosen", [STABLE, CANARY])
def test_a_failure_that_a_retry_saved_still_counts(ending: Ending, chosen: str) -> None:
    one = observed(ended(ending, OK, chosen=chosen), 0.8)
    arm = Arm.STABLE if chosen == STABLE else Arm.CANARY
    assert one == Observed(arm, True, False, bucket_of(0.8), None)


def test_a_failure_that_the_fallback_saved_counts_against_the_arm_alone() -> None:
    saved = ended(FAULT, answered_by=STABLE)
    saved = replace(saved, tries=[*saved.tries, *tries(OK, release=STABLE, first_s=20.0)])
    assert saved.arm_s == pytest.approx(0.1)
    assert observed(saved, 0.8) == Observed(Arm.CANARY, True, False, None, None)


def test_the_first_try_that_says_something_decides() -> None:
    for endings in ((OK, FAULT), (FULL, OK), (Ending.NOT_READY_HERE, OK), (Ending.CANCELLED, OK)):
        one = observed(ended(*endings))
        assert one is not None
        assert not one.is_error
    for endings in ((FULL, FAULT), (FULL, FAULT, OK), (FAULT, FULL)):
        one = observed(ended(*endings))
        assert one is not None
        assert one.is_error


def test_a_release_that_was_not_there_is_an_error_and_a_full_one_is_none() -> None:
    not_ready = ErrorCode.RELEASE_NOT_READY
    for endings in ((Ending.NOT_READY_HERE,), (Ending.NOT_READY_HERE, FULL)):
        one = observed(ended(*endings, error=not_ready))
        assert one is not None
        assert one.is_error
    assert observed(ended(FULL, FULL, error=ErrorCode.OVERLOADED)) is None
    assert observed(ended(FULL, answered_by=STABLE)) is None


def test_a_deadline_that_ran_out_is_slow_and_no_error() -> None:
    late = ErrorCode.DEADLINE_EXCEEDED
    no_error = Observed(Arm.CANARY, False, True, None, None)
    assert observed(ended(Ending.DEADLINE, error=late)) == no_error
    assert observed(ended(Ending.NOT_READY_HERE, Ending.DEADLINE, error=late)) == no_error
    one = observed(ended(FAULT, Ending.DEADLINE, error=late))
    assert one == Observed(Arm.CANARY, True, True, None, None)


@pytest.mark.parametrize("error", sorted(CALLER_MISTAKES))
def test_the_callers_mistakes_count_for_neither(error: ErrorCode) -> None:
    assert observed(ended(Ending.CALLERS_MISTAKE, error=error)) is None
    assert observed(ended(FAULT, Ending.CALLERS_MISTAKE, error=error)) is None


def test_who_went_away_asked_for_a_release_or_got_no_try_counts_for_neither() -> None:
    assert observed(ended(FAULT, Ending.CANCELLED, error=ErrorCode.CANCELLED)) is None
    assert observed(replace(ended(OK), wanted_release="canary")) is None
    assert observed(ended(error=ErrorCode.RELEASE_NOT_READY)) is None
    elsewhere = replace(ended(answered_by=STABLE), tries=tries(OK, release=STABLE))
    assert elsewhere.arm_s is None
    assert observed(elsewhere) is None


def test_slow_is_what_took_the_arm_longer_than_the_limit() -> None:
    one = ended(OK)
    assert one.arm_s == pytest.approx(0.1)
    for slow_s, is_slow in ((0.05, True), (0.2, False)):
        found = observed_of(one, slow_s=slow_s)
        assert found is not None
        assert found.is_slow is is_slow


def test_a_try_that_never_ended_has_no_time() -> None:
    one = ended(Ending.NOT_READY_HERE, error=ErrorCode.INTERNAL)
    one.tries[0].ended_s = None
    assert observed(one) == Observed(Arm.CANARY, True, False, None, None)


def test_the_arm_has_ended_when_the_last_of_its_tries_has() -> None:
    one = ended(Ending.SUCCESS, FAULT)
    one.tries[0].ended_s, one.tries[1].ended_s = 10.9, 10.5
    assert one.arm_s == pytest.approx(0.9)


def test_what_takes_just_as_long_as_the_limit_is_not_slow() -> None:
    one = replace(ended(OK), started_s=10.0)
    one.tries[0].ended_s = 10.5
    found = observed(one)
    assert found is not None
    assert not found.is_slow
