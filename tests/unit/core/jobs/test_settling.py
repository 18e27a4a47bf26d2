"""Every line of the table: an attempt's outcome, and what becomes of its job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from control_plane.core.detections import DetectionStatus, EngineFailure
from control_plane.core.jobs import (
    Bury,
    DeadReason,
    Finish,
    Job,
    JobError,
    JobRetryOptions,
    Outcome,
    Retry,
    Return,
    settle_answer,
    settle_claim,
    settle_error,
)
from control_plane.core.jobs.settling import NOT_ITS_FAULT, merge
from control_plane.errors import CALLER_MISTAKES, ControlPlaneError, ErrorCode
from tests.unit.core.draws import FixedRandom
from tests.unit.core.jobs.making import (
    ENGINES,
    FAULT,
    NOW_S,
    a_job,
    a_result,
    an_answer,
    an_error,
    failing,
)

OPTIONS = JobRetryOptions(max_attempts=4, first_s=2.0, most_s=60.0, pause_s=1.5)
FULL = failing(ErrorCode.OVERLOADED, "full")
MISTAKE = failing(ErrorCode.MESSAGE_TOO_LARGE, "too large")
BROKEN = failing()
OTHERS = frozenset(ErrorCode) - CALLER_MISTAKES - NOT_ITS_FAULT


def answered(job: Job, *found: str, **errors: EngineFailure) -> Outcome:
    answer = an_answer(*found, errors=errors)
    return settle_answer(job, answer, now_s=NOW_S, options=OPTIONS, rng=FixedRandom(1.0))


def refused(
    job: Job, code: ErrorCode, *, retry_after_s: float | None = None, field: str | None = None
) -> Outcome:
    refusal = ControlPlaneError(code, "no", retry_after_s=retry_after_s, field=field)
    return settle_error(job, refusal, now_s=NOW_S, options=OPTIONS, rng=FixedRandom(1.0))


def test_the_defaults() -> None:
    assert JobRetryOptions() == JobRetryOptions(10, 1.0, 300.0, 1.0)


def test_every_engine_answered() -> None:
    assert answered(a_job(attempts=1), *ENGINES) == Finish(an_answer(*ENGINES))


def test_every_engine_answered_in_two_attempts() -> None:
    before = an_answer("damage", errors={"materials": BROKEN, "volume": BROKEN})
    settled = answered(a_job(attempts=2, answer=before), "materials", "volume")
    assert isinstance(settled, Finish)
    assert settled.answer.status is DetectionStatus.COMPLETED
    assert set(settled.answer.results) == set(ENGINES)
    assert settled.answer.errors == {}


@pytest.mark.parametrize("code", sorted(CALLER_MISTAKES))
def test_a_callers_mistake_is_unprocessable_at_once(code: ErrorCode) -> None:
    said = JobError(code, "no", NOW_S, "photo_url")
    settled = refused(a_job(attempts=1), code, field="photo_url", retry_after_s=1.0)
    assert settled == Bury(DeadReason.UNPROCESSABLE, said)


def test_a_callers_mistake_after_something_was_found_is_partial_and_says_why() -> None:
    before = an_answer("damage", errors={"materials": BROKEN, "volume": BROKEN})
    settled = refused(a_job(attempts=2, answer=before), ErrorCode.PHOTO_NOT_FOUND)
    gone = EngineFailure(ErrorCode.PHOTO_NOT_FOUND, "no")
    assert settled == Finish(an_answer("damage", errors={"materials": gone, "volume": gone}))


def test_a_mistake_that_only_engines_can_see_is_not_tried_again() -> None:
    settled = answered(a_job(attempts=1), damage=MISTAKE, volume=MISTAKE)
    assert isinstance(settled, Bury)
    assert settled.reason is DeadReason.UNPROCESSABLE
    assert settled.error.code is ErrorCode.MESSAGE_TOO_LARGE
    partial = answered(a_job(attempts=1), "damage", volume=MISTAKE)
    assert partial == Finish(an_answer("damage", errors={"volume": MISTAKE}))


def test_a_mistake_of_one_engine_does_not_cost_another_its_attempts() -> None:
    assert isinstance(answered(a_job(attempts=1), damage=MISTAKE, volume=BROKEN), Retry)
    assert isinstance(answered(a_job(attempts=1), damage=MISTAKE, volume=FULL), Return)


@pytest.mark.parametrize("code", sorted(NOT_ITS_FAULT))
def test_what_says_nothing_of_the_job_sends_it_back(code: ErrorCode) -> None:
    for attempts in (1, 4):
        settled = refused(a_job(attempts=attempts), code)
        assert settled == Return(1.5, an_error(code, "no"))
        settled = answered(a_job(attempts=attempts), damage=failing(code, "no"))
        assert settled == Return(1.5, an_error(code, "damage: no"))


@pytest.mark.parametrize(
    ("retry_after_s", "wait_s"), [(None, 1.5), (1.0, 1.5), (20.0, 20.0), (500.0, 60.0)]
)
def test_what_goes_back_waits_as_it_is_told(retry_after_s: float | None, wait_s: float) -> None:
    settled = refused(a_job(attempts=1), ErrorCode.OVERLOADED, retry_after_s=retry_after_s)
    assert isinstance(settled, Return)
    assert settled.wait_s == wait_s
    full = failing(ErrorCode.OVERLOADED, "full", retry_after_s)
    settled = answered(a_job(attempts=1), damage=FULL, volume=full)
    assert isinstance(settled, Return)
    assert settled.wait_s == wait_s


def test_a_full_fleet_beside_something_found_uses_up_an_attempt() -> None:
    settled = answered(a_job(attempts=1), "damage", volume=FULL)
    assert isinstance(settled, Retry)
    assert settled.answer == an_answer("damage", errors={"volume": FULL})


def test_a_full_fleet_for_one_and_a_fault_of_another_use_up_an_attempt() -> None:
    settled = answered(a_job(attempts=1), damage=FULL, volume=BROKEN)
    assert isinstance(settled, Retry)
    assert settled.error == an_error(FAULT, "damage: full; volume: it broke")


@pytest.mark.parametrize("code", sorted(OTHERS))
def test_a_fault_is_tried_again_while_attempts_are_left(code: ErrorCode) -> None:
    error = an_error(code, "no")
    assert refused(a_job(attempts=1), code) == Retry(2.0, error)
    assert refused(a_job(attempts=3), code) == Retry(8.0, error)
    assert refused(a_job(attempts=4), code) == Bury(DeadReason.FAILED, error)


def test_a_fault_of_engines_is_tried_again_with_what_was_found() -> None:
    before = an_answer("damage", errors={"materials": BROKEN, "volume": BROKEN})
    settled = answered(a_job(attempts=3, answer=before), "volume", materials=BROKEN)
    assert isinstance(settled, Retry)
    assert settled.wait_s == 8.0
    assert settled.error == an_error(FAULT, "materials: it broke")
    assert settled.answer is not None
    assert set(settled.answer.results) == {"damage", "volume"}
    assert settled.answer.errors == {"materials": BROKEN}


@pytest.mark.parametrize("retry_after_s", [None, 1.0])
def test_the_wait_is_no_shorter_than_the_back_off(retry_after_s: float | None) -> None:
    settled = refused(a_job(attempts=2), FAULT, retry_after_s=retry_after_s)
    assert settled == Retry(4.0, an_error(FAULT, "no"))


@pytest.mark.parametrize(("retry_after_s", "wait_s"), [(7.0, 7.0), (100.0, 60.0)])
def test_the_wait_is_as_long_as_was_asked_for_within_the_limit(
    retry_after_s: float, wait_s: float
) -> None:
    settled = refused(a_job(attempts=1), FAULT, retry_after_s=retry_after_s)
    assert settled == Retry(wait_s, an_error(FAULT, "no"))
    asked = failing(retry_after_s=retry_after_s)
    settled = answered(a_job(attempts=1), damage=asked, volume=failing(retry_after_s=0.5))
    assert isinstance(settled, Retry)
    assert settled.wait_s == wait_s


def test_a_job_that_never_was_attempted_waits_as_after_the_first() -> None:
    assert refused(a_job(attempts=0), FAULT) == Retry(2.0, an_error(FAULT, "no"))


def test_out_of_attempts_with_something_found_is_partial() -> None:
    settled = answered(a_job(attempts=4), "damage", volume=BROKEN)
    assert settled == Finish(an_answer("damage", errors={"volume": BROKEN}))
    before = an_answer("damage", errors={"volume": BROKEN})
    settled = answered(a_job(attempts=4, answer=before), volume=failing(message="again"))
    assert isinstance(settled, Finish)
    assert settled.answer.status is DetectionStatus.PARTIAL
    assert settled.answer.errors == {"volume": failing(message="again")}
    settled = refused(a_job(attempts=4, answer=before), ErrorCode.PHOTO_UNAVAILABLE)
    away = EngineFailure(ErrorCode.PHOTO_UNAVAILABLE, "no")
    assert settled == Finish(an_answer("damage", errors={"volume": away}))


def test_out_of_attempts_with_nothing_found_failed() -> None:
    settled = answered(a_job(attempts=4), damage=BROKEN)
    said = an_answer(errors={"damage": BROKEN})
    assert settled == Bury(DeadReason.FAILED, an_error(FAULT, "damage: it broke"), said)


@pytest.mark.parametrize(("left_s", "kind"), [(2.0, Bury), (2.001, Retry)])
def test_no_attempt_is_made_that_would_come_after_the_deadline(left_s: float, kind: type) -> None:
    job = a_job(attempts=1, deadline_at_s=NOW_S + left_s)
    for settled, words in (
        (refused(job, FAULT), "no"),
        (answered(job, damage=BROKEN), "damage: it broke"),
    ):
        assert isinstance(settled, kind)
        if isinstance(settled, Bury):
            said = f"its deadline passed after 1 of 4 attempts; the last one: {words}"
            assert settled.error == an_error(FAULT, said)


@pytest.mark.parametrize(("left_s", "kind"), [(1.5, Bury), (1.501, Return)])
def test_nothing_goes_back_that_would_come_after_the_deadline(left_s: float, kind: type) -> None:
    job = a_job(attempts=1, deadline_at_s=NOW_S + left_s)
    settled = refused(job, ErrorCode.OVERLOADED)
    assert isinstance(settled, kind)
    if isinstance(settled, Bury):
        assert settled.reason is DeadReason.FAILED
        assert settled.error.code is ErrorCode.DEADLINE_EXCEEDED
        said = "its deadline passed after 1 of 4 attempts; the last one: no"
        assert settled.error.message == said


def test_what_was_found_before_the_deadline_is_partial() -> None:
    before = an_answer("damage", errors={"volume": BROKEN})
    job = a_job(attempts=2, deadline_at_s=NOW_S + 1.0, answer=before)
    assert refused(job, ErrorCode.OVERLOADED) == Finish(before)
    assert settle_claim(job, now_s=NOW_S + 1.0, options=OPTIONS) == Finish(before)


def test_a_claimed_job_is_worked_on_within_its_attempts_and_its_time() -> None:
    job = a_job(attempts=4, deadline_at_s=NOW_S + 1.0)
    assert settle_claim(job, now_s=NOW_S, options=OPTIONS) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attempts": 1}, "before its first attempt"),
        ({"attempts": 1, "error": an_error()}, "before its first attempt; the last error: {}"),
        ({"attempts": 1, "error": an_error(), "run": 1}, "before its first attempt"),
        ({"attempts": 4, "error": an_error()}, "after 3 of 4 attempts; the last one: {}"),
        ({"attempts": 4, "error": an_error(), "run": 1}, "after 3 of 4 attempts; the last one: {}"),
        ({"attempts": 4}, "after 3 of 4 attempts"),
    ],
)
def test_a_job_claimed_too_late_is_a_dead_letter(changes: dict[str, Any], words: str) -> None:
    job = a_job(deadline_at_s=NOW_S, **changes)
    settled = settle_claim(job, now_s=NOW_S, options=OPTIONS)
    assert isinstance(settled, Bury)
    assert settled.reason is DeadReason.FAILED
    assert settled.error.code is ErrorCode.DEADLINE_EXCEEDED
    last = job.error.message if job.error else ""
    assert settled.error.message == f"its deadline passed {words.format(last)}"


def test_a_job_that_killed_its_workers_is_a_dead_letter() -> None:
    last = an_error(ErrorCode.INTERNAL, "worker w-1 was not heard of any more in attempt 4")
    settled = settle_claim(a_job(attempts=5, error=last), now_s=NOW_S, options=OPTIONS)
    assert settled == Bury(DeadReason.FAILED, last)
    settled = settle_claim(a_job(attempts=5), now_s=NOW_S, options=OPTIONS)
    assert settled == Bury(DeadReason.FAILED, an_error(ErrorCode.INTERNAL, "its worker died"))


def test_a_failed_answer_without_results_goes_with_the_dead_letter() -> None:
    said = an_answer(errors={"damage": BROKEN})
    settled = settle_claim(
        a_job(attempts=5, answer=said, error=an_error()), now_s=NOW_S, options=OPTIONS
    )
    assert settled == Bury(DeadReason.FAILED, an_error(), said)


def test_the_error_is_that_of_the_first_that_had_more_than_no_room() -> None:
    other = failing(ErrorCode.BACKEND_UNAVAILABLE, "gone")
    settled = answered(a_job(attempts=1), damage=FULL, materials=other, volume=BROKEN)
    assert isinstance(settled, Retry)
    assert settled.error.code is ErrorCode.BACKEND_UNAVAILABLE
    assert settled.error.message == "damage: full; materials: gone; volume: it broke"


def test_the_words_of_an_error_are_bounded() -> None:
    settled = answered(a_job(attempts=1), damage=failing(message="x" * 2000))
    assert isinstance(settled, Retry)
    assert len(settled.error.message) == 1000
    late = answered(
        a_job(attempts=1, deadline_at_s=NOW_S + 1.0), damage=failing(message="x" * 2000)
    )
    assert isinstance(late, Bury)
    assert len(late.error.message) == 1000


def test_a_first_answer_is_merged_with_nothing() -> None:
    first = an_answer("damage", errors={"volume": BROKEN})
    assert merge(None, first) is first


def test_merging_keeps_what_was_found_and_the_latest_errors() -> None:
    before = an_answer("damage", errors={"materials": BROKEN, "volume": BROKEN})
    later = datetime(2026, 1, 2, tzinfo=UTC)
    after = an_answer(
        "volume",
        errors={"materials": FULL},
        detection_id="d-2",
        processing_time_ms=2.345,
        timestamp=later,
    )
    merged = merge(before, after)
    assert merged.results == {"damage": a_result(), "volume": a_result()}
    assert merged.errors == {"materials": FULL}
    assert merged.status is DetectionStatus.PARTIAL
    assert merged.detection_id == "d-1"
    assert merged.processing_time_ms == 12.35
    assert merged.timestamp == later


def test_merging_prefers_the_latest_result_of_an_engine() -> None:
    after = an_answer("damage", results={"damage": a_result(2)})
    assert merge(an_answer("damage"), after).results == {"damage": a_result(2)}
