"""What a job says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import Claim, Handover, JobFigures, JobFilter, JobRequest
from tests.unit.core.jobs.making import ENGINES, a_job, an_answer, failing

CLAIM = Claim("w-1", run=0, attempt=1, expires_at_s=1030.0)


def test_a_claim_is_the_same_however_often_it_is_renewed() -> None:
    assert CLAIM.is_same(CLAIM)
    assert CLAIM.is_same(replace(CLAIM, expires_at_s=1060.0))


@pytest.mark.parametrize(
    "other",
    [None, replace(CLAIM, worker="w-2"), replace(CLAIM, run=1), replace(CLAIM, attempt=2)],
)
def test_a_claim_is_another_when_worker_run_or_attempt_differ(other: Claim | None) -> None:
    assert not CLAIM.is_same(other)


@pytest.mark.parametrize(
    ("due_at_s", "delivered_at_s", "is_given_up"),
    [(1000.0, None, False), (None, 1001.0, False), (None, None, True)],
)
def test_a_handover_is_given_up_when_it_is_over_without_a_delivery(
    due_at_s: float | None, delivered_at_s: float | None, is_given_up: bool
) -> None:
    handover = Handover(0, due_at_s=due_at_s, delivered_at_s=delivered_at_s)
    assert handover.is_given_up is is_given_up


@pytest.mark.parametrize(
    ("state", "is_finished"),
    [
        (DetectionStatus.QUEUED, False),
        (DetectionStatus.PROCESSING, False),
        (DetectionStatus.COMPLETED, True),
        (DetectionStatus.PARTIAL, True),
        (DetectionStatus.FAILED, True),
    ],
)
def test_a_job_is_finished_in_each_end_state(state: DetectionStatus, is_finished: bool) -> None:
    assert a_job(state=state).is_finished is is_finished


def test_an_uploaded_photo_is_one_without_a_url() -> None:
    assert not a_job().is_uploaded
    assert a_job(request=JobRequest(ENGINES, "c")).is_uploaded
    assert not a_job(request=None, raw="{").is_uploaded


def test_the_engines_left_are_those_without_a_result_in_the_order_asked() -> None:
    assert a_job().engines_left == ENGINES
    found = an_answer("materials", errors={"damage": failing(), "volume": failing()})
    assert a_job(answer=found).engines_left == ("damage", "volume")
    assert a_job(answer=an_answer(*ENGINES)).engines_left == ()
    assert a_job(request=None, raw="{").engines_left == ()


@pytest.mark.parametrize(("given", "expected"), [("house-7", "house-7"), (None, "id"), ("", "id")])
def test_the_split_is_made_by_the_callers_key_or_the_jobs_id(
    given: str | None, expected: str
) -> None:
    request = JobRequest(ENGINES, "c", routing_key=given)
    assert a_job(job_id="id", request=request).routing_key == expected


def test_a_message_that_could_not_be_read_is_routed_by_its_id() -> None:
    assert a_job(job_id="id", request=None).routing_key == "id"


def test_a_filter_asks_for_nothing_and_figures_are_empty_by_default() -> None:
    wanted = JobFilter()
    assert all(getattr(wanted, name) is None for name in JobFilter.__slots__)
    assert JobFigures() == JobFigures({}, {}, {}, {}, 0, 0)
