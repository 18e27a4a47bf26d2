"""Counting what the gateway saw: for the rollouts under way, and how stable does all the time.

``ended`` is asked in the request's path and only sorts and queues; ``run`` reads the confidence
out of the answers afterwards and counts. A request is counted as a whole or not at all, and what
is left out when the queue is full does not depend on how the request ended, so the judgement
stays fair. Streams are not counted: which message of a stream an answer belongs to, and when it
was sent to the instance, is not known here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import inf

from control_plane.core.analysis import Arm, Observed, Step, bucket_of
from control_plane.core.baseline import Baseline, RollingBaseline
from control_plane.core.confidence import NEEDED, mean_confidence
from control_plane.core.requests import Ended, observed_of
from control_plane.core.routing import ALL_BP, Route, RoutingTable
from control_plane.errors import ControlPlaneError
from control_plane.kserve import read_outputs
from control_plane.ports import Clock, RolloutCounts
from control_plane.services.rollout_tally import WHOLE, RolloutTally, TallyOptions

BATCH = 32
"""Answers read at a time, before others have their turn: about a millisecond."""


@dataclass(frozen=True, slots=True)
class MeasuringOptions:
    """Bounds.

    max_waiting, max_waiting_bytes: ended requests, and their answers, that are not counted yet.
    forget_s: how long a rollout is remembered that no route has a part of.
    baseline_s: how far back stable's latency and confidence are looked at.
    """

    max_waiting: int = 4096
    max_waiting_bytes: int = 64 * 1024 * 1024
    forget_s: float = 3600.0
    baseline_s: float = 600.0
    tally: TallyOptions = field(default_factory=TallyOptions)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that is to be counted.

    served: the engine, and the release whose answer it is. step, tally: None where only the
    baseline wants it.
    """

    served: tuple[str, str]
    observed: Observed
    answer: bytes
    ended_s: float
    made_up_key: str
    step: Step | None
    tally: RolloutTally | None
    baseline: RollingBaseline | None


class Measuring:
    """What one control plane has counted.

    plane: its name, another one after each start.
    table: the routes in force.
    saw_confidence: told of each confidence that was read: engine, release, in 0..1, and when the
        answer was known.
    """

    def __init__(
        self,
        *,
        plane: str,
        table: Callable[[], RoutingTable],
        clock: Clock,
        options: MeasuringOptions | None = None,
        saw_confidence: Callable[[str, str, float, float], None] | None = None,
    ) -> None:
        self._plane = plane
        self._table = table
        self._clock = clock
        self._options = options or MeasuringOptions()
        self._saw_confidence = saw_confidence
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._has_some = asyncio.Event()
        self._tallies: dict[str, RolloutTally] = {}
        self._tallies_begun = 0
        self._baselines: dict[tuple[str, str], RollingBaseline] = {}
        # By engine: the route that was last asked about, and its step.
        self._steps: dict[str, tuple[Route, Step | None]] = {}
        self.dropped = 0

    def ended(self, ended: Ended) -> None:
        """Takes in a request that the gateway has ended. O(1), and reads no tensor."""
        route, trial = ended.route, ended.route.trial
        self._count_sample(ended)
        observed = observed_of(ended, slow_s=inf if trial is None else trial.slow_s)
        if observed is None:
            return
        baseline = self._take_latency(ended) if observed.arm is Arm.STABLE else None
        step = self._step(route)
        if step is None and baseline is None:
            return
        if (
            len(self._waiting) >= self._options.max_waiting
            # However large this one's own answer is, or those that failed would be preferred.
            or self._waiting_bytes >= self._options.max_waiting_bytes
        ):
            self.dropped += step is not None
            return
        answer = ended.answer if ended.is_of_arm else b""
        tally = None if trial is None or step is None else self.tally(trial.rollout_id)
        self._waiting.append(
            _Waiting(
                (ended.engine, ended.chosen),
                observed,
                answer,
                ended.ended_s,
                ended.routing_key,
                step,
                tally,
                baseline,
            )
        )
        self._waiting_bytes += len(answer)
        self._has_some.set()

    async def run(self) -> None:
        """Counts what has ended, until it is cancelled."""
        while True:
            await self._has_some.wait()
            self.count(BATCH)
            await asyncio.sleep(0)

    def count(self, most: int | None = None) -> None:
        """Counts so many of those that wait; all if None."""
        number = len(self._waiting) if most is None else min(most, len(self._waiting))
        for _ in range(number):
            one = self._waiting.popleft()
            self._waiting_bytes -= len(one.answer)
            self._count(one)
        if not self._waiting:
            self._has_some.clear()

    def tally(self, rollout_id: str) -> RolloutTally:
        """The counts of a rollout, from nothing if it was not heard of."""
        now_s = self._clock.now_s()
        tally = self._tallies.get(rollout_id)
        if tally is None:
            self._tallies_begun += 1
            label = f"{self._plane}#{self._tallies_begun}"
            tally = self._tallies[rollout_id] = RolloutTally(label, self._options.tally, now_s)
        tally.used_at_s = now_s
        return tally

    def tallies(self) -> dict[str, RolloutTally]:
        """All there are, by rollout."""
        return dict(self._tallies)

    def counts(self, rollout_id: str) -> tuple[str, RolloutCounts] | None:
        """Under which label they are stored, and the counts as they are now."""
        tally = self._tallies.get(rollout_id)
        return None if tally is None else (tally.label, tally.counts())

    def baseline(self, engine: str) -> Baseline:
        """How the engine's stable release has done lately, as far as this control plane saw."""
        route = self._table().routes.get(engine)
        rolling = None if route is None else self._baselines.get((engine, route.stable))
        return Baseline() if rolling is None else rolling.read(self._clock.now_s())

    def forget(self) -> None:
        """Lets go of rollouts and releases that no route has had a part of for long."""
        now_s, routes = self._clock.now_s(), self._table().routes
        for rollout_id in _rollouts(routes.values()) & self._tallies.keys():
            self._tallies[rollout_id].used_at_s = now_s
        oldest_s = now_s - self._options.forget_s
        for rollout_id, tally in list(self._tallies.items()):
            if tally.used_at_s < oldest_s:
                del self._tallies[rollout_id]
        stables = {(name, route.stable) for name, route in routes.items()}
        for gone in self._baselines.keys() - stables:
            del self._baselines[gone]

    def _count_sample(self, ended: Ended) -> None:
        route = ended.route
        if ended.wanted_release or route.canary is None or ended.answered_by != route.canary:
            return
        if route.trial is not None:
            self.tally(route.trial.rollout_id).add_sample(route.trial.step)
        else:  # the salt of a rollout's route is its id
            self.tally(route.salt).add_sample(WHOLE)

    def _take_latency(self, ended: Ended) -> RollingBaseline | None:
        """Counts it in stable's baseline, which is returned if it would have a confidence too."""
        key = ended.engine, ended.chosen
        baseline = self._baselines.get(key)
        if baseline is None:
            baseline = self._baselines[key] = RollingBaseline(window_s=self._options.baseline_s)
        if (arm_s := ended.arm_s) is not None:
            baseline.add_latency(arm_s, ended.ended_s)
        is_wanted = ended.is_of_arm and baseline.wants_confidence(ended.ended_s)
        return baseline if is_wanted else None

    def _step(self, route: Route) -> Step | None:
        """What the route splits by; None if there is nothing to compare."""
        known = self._steps.get(route.engine)
        if known is not None and known[0] is route:
            return known[1]
        trial, step = route.trial, None
        weight_bp = route.weights_bp.get(route.canary, 0) if route.canary is not None else 0
        if trial is not None and trial.step > 0 and 0 < weight_bp < ALL_BP:
            step = Step(trial.step, weight_bp, trial.confidence_centre)
        self._steps[route.engine] = route, step
        return step

    def _count(self, one: _Waiting) -> None:
        confidence = read_confidence(one.answer)
        if self._saw_confidence is not None and confidence is not None:
            self._saw_confidence(*one.served, confidence, one.ended_s)
        if one.baseline is not None and confidence is not None:
            one.baseline.add_confidence(confidence, one.ended_s)
        if one.tally is not None and one.step is not None:
            bucket = None if confidence is None else bucket_of(confidence)
            observed = replace(one.observed, confidence_bucket=bucket)
            one.tally.add(observed, one.step, one.made_up_key)


def read_confidence(answer: bytes) -> float | None:
    """The mean confidence of a serialized ModelInferResponse; None where there is none."""
    try:
        return mean_confidence(read_outputs(answer, NEEDED)) if answer else None
    except ControlPlaneError:
        return None


def _rollouts(routes: Iterable[Route]) -> set[str]:
    """The rollouts that have a part in them."""
    return {route.salt if route.trial is None else route.trial.rollout_id for route in routes}
