"""One instance's health: its state, the fitness of each engine there, and how both came.

    Look ───► grade ──► row of grades ──► event ──► State        (states.py, looks.py)
               ▲ the last of each engine
    Probe ─────┴──────────────────────────────────► Fitness      (fitness.py)
                                                       │
           fit_engines      = served, fit, and the instance takes traffic
           standby_engines  = served, and nothing but failed looks or probes against it

Loops look and probe, operators say what they want, the mender reports; each call returns the
changes that followed, and the last ``history`` of them are kept.

What is judged under the name of an *engine* is one release of it (``damage 1.0.0``): a canary
or a fallback may be fit where stable is not.

A look costs little and comes often, a probe is an inference and comes seldom: a look only
*shows* what the last probes said, so that one failed probe is never counted twice: an
instance is failed by its probes only once they have made all its engines there unfit. A mender's
proof is a probe like any: what it has just brought back speaks for the instance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from control_plane.core.health.fitness import EngineFitness, Fitness, FitnessEvent
from control_plane.core.health.looks import Grade, Look, ProbeResult, grade_look, read_looks
from control_plane.core.health.states import (
    HELD_BACK,
    TAKES_TRAFFIC,
    Event,
    IllegalEvent,
    State,
    next_state,
)


@dataclass(frozen=True, slots=True)
class HealthOptions:
    """failed_looks: in a row, to unhealthy. good_looks: in a row, to a better state.

    failed_probes, good_probes: in a row, to take an engine out and to let it in again.
    history: changes kept.
    """

    failed_looks: int = 2
    good_looks: int = 3
    failed_probes: int = 2
    good_probes: int = 2
    history: int = 100

    def __post_init__(self) -> None:
        for name in ("failed_looks", "good_looks", "failed_probes", "good_probes", "history"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")


NOT_SERVED = "not served here"
"""Why an engine is to prove itself again, should it come back: until then nothing is judged."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an instance's state or, where engine is named, of that engine's fitness."""

    at_s: float
    from_state: State | Fitness
    to_state: State | Fitness
    reason: str
    engine: str | None = None


class InstanceHealth:
    """What is believed of one instance.

    Invariants:
    - an illegal event raises and changes nothing;
    - looks never move it out of draining or isolated;
    - every change of state or fitness is in the history exactly once, oldest first, each
      beginning where the last one of the same subject ended; the history is bounded;
    - an engine is in fit_engines only if it was served at the last look, its fitness is FIT
      (or it has no probe), and the instance is healthy or degraded;
    - no engine is in both fit_engines and standby_engines, and none whose last answer to a
      probe, since it was loaded, was wrong is in either;
    - while an instance is healthy its last look was not dead.
    """

    def __init__(self, name: str, options: HealthOptions) -> None:
        self.name = name
        self._options = options
        self._state = State.UNKNOWN
        self._reason = "not looked at yet"
        self._recent: deque[Grade] = deque(maxlen=max(options.failed_looks, options.good_looks))
        self._fitness: dict[str, EngineFitness] = {}
        self._serving: frozenset[str] = frozenset()
        self._probes: dict[str, ProbeResult] = {}
        self._fit: frozenset[str] = frozenset()
        self._standby: frozenset[str] = frozenset()
        self._history: deque[Change] = deque(maxlen=options.history)

    def __repr__(self) -> str:
        return f"<InstanceHealth {self.name} {self._state}: {self._reason}>"

    @property
    def state(self) -> State:
        return self._state

    @property
    def reason(self) -> str:
        """Why it is in this state."""
        return self._reason

    @property
    def fit_engines(self) -> frozenset[str]:
        """The engines that may take new traffic here."""
        return self._fit

    @property
    def standby_engines(self) -> frozenset[str]:
        """The engines that may be asked here when no instance is left where they are fit.

        Not answering a look or a probe is no proof that all is lost, and an answer that may
        fail beats none. A wrong answer does not: such an engine, one that is being mended, one
        given up, and all of an instance that an operator holds back, are asked by nobody.
        """
        return self._standby

    @property
    def history(self) -> tuple[Change, ...]:
        """The latest changes, oldest first."""
        return tuple(self._history)

    @property
    def judged(self) -> AbstractSet[str]:
        """The engines that have a fitness here."""
        return self._fitness.keys()

    def fitness(self, engine: str) -> Fitness | None:
        """None for an engine that is not known here or has no probe."""
        known = self._fitness.get(engine)
        return known.state if known else None

    def fitness_reason(self, engine: str) -> str:
        known = self._fitness.get(engine)
        return known.reason if known else ""

    def looked(self, look: Look, now_s: float) -> tuple[Change, ...]:
        """Take in one look."""
        self._serving = frozenset(look.serving) if look.is_live else frozenset()
        changes = self._know(look.probed, now_s)
        out = {
            engine: known.state.value
            for engine, known in self._fitness.items()
            if known.state is not Fitness.FIT
        }
        graded = grade_look(look, self._last_answers(look.probed), out)
        self._recent.append(graded.grade)
        event = read_looks(
            self._state,
            tuple(self._recent),
            failed_looks=self._options.failed_looks,
            good_looks=self._options.good_looks,
        )
        if event is not None:
            is_landing = event is Event.LOOKS_PARTIAL and graded.grade is Grade.GOOD
            changes += self._move(event, "recovering" if is_landing else graded.reason, now_s)
        if self._state in (State.DEGRADED, State.UNHEALTHY):
            # It may be in the same state for another reason by now.
            self._reason = "recovering" if graded.grade is Grade.GOOD else graded.reason
        return self._settle(changes)

    def probed(
        self, engine: str, result: ProbeResult, reason: str, now_s: float
    ) -> tuple[Change, ...]:
        """Take in one probe. Of an engine that is not served here any more it says nothing."""
        fitness = self._fitness.get(engine)
        if fitness is None or engine not in self._serving:
            return ()
        self._probes[engine] = result
        before = fitness.state
        if not fitness.probed(result, reason):
            return self._settle([])
        return self._settle([Change(now_s, before, fitness.state, fitness.reason, engine)])

    def drain(self, reason: str, now_s: float) -> tuple[Change, ...]:
        """Take nothing new. Raises IllegalEvent, as the three below do."""
        return self._settle(self._move(Event.DRAIN, reason, now_s))

    def undrain(self, reason: str, now_s: float) -> tuple[Change, ...]:
        """Let it be judged by looks again."""
        return self._settle(self._move(Event.UNDRAIN, reason, now_s))

    def isolate(self, reason: str, now_s: float) -> tuple[Change, ...]:
        """Put it aside until ``heal``."""
        return self._settle(self._move(Event.ISOLATE, reason, now_s))

    def heal(self, reason: str, now_s: float) -> tuple[Change, ...]:
        """Judge it anew, and with it the engines that were given up."""
        changes = self._move(Event.HEAL, reason, now_s)
        for engine, fitness in self._fitness.items():
            if fitness.state is Fitness.GIVEN_UP:
                changes += self._apply(engine, FitnessEvent.HEAL, reason, now_s)
        return self._settle(changes)

    def take_out(self, engine: str, reason: str, now_s: float) -> tuple[Change, ...]:
        """A mend of this engine begins; no probe brings it in before it has ended.

        Traffic can speak against an engine without a golden input, so it may be mended too.
        """
        self._judge(self._serving & {engine})
        return self._settle(self._apply(engine, FitnessEvent.TAKE_OUT, reason, now_s))

    def mended(self, engine: str, reason: str, now_s: float) -> tuple[Change, ...]:
        """It was loaded anew, and has given its golden answer if it has one."""
        return self._settle(self._apply(engine, FitnessEvent.MENDED, reason, now_s))

    def mend_failed(
        self, engine: str, reason: str, now_s: float, *, is_wrong: bool = False
    ) -> tuple[Change, ...]:
        """It stays out. is_wrong: because what was loaded anew gave a wrong answer."""
        changes = self._apply(engine, FitnessEvent.MEND_FAILED, reason, now_s)
        self._fitness[engine].is_wrong |= is_wrong
        return self._settle(changes)

    def give_up(self, engine: str, reason: str, now_s: float) -> tuple[Change, ...]:
        """It stays out until ``heal``."""
        return self._settle(self._apply(engine, FitnessEvent.GIVE_UP, reason, now_s))

    def _know(self, probed: AbstractSet[str], now_s: float) -> list[Change]:
        """Begin to judge the engines that are served and probed; forget those no longer served.

        Forgotten, too, is who has to prove itself and is asked by nobody: an engine without a
        golden input that was given up and healed. It is believed again.
        """
        provable = self._serving & probed
        self._judge(provable)
        changes: list[Change] = []
        for engine, fitness in tuple(self._fitness.items()):
            if engine not in self._serving:
                before = fitness.state
                if fitness.apply(FitnessEvent.UNLOADED, NOT_SERVED):
                    changes.append(Change(now_s, before, fitness.state, fitness.reason, engine))
                self._probes.pop(engine, None)
            if fitness.state is Fitness.PROVING and engine not in provable:
                del self._fitness[engine]
        return changes

    def _last_answers(self, probed: AbstractSet[str]) -> dict[str, ProbeResult]:
        """How the last probe of each engine ended.

        What has a golden input and is fit without a probe has given its golden answer to its
        mender. Without such an input being mended is no proof, and says nothing here.
        """
        proved = {
            engine: ProbeResult.OK
            for engine in self._serving & probed
            if self.fitness(engine) is Fitness.FIT
        }
        return {**proved, **self._probes}

    def _judge(self, engines: AbstractSet[str]) -> None:
        for engine in sorted(engines - self._fitness.keys()):
            self._fitness[engine] = EngineFitness(
                engine,
                failed_probes=self._options.failed_probes,
                good_probes=self._options.good_probes,
            )

    def _apply(self, engine: str, event: FitnessEvent, reason: str, now_s: float) -> list[Change]:
        fitness = self._fitness.get(engine)
        if fitness is None:
            raise IllegalEvent(f"engine {engine!r} on {self.name!r}", "not probed there", event)
        before = fitness.state
        fitness.apply(event, reason)
        # What was probed before says nothing of what runs after.
        self._probes.pop(engine, None)
        return [Change(now_s, before, fitness.state, reason, engine)]

    def _move(self, event: Event, reason: str, now_s: float) -> list[Change]:
        before = self._state
        after = next_state(f"instance {self.name!r}", before, event)
        if after is before:
            return []
        self._state, self._reason = after, reason
        return [Change(now_s, before, after, reason)]

    def _settle(self, changes: list[Change]) -> tuple[Change, ...]:
        self._history.extend(changes)
        takes_traffic = self._state in TAKES_TRAFFIC
        self._fit = frozenset(
            engine
            for engine in self._serving
            if takes_traffic and self.fitness(engine) in (None, Fitness.FIT)
        )
        self._standby = frozenset(
            engine
            for engine in self._serving - self._fit
            if self._state not in HELD_BACK and self._may_answer(engine)
        )
        return tuple(changes)

    def _may_answer(self, engine: str) -> bool:
        known = self._fitness.get(engine)
        if known is None:
            return True
        return known.state in (Fitness.FIT, Fitness.UNFIT) and not known.is_wrong
