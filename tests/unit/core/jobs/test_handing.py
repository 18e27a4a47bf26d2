"""A result on its way: each try, and what ends it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import Handover, Job, NotDue
from control_plane.core.jobs.handing import NoHandover, arrived, begin, give_up, put_off, resend
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.unit.core.jobs.test_answers import JOB

DUE = replace(JOB, state=DetectionStatus.COMPLETED, handover=Handover(0, due_at_s=1010.0))
OUT = begin(DUE, 1010.0, hold_s=40.0)


def test_a_try_keeps_others_off_for_a_while() -> None:
    assert OUT.handover == Handover(0, attempts=1, due_at_s=1050.0)
    with pytest.raises(NotDue):
        begin(OUT, 1049.0, hold_s=40.0)
    again = begin(OUT, 1050.0, hold_s=40.0)
    assert again.handover is not None
    assert again.handover.attempts == 2


def test_a_result_that_arrived_is_sent_no_more() -> None:
    done = arrived(
        replace(OUT, handover=replace(OUT.handover or Handover(0), error="no")), 1011.0, run=0
    )
    assert done.handover == Handover(0, attempts=1, delivered_at_s=1011.0)
    for act in ENDED:
        with pytest.raises(NoHandover):
            act(done)


def test_a_result_that_arrived_after_it_was_given_up_has_arrived() -> None:
    given_up = give_up(OUT, 1011.0, run=0, error="gone")
    assert arrived(given_up, 1012.0, run=0).handover == Handover(
        0, attempts=1, delivered_at_s=1012.0
    )


def test_a_result_that_was_put_off_is_due_later() -> None:
    later = put_off(OUT, 1011.0, run=0, wait_s=9.0, error="come again")
    assert later.handover == Handover(0, attempts=1, due_at_s=1020.0, error="come again")


def test_a_result_that_was_given_up_waits_for_a_person_who_may_have_it_sent_again() -> None:
    given_up = give_up(OUT, 1011.0, run=0, error="gone")
    assert given_up.handover == Handover(0, attempts=1, error="gone")
    assert given_up.handover.is_given_up
    with pytest.raises(NoHandover):
        begin(given_up, 2000.0, hold_s=40.0)
    assert resend(given_up, 1020.0).handover == Handover(0, due_at_s=1020.0)


@pytest.mark.parametrize("job", [JOB, DUE, arrived(OUT, 1011.0, run=0)])
def test_only_what_was_given_up_is_sent_again(job: Job) -> None:
    with pytest.raises(ControlPlaneError) as caught:
        resend(job, 1020.0)
    assert caught.value.code is ErrorCode.CONFLICT


ENDED: list[Callable[[Job], Job]] = [
    lambda job: begin(job, 5000.0, hold_s=40.0),
    lambda job: arrived(job, 1011.0, run=0),
    lambda job: put_off(job, 1011.0, run=0, wait_s=1.0, error=""),
    lambda job: give_up(job, 1011.0, run=0, error=""),
]


@pytest.mark.parametrize("act", ENDED[1:])
def test_a_try_of_an_earlier_run_says_nothing_of_a_later_one(act: Callable[[Job], Job]) -> None:
    for job in (JOB, replace(OUT, handover=Handover(1, due_at_s=1010.0))):
        with pytest.raises(NoHandover):
            act(job)
