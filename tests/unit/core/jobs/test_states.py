"""The table is the machine: every arrow of the diagram, and no other."""

from __future__ import annotations

import pytest

from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import FINISHED, TRANSITIONS, IllegalJobEvent, JobEvent, next_state
from control_plane.errors import ErrorCode

QUEUED, PROCESSING = DetectionStatus.QUEUED, DetectionStatus.PROCESSING
COMPLETED, PARTIAL = DetectionStatus.COMPLETED, DetectionStatus.PARTIAL
FAILED = DetectionStatus.FAILED

ARROWS = {
    (QUEUED, JobEvent.CLAIM): PROCESSING,
    (QUEUED, JobEvent.BURY): FAILED,
    (PROCESSING, JobEvent.CLAIM): PROCESSING,
    (PROCESSING, JobEvent.RETRY): QUEUED,
    (PROCESSING, JobEvent.RETURN): QUEUED,
    (PROCESSING, JobEvent.COMPLETE): COMPLETED,
    (PROCESSING, JobEvent.PARTLY): PARTIAL,
    (PROCESSING, JobEvent.BURY): FAILED,
    (FAILED, JobEvent.REPLAY): QUEUED,
    (FAILED, JobEvent.DISCARD): FAILED,
}


@pytest.mark.parametrize("state", DetectionStatus)
@pytest.mark.parametrize("event", JobEvent)
def test_an_event_follows_its_arrow_or_raises(state: DetectionStatus, event: JobEvent) -> None:
    after = ARROWS.get((state, event))
    if after is not None:
        assert next_state(state, event) is after
        return
    with pytest.raises(IllegalJobEvent) as raised:
        next_state(state, event)
    assert raised.value.code is ErrorCode.CONFLICT
    assert raised.value.message == (
        f"the job is {state.value}: {event.value} does not apply to it now"
    )


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(DetectionStatus)


def test_no_worker_moves_what_is_finished() -> None:
    assert {COMPLETED, PARTIAL, FAILED} == FINISHED
    assert TRANSITIONS[COMPLETED] == TRANSITIONS[PARTIAL] == {}
    assert set(TRANSITIONS[FAILED]) == {JobEvent.REPLAY, JobEvent.DISCARD}
