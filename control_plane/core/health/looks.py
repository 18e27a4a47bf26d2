"""What one look at an instance says, and what the last few looks amount to.

Readiness lies in both directions. Measured: a server is ready while every request fails; and with
``--strict-readiness``, Triton's default, it is not ready while any model loads, and for good after
one load that failed. So the server's own word makes a look failed only where no engine is served or
all probes fail. But what does not answer a look is failed, whatever its probes said before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from control_plane.core.health.states import Event, State


class ProbeResult(StrEnum):
    """How a real inference on a stored golden input ended.

    OK: answered, rightly. SLOW: answered rightly, but later than it should. BUSY: not answered,
    because the instance is full, or in time while others were: no fault. WRONG_ANSWER:
    answered, but not what is stored. FAILED: not answered, or not in time. DEAD: not answered,
    because a process behind the engine has died; it stays so until it is loaded anew, and a
    request of a caller's finds it out as surely as a probe.
    """

    OK = "ok"
    WRONG_ANSWER = "wrong_answer"
    FAILED = "failed"
    DEAD = "dead"
    SLOW = "slow"
    BUSY = "busy"

    @property
    def is_proof(self) -> bool:
        """Whether the engine gave its golden answer."""
        return self in (ProbeResult.OK, ProbeResult.SLOW)

    @property
    def is_fault(self) -> bool:
        """Whether it speaks against the engine there."""
        return self in (ProbeResult.FAILED, ProbeResult.DEAD, ProbeResult.WRONG_ANSWER)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an instance.

    is_live: False only when the connection was refused; one that hangs is live.
    is_answering: whether the look was answered in time.
    is_ready: what it says of itself; False when it does not answer.
    failure: what is known of why not all is well, for a person.
    serving: the engines observed to be loaded there; when it hangs, those last observed.
    probed: the engines that have a golden input. One without is believed to be ready.
    """

    is_live: bool
    is_ready: bool
    serving: AbstractSet[str] = frozenset()
    probed: AbstractSet[str] = frozenset()
    is_answering: bool = True
    failure: str = ""


class Grade(IntEnum):
    """How good a look is. Ordered: a row of looks is as good as its worst."""

    DEAD = 0
    FAILED = 1
    PARTIAL = 2
    GOOD = 3


@dataclass(frozen=True, slots=True)
class Graded:
    """A look's grade and, for a person, why."""

    grade: Grade
    reason: str


def grade_look(look: Look, probes: Mapping[str, ProbeResult], out: Mapping[str, str]) -> Graded:
    """One look, with what is known of the engines.

    probes: how the last probe of each engine served there ended, be it its mender's.
    out: the engines that are judged there and are not fit, and in a word why. While a probed
        one is not among them, probes alone make no look failed: every look until the next
        probe would count it again.
    """
    if not look.is_live:
        return Graded(Grade.DEAD, look.failure or "connection refused")
    if not look.is_answering:
        return Graded(Grade.FAILED, look.failure or "does not answer in time")
    wrong = {engine: probe for engine, probe in probes.items() if probe is not ProbeResult.OK}
    shown = "probe " + ", ".join(f"{engine}: {probe}" for engine, probe in sorted(wrong.items()))
    has_only_faults = bool(probes) and all(probe.is_fault for probe in probes.values())
    if has_only_faults and out.keys() >= probes.keys():
        return Graded(Grade.FAILED, shown)
    if not look.is_ready:
        if look.serving and not has_only_faults:
            return Graded(Grade.PARTIAL, "says that it is not ready, though its models are")
        return Graded(Grade.FAILED, "not ready")
    if not look.serving:
        return Graded(Grade.PARTIAL, look.failure or "ready, but serves no engine")
    if wrong:
        return Graded(Grade.PARTIAL, shown)
    if out:
        shown = ", ".join(f"{engine}: {why}" for engine, why in sorted(out.items()))
        return Graded(Grade.PARTIAL, shown)
    return Graded(Grade.GOOD, "all is well")


_RANKS: Mapping[State, Grade] = {
    State.UNHEALTHY: Grade.FAILED,
    State.DEGRADED: Grade.PARTIAL,
    State.HEALTHY: Grade.GOOD,
}


def read_looks(
    state: State, recent: Sequence[Grade], *, failed_looks: int, good_looks: int
) -> Event | None:
    """What the latest looks amount to in a state; None when they do not settle it.

    recent: the latest grades, the newest last, at least one. Those from before the state was
        unknown do no harm: the look that ended it stands between, and is no better than the
        state it led to.
    failed_looks: failed looks in a row that make an instance unhealthy.
    good_looks: looks in a row, each at least as good as the better state, that lead up to it.
    """
    newest = recent[-1]
    rank = _RANKS.get(state)
    if rank is None or newest is Grade.DEAD:
        return _event(newest)
    if newest is Grade.FAILED:
        is_settled = len(recent) >= failed_looks and max(recent[-failed_looks:]) <= Grade.FAILED
        return Event.LOOKS_BAD if is_settled else None
    if newest < rank:
        return Event.LOOKS_PARTIAL
    row = recent[-good_looks:]
    if len(row) == good_looks and min(row) > rank:
        return _event(min(row))
    return None


def _event(grade: Grade) -> Event:
    if grade is Grade.GOOD:
        return Event.LOOKS_GOOD
    return Event.LOOKS_PARTIAL if grade is Grade.PARTIAL else Event.LOOKS_BAD
