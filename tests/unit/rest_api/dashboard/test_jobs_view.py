"""Jobs as their page shows them: the queues, the list, what may be done and how that is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import DeadReason, Handover, Job, JobError, JobFigures
from control_plane.errors import ErrorCode
from control_plane.rest_api.dashboard.jobs_view import (
    MOST_COUNTED,
    REMEDIES,
    count_lately,
    offers_of,
    remedy_of,
    show_queues,
    show_row,
)
from control_plane.rest_api.jobs import Act
from tests.unit.fake_jobs import DEPTHS, FIGURES, NOON_S, dead_job, make_job


def test_the_queues_by_priority() -> None:
    shown = show_queues(FIGURES, DEPTHS)
    assert [(row.priority, row.waiting, row.in_queue, row.oldest_age_s) for row in shown.rows] == [
        ("high", 1, 1, None),
        ("normal", 0, 0, None),
        ("low", 40, 39, 12.5),
    ]
    assert (shown.waiting, shown.dead, shown.dead_count) == (41, {"failed": 2}, 2)
    assert (shown.undelivered, shown.sending, shown.in_hand) == (1, 3, 0)
    assert not shown.is_queue_away


def test_what_lies_in_a_queue_that_is_away_is_not_known_rather_than_nothing() -> None:
    shown = show_queues(FIGURES, None)
    assert shown.is_queue_away
    assert [row.in_queue for row in shown.rows] == [None, None, None]
    assert shown.waiting == 41


def test_figures_without_anything() -> None:
    shown = show_queues(JobFigures(dead={DeadReason.FAILED: 0}), dict.fromkeys(Priority, 0))
    assert (shown.waiting, shown.dead, shown.dead_count) == (0, {}, 0)


def test_what_came_lately_is_counted_by_what_became_of_it() -> None:
    jobs = [
        make_job(state=state)
        for state in (
            DetectionStatus.COMPLETED,
            DetectionStatus.PARTIAL,
            DetectionStatus.FAILED,
            DetectionStatus.QUEUED,
            DetectionStatus.PROCESSING,
        )
    ]
    lately = count_lately(jobs)
    assert (lately.accepted, lately.finished, lately.failed) == (5, 3, 1)
    assert (lately.per_minute, lately.is_more) == (1.0, False)


def test_of_more_jobs_than_are_counted_the_rate_is_over_the_time_in_which_those_came() -> None:
    jobs = [make_job(created_at_s=NOON_S - one) for one in range(MOST_COUNTED)]
    lately = count_lately(jobs)
    assert lately.is_more
    assert lately.per_minute == pytest.approx(60, rel=0.01)
    at_once = [make_job() for _ in range(MOST_COUNTED)]
    assert count_lately(at_once).per_minute == 60 * MOST_COUNTED


def test_a_line_says_how_a_dead_letter_came_to_be_and_what_to_do() -> None:
    row = show_row(dead_job())
    assert (row.state, row.dead, row.attempts) == ("failed", "failed", 10)
    assert (row.error_code, row.error) == ("photo_unavailable", "the store is away")
    assert row.remedy == REMEDIES["photo_unavailable"]
    assert row.is_undelivered
    assert row.engines == ("damage", "volume")
    assert row.created_at.timestamp() == NOON_S


def test_one_that_was_discarded_and_one_that_goes_on() -> None:
    assert show_row(dead_job(dead=None)).state == "discarded"
    row = show_row(make_job())
    assert (row.state, row.dead, row.error, row.remedy, row.is_undelivered) == (
        *("queued", None, "", "", False),
    )


def test_a_lone_surrogate_in_a_message_is_marked() -> None:
    row = show_row(dead_job(error=JobError(ErrorCode.BACKEND_FAULT, "bad \ud800", NOON_S)))
    assert row.error == "bad ?"


@pytest.mark.parametrize(
    ("job", "actions"),
    [
        (make_job(), []),
        (dead_job(), [Act.REPLAY, Act.DISCARD, Act.RESEND]),
        (dead_job(handover=None), [Act.REPLAY, Act.DISCARD]),
        (dead_job(request=None, handover=None), [Act.DISCARD]),
        (dead_job(dead=None), [Act.RESEND]),
        (make_job(handover=Handover(0, due_at_s=NOON_S)), []),
        (make_job(handover=Handover(0, delivered_at_s=NOON_S)), []),
    ],
)
def test_what_may_be_done_to_a_job(job: Job, actions: list[Act]) -> None:
    assert [offer.action for offer in offers_of(job)] == actions


def test_the_remedy_of_a_dead_letter_follows_from_its_last_error() -> None:
    assert remedy_of(make_job()) == ""
    assert "cannot be read" in remedy_of(dead_job(request=None))
    assert "replay or discard" in remedy_of(dead_job(error=None))
    unforeseen = JobError(ErrorCode.INTERNAL, "odd", NOON_S)
    assert "replay or discard" in remedy_of(replace(dead_job(), error=unforeseen))


def test_every_remedy_is_of_an_error_that_there_is() -> None:
    assert set(REMEDIES) <= {code.value for code in ErrorCode}
