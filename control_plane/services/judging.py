"""Judging a rollout: the counts of all control planes, put together and judged at every tick.

For the leader; but anything that can be known is in the store, so any control plane that takes
over comes to the same judgement. Counts without a routing key add up. What has a key is replayed,
in the order in which it was stored, through one tally that counts each key once.

**The shadow is a paired comparison.** A request that is copied is one unit of each arm, at equal
shares (``rollout_tally.PAIR_WEIGHT_BP``). No split is drawn, and the two units of a pair are
anything but independent: a photo that is too dark fails in both releases. The bets of
``core/analysis`` are made for units that are drawn one by one; on a pair, the factors of its two
units are multiplied. Let the canary's event (an error, a slow answer) have the factor 1 + a and
stable's 1 + b. Then a pair has the expectation

    1 + (p_canary a + p_stable b) + p_both a b,        p_both: that both have the event,

- *Alarms for errors and slowness*: the bracket is at most 0 under H0; that is the test of single
  units. a > 0 > b, so the last term is at most 0 too. So they stay valid **however strongly the
  units of a pair depend on each other**: a pair in which both have the event can only lose the
  bet. What gains are discordant pairs, which are fair coins between equal releases, as in
  McNemar's test (Psychometrika 12, 1947).
- *Not worse*: an event of stable has a factor over 1 and one of the canary below 1. So if the
  events of a pair are not negatively correlated, the two factors are not positively so, and the
  expectation of their product is at most the product of their expectations, whose mean is at most
  1 under H0; so their product is, too.
- *Confidence*: if the confidences of a pair are not negatively correlated, the same holds of the
  product of the payoffs: under H0 the pair's expectation is at most (1 - lambda u)^2, with
  0 <= lambda u <= 1, where -2 u is the sum of the two payoffs' expectations.

Negative correlation would be releases each of which does well just where the other does badly.
The sample ratio is not judged: there is no split that could be off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from control_plane.core.analysis import (
    AnalysisOptions,
    Arm,
    Judgement,
    Observed,
    Step,
    StepCounts,
    Tally,
    judge,
)
from control_plane.core.analysis import Verdict as Judged
from control_plane.core.assessing import (
    Found,
    conclude,
    detection_figures,
    figures_of,
    ignored_figures,
    options_for,
)
from control_plane.core.rollout import Assessment, MetricFigures, Rollout, State, Verdict
from control_plane.core.routing import ALL_BP, Trial
from control_plane.core.state import KeyedUnit
from control_plane.ports import CountStore, RolloutCounts, StoreUnavailable
from control_plane.services.accuracy_gate import AccuracyGates
from control_plane.services.gates import Gates
from control_plane.services.measuring import Measuring
from control_plane.services.rollout_tally import WHOLE

PAGE = 2_000
"""Keyed units replayed at once: a few milliseconds."""

MAX_ROLLOUTS = 64
"""Whose keyed units are remembered; a rollout that was not looked at is replayed from the start."""

LEAST_SAMPLES = 50
"""Of stable, for its p95 to be one."""

_Key = TypeVar("_Key")
_JUDGED = frozenset({State.SHADOW, State.STEP, State.PROMOTING})


@dataclass(slots=True)
class _Replay:
    """The keyed units of a rollout, counted up to a number."""

    tally: Tally
    after: int = 0
    steps: dict[tuple[int, int, float], Step] = field(default_factory=dict)

    def add(self, number: int, unit: KeyedUnit) -> None:
        key = unit.step, unit.weight_bp, unit.confidence_centre
        step = self.steps.get(key)
        if step is None:
            step = self.steps[key] = Step(*key)
        arm = Arm.CANARY if unit.is_canary else Arm.STABLE
        bucket = unit.confidence_bucket
        observed = Observed(arm, unit.is_error, unit.is_slow, bucket, key=None)
        self.tally.observe_again(observed, step, unit.digest)
        self.after = number


class Judging:
    """Says what is known of a rollout's target, and what its next step is to be measured by.

    by_engine: options of single engines. try_s: how long a try of one may take.
    gates: None where no Prometheus is asked. accuracy: None where no feedback is taken.
    max_keys: routing keys known of a rollout; it should be what each control plane has.
    """

    def __init__(
        self,
        *,
        store: CountStore,
        measuring: Measuring,
        options: AnalysisOptions,
        by_engine: Mapping[str, AnalysisOptions] | None = None,
        try_s: Callable[[str], float],
        gates: Gates | None = None,
        accuracy: AccuracyGates | None = None,
        max_keys: int = 200_000,
    ) -> None:
        self._store = store
        self._measuring = measuring
        self._options = options
        self._by_engine = by_engine or {}
        self._try_s = try_s
        self._gates = gates
        self._accuracy = accuracy
        self._max_keys = max_keys
        self._replays: dict[str, _Replay] = {}

    def trial_for(self, rollout: Rollout) -> Trial:
        """What a rollout's present step, or its shadow, is measured by: to be asked, and stored,
        as it begins, before a request of it has come.

        slow_s is stable's p95 as it was lately, as this control plane saw it. Any limit that was
        fixed before keeps the guarantee, and one plane's traffic is as good as another's, so the
        others are not asked. While stable has had too few requests, half of a try's time is as
        good; it finds a release that is much slower, and not one that is a little.
        """
        baseline = self._measuring.baseline(rollout.engine)
        slow_s = self._try_s(rollout.engine) / 2
        if baseline.samples >= LEAST_SAMPLES and baseline.p95_s is not None:
            slow_s = baseline.p95_s
        centre = 0.5 if baseline.confidence_mean is None else baseline.confidence_mean
        step = 0 if rollout.place is State.SHADOW else rollout.step
        return Trial(rollout.rollout_id, step, slow_s, centre)

    async def assess(self, rollout: Rollout, trial: Trial | None, now_s: float) -> Assessment:
        """One look at a rollout, whatever state it is in.

        trial: of the present step. now_s: seconds since the epoch.
        """
        if rollout.place not in _JUDGED:
            reason = f"nothing is compared while it is {rollout.place}"
            return Assessment(now_s, rollout.step, Verdict.UNDECIDED, reason, 0)
        gates = () if self._gates is None else self._gates.look(rollout)
        if self._accuracy is not None:
            gates = (*gates, *await self._accuracy.look(rollout))
        try:
            counts = await self._merged(rollout.rollout_id)
            keyed = await self._keyed(rollout.rollout_id)
        except StoreUnavailable as away:
            judged = Judgement(Judged.ERROR, f"the counts cannot be read: {away}")
            return _assessment(rollout, now_s, judged, gates, 0)
        is_shadow = rollout.place is State.SHADOW
        compared = (*counts.steps, *keyed, *_current(rollout, trial))
        if is_shadow:
            compared = counts.shadow
        options = self._by_engine.get(rollout.engine, self._options)
        judged = judge(compared, options_for(rollout, options, is_shadow=is_shadow))
        more = ignored_figures(rollout, compared)
        if is_shadow:
            more = (*more, detection_figures(counts.details))
        return _assessment(rollout, now_s, judged, gates, _samples(rollout, counts), more)

    async def _merged(self, rollout_id: str) -> RolloutCounts:
        """What all planes have counted; of this one, what it has counted by now."""
        by_plane = dict(await self._store.counts(rollout_id))
        live = self._measuring.counts(rollout_id)
        if live is not None:
            by_plane[live[0]] = live[1]
        parts = by_plane.values()
        return RolloutCounts(
            steps=tuple(step for part in parts for step in part.steps),
            shadow=tuple(step for part in parts for step in part.shadow),
            samples=_sum(part.samples for part in parts),
            details=_sum(part.details for part in parts),
        )

    async def _keyed(self, rollout_id: str) -> tuple[StepCounts, ...]:
        replay = self._replays.pop(rollout_id, None) or _Replay(Tally(self._max_keys))
        self._replays[rollout_id] = replay
        if len(self._replays) > MAX_ROLLOUTS:
            del self._replays[next(iter(self._replays))]
        while True:
            units = await self._store.keyed(rollout_id, after=replay.after, limit=PAGE)
            for number, unit in units:
                replay.add(number, unit)
            if len(units) < PAGE:
                return replay.tally.counts()


def _current(rollout: Rollout, trial: Trial | None) -> tuple[StepCounts, ...]:
    """The present step with nothing counted in it.

    Without it, the last step that anything was counted in would be taken for the present one, and
    a step that no request has come in would be left by what the one before has shown.
    """
    weight_bp = rollout.traffic.weight_bp
    if not 0 < weight_bp < ALL_BP:
        return ()  # all traffic is the target's: there is nothing to compare, and nothing new
    centre = 0.5 if trial is None else trial.confidence_centre
    return (StepCounts(Step(rollout.step, weight_bp, centre)),)


def _samples(rollout: Rollout, counts: RolloutCounts) -> int:
    samples = counts.samples.get(rollout.step, 0)
    if rollout.traffic.weight_bp == ALL_BP:
        samples += counts.samples.get(WHOLE, 0)
    return samples


def _assessment(
    rollout: Rollout,
    now_s: float,
    judged: Judgement,
    gates: Iterable[Found],
    samples: int,
    more: tuple[MetricFigures, ...] = (),
) -> Assessment:
    found = tuple(gates)
    verdict, reason = conclude(judged, found)
    figures = (*figures_of(judged), *more, *(one.figures for one in found))
    step = 0 if rollout.place is State.SHADOW else rollout.step
    return Assessment(now_s, step, verdict, reason, samples, figures)


def _sum(parts: Iterable[Mapping[_Key, int]]) -> dict[_Key, int]:
    total: Counter[_Key] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)
