"""What a rollout does next, from what is known of it: observe → decide → apply → next wake.

One call makes one move at the most, so that each is stored and audited before the next; after
a move the caller is to ask again at once. Asking again with the same facts and time gives the
same answer, so that a leader that dies between deciding and storing is not missed.

    the target is worse                    back, at once, also while paused or promoting
    not worse, least time and samples      on, if no person is to say so
    undecided, or no data                  wait; at the greatest time of the step: pause and ask
    promoted, and not ready everywhere     the same

That no data came is never taken for success: only NOT_WORSE goes on by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from control_plane.core.rollout.plan import Kind
from control_plane.core.rollout.rollout import Rollout
from control_plane.core.rollout.states import FORWARD, Event, State


class Verdict(StrEnum):
    """What the analysis says of the target. ERROR: there was nothing to judge by."""

    WORSE = "worse"
    NOT_WORSE = "not_worse"
    UNDECIDED = "undecided"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a rollout's target now.

    is_prepared: it is proved on every instance that can have it, and on at least one
        (``reconcile.is_ready_everywhere``).
    is_gone: none of its requests is under way, and no instance that can be reached has what it
        alone needs (``reconcile.is_gone``).
    lacking: the instances that it is not ready on and could be, "" for none.
    refusal: why it can never be prepared, "" while it may be.
    verdict, verdict_reason: the judgement, over all steps so far.
    samples: requests to it that were counted in this step.
    """

    is_prepared: bool = False
    is_gone: bool = False
    lacking: str = ""
    refusal: str = ""
    verdict: Verdict = Verdict.UNDECIDED
    verdict_reason: str = ""
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """rollout: as it is from now on, the one asked about if nothing has changed.

    Its ``traffic`` is what the route is to give the target, its ``stable_now`` what is stable.

    wake_s: when to ask again at the latest if no fact has changed before; None: never.
    """

    rollout: Rollout
    wake_s: float | None


def advance(rollout: Rollout, facts: Facts, now_s: float) -> Decision:
    """The next move of a rollout, or how long to wait for it."""
    is_worse = facts.verdict is Verdict.WORSE and not rollout.is_reversal
    if is_worse and rollout.state in FORWARD:
        reason = facts.verdict_reason or "the target is worse"
        return Decision(rollout.after(Event.ROLL_BACK, reason, now_s), now_s)
    moved = _move(rollout, facts, now_s)
    if moved is not rollout:
        return Decision(moved, now_s)
    return Decision(rollout, _wake_s(rollout, now_s))


def go_on(rollout: Rollout, reason: str, now_s: float) -> Rollout:
    """From the shadow, a step or promoting, or from being paused there, to what comes next.

    A shadow that stays one is completed, an experiment's target is promoted, and one that is
    promoted is completed without the instances that it still lacks. Raises IllegalEvent anywhere
    else.
    """
    plan = rollout.plan
    if plan.kind is Kind.SHADOW or rollout.place is State.PROMOTING:
        return rollout.after(Event.COMPLETE, reason, now_s)
    event = Event.STEP if rollout.step < plan.steps else Event.PROMOTE
    return rollout.after(event, reason, now_s)


def _move(rollout: Rollout, facts: Facts, now_s: float) -> Rollout:
    match rollout.state:
        case State.PENDING:
            return rollout.after(Event.PREPARE, "to be loaded and proved", now_s)
        case State.PREPARING:
            return _prepare(rollout, facts, now_s)
        case State.SHADOW | State.STEP:
            return _judge(rollout, facts, now_s)
        case State.PROMOTING:
            return _promote(rollout, facts, now_s)
        case State.ROLLING_BACK if facts.is_gone:
            return rollout.after(Event.END, rollout.reason, now_s)
        case _:
            return rollout


def _prepare(rollout: Rollout, facts: Facts, now_s: float) -> Rollout:
    plan = rollout.plan
    if facts.refusal:
        return rollout.after(Event.FAIL, facts.refusal, now_s)
    if facts.is_prepared:
        first = _FIRST[plan.kind] if not plan.shadow_bp else Event.MIRROR
        return rollout.after(first, "proved on every instance", now_s)
    if rollout.elapsed_s(now_s) >= plan.max_prepare_s:
        return rollout.after(
            Event.FAIL, f"not proved within max_prepare_s ({plan.max_prepare_s:g} s)", now_s
        )
    return rollout


_FIRST = {
    Kind.CANARY: Event.STEP,
    Kind.EXPERIMENT: Event.STEP,
    Kind.SHADOW: Event.MIRROR,
    Kind.DIRECT: Event.PROMOTE,
}


def _judge(rollout: Rollout, facts: Facts, now_s: float) -> Rollout:
    """In the shadow or a step: on, or to be asked about, or as it is."""
    plan, elapsed_s = rollout.plan, rollout.elapsed_s(now_s)
    if plan.stays:
        return rollout
    has_least = elapsed_s >= plan.min_step_s and facts.samples >= plan.min_samples
    if has_least and facts.verdict is Verdict.NOT_WORSE:
        return go_on(rollout, facts.verdict_reason or "not worse", now_s)
    if elapsed_s >= plan.max_step_s:
        return rollout.after(Event.PAUSE, _question(rollout, facts), now_s)
    return rollout


def _promote(rollout: Rollout, facts: Facts, now_s: float) -> Rollout:
    """Over when every instance has it; one that never gets it is a person's to decide about."""
    if facts.is_prepared:
        return rollout.after(Event.COMPLETE, "ready on every instance", now_s)
    if rollout.elapsed_s(now_s) >= rollout.plan.max_step_s:
        limit = f"max_step_s ({rollout.plan.max_step_s:g} s)"
        where = facts.lacking or "any instance"
        return rollout.after(Event.PAUSE, f"not ready within {limit} on {where}", now_s)
    return rollout


def _question(rollout: Rollout, facts: Facts) -> str:
    plan = rollout.plan
    found = facts.verdict_reason or facts.verdict.value
    if facts.samples < plan.min_samples:
        found = f"{facts.samples} of at least {plan.min_samples} samples; {found}"
    return f"not decided within max_step_s ({plan.max_step_s:g} s): {found}"


def _wake_s(rollout: Rollout, now_s: float) -> float | None:
    """The next moment at which time alone may change something."""
    plan = rollout.plan
    if rollout.state is State.PREPARING:
        return rollout.since_s + plan.max_prepare_s
    if rollout.state is State.PROMOTING:
        return rollout.since_s + plan.max_step_s
    if rollout.state not in (State.SHADOW, State.STEP) or plan.stays:
        return None
    least_s = rollout.since_s + plan.min_step_s
    return least_s if now_s < least_s else rollout.since_s + plan.max_step_s
