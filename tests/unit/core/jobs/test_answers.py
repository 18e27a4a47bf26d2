"""What callers see of a job in each of its states."""

from dataclasses import replace
from datetime import UTC, datetime

from control_plane.core.answer_document import write_answer
from control_plane.core.detections import (
    DetectionAnswer,
    DetectionStatus,
    EngineFailure,
    EngineResult,
    Priority,
)
from control_plane.core.jobs import (
    DeadReason,
    Job,
    JobError,
    JobRequest,
    answer_of,
    detection_id_of,
    result_id_of,
)
from control_plane.core.jobs.transitions import discard
from control_plane.errors import ErrorCode

JOB_ID = "8c0a6c1e-6d2b-4b8e-9a33-0f4f5a1f2b3c"
FOUND_AT = datetime(2025, 1, 31, 12, tzinfo=UTC)
DAMAGE = EngineResult({"detections": []}, "1.0.0", "triton-0", 1)

JOB = Job(
    job_id=JOB_ID,
    request=JobRequest(("damage", "volume"), "roof-7", photo_id="photo-1"),
    priority=Priority.NORMAL,
    created_at_s=1000.0,
    updated_at_s=1010.0,
    due_at_s=1000.0,
    deadline_at_s=2000.0,
)


def found(**errors: EngineFailure) -> DetectionAnswer:
    return DetectionAnswer(
        request_id="what the attempt was called",
        detection_id="and what it made up",
        correlation_id="roof-7",
        status=DetectionStatus.PARTIAL if errors else DetectionStatus.COMPLETED,
        results={"damage": DAMAGE},
        errors=errors,
        processing_time_ms=12.5,
        timestamp=FOUND_AT,
    )


def dead(code: ErrorCode, answer: DetectionAnswer | None = None) -> Job:
    return replace(
        JOB,
        state=DetectionStatus.FAILED,
        dead=DeadReason.FAILED,
        error=JobError(code, "why it failed", 1009.0),
        answer=answer,
    )


def test_a_queued_job_has_its_ids_and_nothing_else() -> None:
    answer = answer_of(JOB)

    assert (answer.request_id, answer.detection_id) == (JOB_ID, detection_id_of(JOB))
    assert (answer.correlation_id, answer.photo_id) == ("roof-7", "photo-1")
    assert (answer.status, answer.results, answer.errors) == (DetectionStatus.QUEUED, {}, {})
    assert (answer.timestamp.timestamp(), answer.processing_time_ms) == (1010.0, 0.0)


def test_a_job_that_goes_on_shows_what_was_found_and_not_what_is_tried_again() -> None:
    failure = EngineFailure(ErrorCode.BACKEND_FAULT, "it broke")
    answer = answer_of(replace(JOB, state=DetectionStatus.PROCESSING, answer=found(volume=failure)))

    assert (answer.status, dict(answer.results)) == (DetectionStatus.PROCESSING, {"damage": DAMAGE})
    assert answer.errors == {}
    assert answer.timestamp.timestamp() == 1010.0


def test_a_finished_job_shows_its_answer_under_its_own_ids() -> None:
    failure = EngineFailure(ErrorCode.BACKEND_FAULT, "it broke")
    answer = answer_of(replace(JOB, state=DetectionStatus.PARTIAL, answer=found(volume=failure)))

    assert answer.status is DetectionStatus.PARTIAL
    assert (answer.request_id, answer.detection_id) == (JOB_ID, detection_id_of(JOB))
    assert (answer.errors, answer.timestamp) == ({"volume": failure}, FOUND_AT)
    assert answer.processing_time_ms == 12.5


def test_a_failed_job_says_why_for_each_engine_that_has_not_answered() -> None:
    reason = EngineFailure(ErrorCode.DEADLINE_EXCEEDED, "why it failed")
    answer = answer_of(dead(ErrorCode.DEADLINE_EXCEEDED))

    assert answer.status is DetectionStatus.FAILED
    assert answer.errors == {"damage": reason, "volume": reason}
    assert answer.timestamp.timestamp() == 1009.0


def test_what_an_engine_said_itself_is_shown_if_that_is_what_the_job_failed_for() -> None:
    own = EngineFailure(ErrorCode.BACKEND_FAULT, "it broke", 3.0)

    answer = answer_of(dead(ErrorCode.BACKEND_FAULT, found(volume=own)))
    assert answer.errors == {"volume": own}
    answer = answer_of(dead(ErrorCode.PHOTO_INVALID, found(volume=own)))
    assert answer.errors == {"volume": EngineFailure(ErrorCode.PHOTO_INVALID, "why it failed")}


def test_a_message_that_could_not_be_read_has_an_error_of_its_own() -> None:
    answer = answer_of(replace(dead(ErrorCode.INVALID_ARGUMENT), request=None, raw="{"))

    assert list(answer.errors) == ["request"]
    assert (answer.correlation_id, answer.photo_id) == (JOB_ID, None)


def test_a_failed_job_that_was_stored_without_a_reason_can_be_shown() -> None:
    answer = answer_of(replace(dead(ErrorCode.INTERNAL), error=None))

    assert (answer.errors, answer.timestamp.timestamp()) == ({}, 1010.0)


def test_a_result_is_the_same_however_often_it_is_sent() -> None:
    job = dead(ErrorCode.BACKEND_FAULT)

    assert write_answer(answer_of(discard(job, 5000.0))) == write_answer(answer_of(job))


def test_each_run_has_a_result_and_a_detection_of_its_own() -> None:
    again = replace(JOB, run=1)

    assert (result_id_of(JOB), result_id_of(again)) == (f"{JOB_ID}.0", f"{JOB_ID}.1")
    assert detection_id_of(JOB) != detection_id_of(again)
