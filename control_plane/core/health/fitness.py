"""Whether one engine may take traffic on one instance: a state machine as data.

An instance can be well while one of its engines is not: the process behind a model dies and
Triton goes on calling it ready. So each engine is judged by its own probes.

                  1 good probe        2 failed probes or 1 wrong answer
    ┌─────────┐ ─────────────► ┌─────┐ ─────────────────────► ┌───────┐
    │ proving │                │ fit │                        │ unfit │
    └─────────┘ ◄── unloaded ─ └─────┘ ◄───────────────────── └───────┘
      ▲     │                   ▲   │       2 good probes      │  ▲   │
      │     └───── take_out ────┼───┤◄──────── take_out ───────┘  │   │
      │                  mended │   ▼                             │   │ give_up
      │                     ┌─────────┐        mend_failed        │   │
      │                     │ mending │───────────────────────────┘   │
      │                     └─────────┘                               │
      │                           │ give_up        ┌──────────┐       │
      │                           └───────────────►│ given_up │◄──────┘
      └──────────────────── heal ──────────────────└──────────┘
    (proving, 1 bad probe: unfit; unfit or given up, unloaded: proving)

*Proving* is where an engine starts, and where being unloaded leaves it, as by a restart: one
good probe is proof, because what ran before is gone. A mender has asked for that proof
itself before it says *mended*. From *unfit* it takes two, because whatever was wrong there is
still there. A slow right answer is a right one: slowness is for breaker and balancing. A busy
probe says nothing either way. While *mending* and once *given up*, probes move nothing; but
what was given up and is then unloaded, which no mender does, begins anew.

An event that a state does not know raises IllegalEvent and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from control_plane.core.health.looks import ProbeResult
from control_plane.core.health.states import IllegalEvent


class Fitness(StrEnum):
    """Only FIT takes traffic."""

    PROVING = "proving"
    FIT = "fit"
    UNFIT = "unfit"
    MENDING = "mending"
    GIVEN_UP = "given_up"


class FitnessEvent(StrEnum):
    """PROVED, DISPROVED: what the probes amount to. UNLOADED: no longer served there.

    The others are said by the mender, HEAL by an operator.
    """

    PROVED = "proved"
    DISPROVED = "disproved"
    TAKE_OUT = "take_out"
    MENDED = "mended"
    MEND_FAILED = "mend_failed"
    GIVE_UP = "give_up"
    HEAL = "heal"
    UNLOADED = "unloaded"


_PROBED: Mapping[FitnessEvent, Fitness] = {
    FitnessEvent.PROVED: Fitness.FIT,
    FitnessEvent.DISPROVED: Fitness.UNFIT,
    FitnessEvent.TAKE_OUT: Fitness.MENDING,
    FitnessEvent.UNLOADED: Fitness.PROVING,
}

TRANSITIONS: Mapping[Fitness, Mapping[FitnessEvent, Fitness]] = {
    Fitness.PROVING: _PROBED,
    Fitness.FIT: _PROBED,
    Fitness.UNFIT: {**_PROBED, FitnessEvent.GIVE_UP: Fitness.GIVEN_UP},
    Fitness.MENDING: {
        FitnessEvent.PROVED: Fitness.MENDING,
        FitnessEvent.DISPROVED: Fitness.MENDING,
        FitnessEvent.UNLOADED: Fitness.MENDING,
        FitnessEvent.MENDED: Fitness.FIT,
        FitnessEvent.MEND_FAILED: Fitness.UNFIT,
        FitnessEvent.GIVE_UP: Fitness.GIVEN_UP,
    },
    Fitness.GIVEN_UP: {
        FitnessEvent.PROVED: Fitness.GIVEN_UP,
        FitnessEvent.DISPROVED: Fitness.GIVEN_UP,
        FitnessEvent.UNLOADED: Fitness.PROVING,
        FitnessEvent.HEAL: Fitness.PROVING,
    },
}


class EngineFitness:
    """One engine on one instance.

    failed_probes: failed probes in a row that take a fit engine out.
    good_probes: good probes in a row that bring an unfit one back.
    is_wrong: whether the last answer was a wrong one. A probe that is not answered, or a mend
        that fails, does not make it right; loading it anew does away with it.
    """

    __slots__ = (
        "_engine",
        "_failed_probes",
        "_failed_row",
        "_good_row",
        "_needed",
        "_state",
        "is_wrong",
        "reason",
    )

    def __init__(self, engine: str, *, failed_probes: int, good_probes: int) -> None:
        self._engine = engine
        self._failed_probes = failed_probes
        # Good and failed probes in a row that settle it; one of either in the other states.
        self._needed = {Fitness.FIT: (1, failed_probes), Fitness.UNFIT: (good_probes, 1)}
        self._good_row = 0
        self._failed_row = 0
        self._state = Fitness.PROVING
        self.is_wrong = False
        self.reason = "not probed yet"

    def __repr__(self) -> str:
        return f"<EngineFitness {self._engine} {self._state}: {self.reason}>"

    @property
    def state(self) -> Fitness:
        return self._state

    def apply(self, event: FitnessEvent, reason: str) -> bool:
        """True when the state changed, and the reason with it. Raises IllegalEvent."""
        after = TRANSITIONS[self._state].get(event)
        if after is None:
            raise IllegalEvent(f"engine {self._engine!r}", self._state, event)
        if event in (FitnessEvent.MENDED, FitnessEvent.UNLOADED):
            self.is_wrong = False
        if after is self._state:
            return False
        self._state, self.reason = after, reason
        self._good_row = self._failed_row = 0
        return True

    def probed(self, result: ProbeResult, reason: str = "") -> bool:
        """Take in one probe; reason: what was wrong, for a person. True when the state changed."""
        if result is ProbeResult.BUSY:
            return False
        if result.is_proof:
            self.is_wrong = False
            self._good_row, self._failed_row = self._good_row + 1, 0
            if self._state is Fitness.FIT:
                self.reason = f"probe: {result}"
        else:
            # What is certain is as good as all the failures it takes. Of a dead process that
            # has a living one beside it, many probes may meet only the living.
            is_certain = result is not ProbeResult.FAILED
            self.is_wrong |= result is ProbeResult.WRONG_ANSWER
            self._good_row = 0
            self._failed_row += self._failed_probes if is_certain else 1
        needed_good, needed_failed = self._needed.get(self._state, (1, 1))
        if self._good_row >= needed_good:
            return self.apply(FitnessEvent.PROVED, f"probe: {result}")
        if self._failed_row >= needed_failed:
            shown = f"probe: {result}: {reason}" if reason else f"probe: {result}"
            return self.apply(FitnessEvent.DISPROVED, shown)
        return False
