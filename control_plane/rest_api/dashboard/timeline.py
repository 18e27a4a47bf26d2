"""What was believed of an instance over time, as lanes of coloured stretches.

One lane is the instance's own health; one more for each release that was judged there. The kept
history is short, so the lanes begin where it does and say nothing of before. A release was not
always there: when it came is in no change, and after it went nothing is judged of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from control_plane.core.health import NOT_SERVED, Fitness
from control_plane.services.status import ChangeView

NOT_KNOWN, GONE = "not known", "not served"
"""The states of a stretch that no change names."""
MOST_LANES = 12
MOST_STRETCHES = 100
SHORTEST = timedelta(minutes=1)
"""Of the whole time shown: a change of a second ago is no picture of a second."""
STEP_S = 10
"""The end moves on so far at once: a picture that is a little older need not be sent again."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """So long it was in one state, or in none. left, width: in percent of the time shown."""

    state: str
    reason: str
    began_at: datetime
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """subject: an engine with its release, or None for the instance itself."""

    subject: str | None
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    began_at: datetime
    ended_at: datetime
    lanes: tuple[Lane, ...]


def timeline_of(history: Sequence[ChangeView], now: datetime) -> Timeline | None:
    """history: the latest first. None where nothing is known to have changed."""
    if not history:
        return None
    oldest_first = tuple(reversed(history))
    began_at = min(oldest_first[0].at, _end(now) - SHORTEST)
    ended_at = max(_end(now), oldest_first[-1].at)
    subjects = sorted({one.engine or "" for one in oldest_first})[:MOST_LANES]
    return Timeline(
        began_at,
        ended_at,
        tuple(_lane(subject or None, oldest_first, began_at, ended_at) for subject in subjects),
    )


def _lane(
    subject: str | None, changes: Iterable[ChangeView], began_at: datetime, ended_at: datetime
) -> Lane:
    own = [one for one in changes if one.engine == subject]
    # Before its first change it was what that change says it was; but who has to prove itself may
    # have come just then.
    first = NOT_KNOWN if own[0].was == Fitness.PROVING else own[0].was
    states = [(began_at, first, ""), *((one.at, _state(one), one.reason) for one in own)]
    ends = [*(at for at, _, _ in states[1:]), ended_at]
    length_s = (ended_at - began_at).total_seconds()
    stretches = [
        Stretch(
            state,
            reason,
            at,
            left=_percent(at - began_at, length_s),
            width=_percent(end - at, length_s),
        )
        for (at, state, reason), end in zip(states, ends, strict=True)
        if end > at
    ]
    return Lane(subject, tuple(stretches[-MOST_STRETCHES:]))


def _state(change: ChangeView) -> str:
    is_gone = change.now == Fitness.PROVING and change.reason == NOT_SERVED
    return GONE if is_gone else change.now


def _end(now: datetime) -> datetime:
    return now + timedelta(seconds=-now.timestamp() % STEP_S)


def _percent(length: timedelta, whole_s: float) -> float:
    return round(100 * length.total_seconds() / whole_s, 3)
