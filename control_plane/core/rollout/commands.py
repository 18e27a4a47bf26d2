"""What a person may say of a rollout: pause, resume, advance, abort; and roll an engine back."""

from __future__ import annotations

from enum import StrEnum

from control_plane.core.catalogue import Engine
from control_plane.core.rollout.advance import go_on
from control_plane.core.rollout.plan import Plan
from control_plane.core.rollout.rollout import Rollout, start
from control_plane.core.rollout.states import Event, IllegalEvent, State
from control_plane.errors import ControlPlaneError, ErrorCode


class Command(StrEnum):
    """ADVANCE: the next step now, whatever the verdict; of what was paused while it was
    promoted, complete without the instances that it lacks. ABORT: back to stable.
    """

    PAUSE = "pause"
    RESUME = "resume"
    ADVANCE = "advance"
    ABORT = "abort"


_EVENTS = {
    Command.PAUSE: Event.PAUSE,
    Command.RESUME: Event.RESUME,
    Command.ABORT: Event.ROLL_BACK,
}


def obey(rollout: Rollout, command: Command, reason: str, now_s: float) -> Rollout:
    """The rollout after a command. Raises IllegalEvent, and then nothing has changed.

    A step that was resumed has all of its time again; its samples stay counted. What has not
    been proved yet cannot be advanced.
    """
    if command is not Command.ADVANCE:
        return rollout.after(_EVENTS[command], reason, now_s)
    is_asked = rollout.state is State.PAUSED and rollout.place is State.PROMOTING
    if rollout.place not in (State.SHADOW, State.STEP) and not is_asked:
        raise IllegalEvent(rollout.state, command, rollout.paused_in)
    return go_on(rollout, reason, now_s)


def roll_back(
    rollout_id: str,
    engine: Engine,
    *,
    stable: str,
    last: Rollout | None,
    to: str | None,
    reason: str,
    now_s: float,
) -> Rollout:
    """Takes an engine back: the last rollout if it is under way, else by a new, direct one.

    rollout_id: for a new one. stable: the engine's stable release now. to: the release to go
    back to; None for the one that was stable before the last rollout.

    A rollback that is said again changes nothing: it never takes a rollback back; one that has
    failed is tried again. After a
    completed rollout the release before it may not be loaded any more, so it is loaded and
    proved first; the engine's traffic moves the moment that is done.

    Raises ControlPlaneError(CONFLICT) when there is nothing to take back, and what ``start``
    raises.
    """
    if last is not None and not last.is_finished:
        return _take_back(last, to, reason, now_s)
    if to is None:
        has_failed = last is not None and last.state is State.FAILED and last.is_reversal
        if last is not None and last.stable_now == last.stable and not has_failed:
            return last.after(Event.ROLL_BACK, reason, now_s)
        if last is not None and last.is_reversal and not has_failed:
            return last  # said again, and it is done
        if last is None:
            raise ControlPlaneError(
                ErrorCode.CONFLICT,
                f"engine {engine.name!r} has no rollout to take back; stable is {stable}. "
                f"Name the release to go to",
                field="to",
            )
        to = last.target if has_failed else last.stable
    return start(
        rollout_id,
        engine,
        stable=stable,
        target=to,
        plan=Plan.direct(),
        last=last,
        now_s=now_s,
        reason=reason,
        is_reversal=True,
    )


def _take_back(last: Rollout, to: str | None, reason: str, now_s: float) -> Rollout:
    goal = last.target if last.is_reversal else last.stable
    if to not in (None, goal):
        raise ControlPlaneError(
            ErrorCode.CONFLICT,
            f"rollout {last.rollout_id} of engine {last.engine!r} is under way; roll it back to "
            f"{goal} first",
            field="to",
        )
    return last if last.is_reversal else last.after(Event.ROLL_BACK, reason, now_s)
