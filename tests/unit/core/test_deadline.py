"""A deadline hands on what remains and nothing more."""

from __future__ import annotations

import pytest

from control_plane.core.deadline import Deadline
from control_plane.errors import ControlPlaneError, ErrorCode


def test_it_is_made_from_now() -> None:
    assert Deadline.after(100.0, 2.5) == Deadline(102.5)


def test_what_remains_shrinks_and_stops_at_zero() -> None:
    deadline = Deadline(10.0)
    assert [deadline.remaining_s(now) for now in (4.0, 9.5, 10.0, 11.0)] == [6.0, 0.5, 0.0, 0.0]


def test_a_call_gets_what_remains_up_to_its_own_limit() -> None:
    deadline = Deadline(10.0)
    assert deadline.timeout_s(4.0, 5.0) == 5.0
    assert deadline.timeout_s(4.0, 6.0) == 6.0
    assert deadline.timeout_s(4.0, 7.0) == 6.0
    assert deadline.timeout_s(9.75, 5.0) == 0.25


def test_a_share_of_what_remains_is_kept_back_up_to_so_much() -> None:
    deadline = Deadline(10.0)
    assert deadline.kept_back(8.0, share=0.25, most_s=1.0) == Deadline(9.5)
    assert deadline.kept_back(2.0, share=0.25, most_s=1.0) == Deadline(9.0)
    assert deadline.kept_back(11.0, share=0.25, most_s=1.0) == deadline


@pytest.mark.parametrize("now_s", [10.0, 10.5])
def test_nothing_is_sent_once_it_has_passed(now_s: float) -> None:
    with pytest.raises(ControlPlaneError) as refusal:
        Deadline(10.0).timeout_s(now_s, 5.0)
    assert refusal.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert refusal.value.field == "deadline"
    assert refusal.value.message == "the request's deadline had passed before it could be sent"
