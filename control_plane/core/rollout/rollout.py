"""One rollout as a value: what it moves, how, and where it has got to.

Whoever holds it can say what traffic it wants and go on from there, so it is all that has to be
stored. Its times are seconds since the epoch, because the leader that goes on with it may be
another process than the one that began.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from control_plane.core.catalogue import Engine
from control_plane.core.rollout.plan import Kind, Plan
from control_plane.core.rollout.states import FINISHED, Event, State, next_state, words_of
from control_plane.core.routing import ALL_BP
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a rollout wants to go to its target, in basis points of the engine's traffic.

    weight_bp: answered by it. shadow_bp: copied to it.
    """

    weight_bp: int = 0
    shadow_bp: int = 0

    @property
    def is_any(self) -> bool:
        return self.weight_bp > 0 or self.shadow_bp > 0


@dataclass(frozen=True, slots=True)
class Rollout:
    """The movement of an engine from one release to another.

    rollout_id: also the salt of its split, so that the first to try a canary are others each
        time; at most 64 bytes of it count.
    stable: the release that was stable when it began, and that it goes back to.
    step: the step it is in or was paused in, from 1; 0 before the first.
    since_s: when the state, or the step, began or went on again. started_s: the rollout.
    reason: why it is where it is, for a person.
    is_reversal: whether a person ordered it to undo the rollout before. No verdict takes it back,
        nor does a rollback said once more.
    """

    rollout_id: str
    engine: str
    stable: str
    target: str
    plan: Plan
    state: State = State.PENDING
    step: int = 0
    since_s: float = 0.0
    paused_in: State | None = None
    reason: str = ""
    is_reversal: bool = False
    started_s: float = 0.0

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED

    @property
    def place(self) -> State:
        """The state, or the one it was paused in."""
        return self.paused_in or self.state

    @property
    def wants_target(self) -> bool:
        """Whether the target is to be loaded on the instances."""
        return self.place in (State.PREPARING, State.SHADOW, State.STEP, State.PROMOTING)

    @property
    def traffic(self) -> Traffic:
        match self.place:
            case State.SHADOW:
                return Traffic(shadow_bp=self.plan.shadow_bp)
            case State.STEP:
                return Traffic(weight_bp=self.plan.weight_bp(self.step))
            case State.PROMOTING:
                return Traffic(weight_bp=ALL_BP)
            case _:
                return Traffic()

    @property
    def stable_now(self) -> str:
        """The engine's stable release, as far as this rollout goes.

        It is to be stored in one write with the rollout: in between there is no stable release
        that is sure to be loaded.
        """
        is_promoted = self.state is State.COMPLETED and self.plan.kind is not Kind.SHADOW
        return self.target if is_promoted else self.stable

    def elapsed_s(self, now_s: float) -> float:
        """Since the state or step began; a clock that was set back makes it no less than 0."""
        return max(0.0, now_s - self.since_s)

    def after(self, event: Event, reason: str, now_s: float) -> Rollout:
        """The rollout after an event. Raises IllegalEvent."""
        state = next_state(self.state, event, paused_in=self.paused_in)
        if state is self.state and event is Event.ROLL_BACK:
            return self  # said twice: it goes on as it did, for the reason that it first had
        return replace(
            self,
            state=state,
            step=self.step + 1 if event is Event.STEP else self.step,
            since_s=now_s,
            paused_in=self.state if state is State.PAUSED else None,
            reason=reason,
        )


def start(
    rollout_id: str,
    engine: Engine,
    *,
    stable: str,
    target: str,
    plan: Plan,
    last: Rollout | None,
    now_s: float,
    reason: str = "",
    is_reversal: bool = False,
) -> Rollout:
    """A new rollout.

    stable: the engine's stable release now. last: the engine's latest rollout, if any.

    Raises ControlPlaneError: UNKNOWN_RELEASE, INVALID_ARGUMENT when the target is stable
    already, CONFLICT while another rollout of the engine is under way.
    """
    if target not in engine.releases:
        raise ControlPlaneError(
            ErrorCode.UNKNOWN_RELEASE,
            f"engine {engine.name!r} has no release {target[:80]!r}; "
            f"releases: {', '.join(engine.releases)}",
            field="release",
        )
    if target == stable:
        raise InvalidArgument(
            f"release {target} is the stable one of engine {engine.name!r} already",
            field="release",
        )
    if last is not None and not last.is_finished:
        raise ControlPlaneError(
            ErrorCode.CONFLICT,
            f"engine {engine.name!r} has the rollout {last.rollout_id} under way, to "
            f"{last.target}: {words_of(last.state, last.paused_in)}; one at a time",
        )
    return Rollout(
        rollout_id,
        engine.name,
        stable,
        target,
        plan,
        since_s=now_s,
        reason=reason,
        is_reversal=is_reversal,
        started_s=now_s,
    )
