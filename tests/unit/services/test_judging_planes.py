"""Several planes come to the judgement that one would; and keys are not counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from random import Random

from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from control_plane.core.analysis import AnalysisOptions, Metric
from control_plane.core.outcomes import Ending
from control_plane.core.requests import Ended
from control_plane.core.rollout import Assessment, Kind, Plan, Rollout, State, Verdict
from control_plane.core.routing import Route, RoutingTable, bucket
from control_plane.loops.measure import MeasureLoop
from control_plane.services.judging import Judging
from control_plane.services.measuring import Measuring
from tests.unit.fakes import FakeClock
from tests.unit.samples import DETECTED
from tests.unit.services.rollouts import (
    CANARY,
    STABLE,
    TRIAL,
    FakeCountStore,
    detections,
    ended,
    split,
)

PERCENTS = (5, 10, 25, 50)
ROLLOUT = Rollout(
    "r-1", "damage", STABLE, CANARY, Plan(Kind.CANARY, PERCENTS), state=State.STEP, step=1
)
ROUTES = tuple(
    split(100 * percent, replace(TRIAL, step=step)).routes["damage"]
    for step, percent in enumerate(PERCENTS, start=1)
)
ANSWERS = (b"", detections(), detections({**DETECTED, "COUNT": DETECTED["COUNT"] * 0}))


class Planes:
    """So many planes over one store; the first one leads."""

    def __init__(self, number: int, options: AnalysisOptions | None = None) -> None:
        store = FakeCountStore()
        self.measuring = [
            Measuring(plane=f"p{name}", table=lambda: RoutingTable(), clock=FakeClock())
            for name in range(number)
        ]
        self.loops = [MeasureLoop(measuring=one, store=store) for one in self.measuring]
        self.judging = Judging(
            store=store,
            measuring=self.measuring[0],
            options=options or AnalysisOptions(),
            try_s=lambda _: 2.0,
        )

    async def flush(self, order: Sequence[int]) -> None:
        for plane in order:
            self.measuring[plane].count()
            await self.loops[plane].flush()

    async def assess(self, step: int) -> Assessment:
        rollout = replace(ROLLOUT, step=step)
        return await self.judging.assess(rollout, ROUTES[step - 1].trial, 5000.0)


def request(route: Route, key: str, rng: Random, *, is_given: bool, salt: str = "r-1") -> Ended:
    """A request that is split as the gateway splits it, and then fares by chance."""
    share_bp = route.weights_bp[STABLE]
    chosen = STABLE if bucket(salt, key) < share_bp else CANARY
    ending = Ending.BACKEND_FAULT if rng.random() < 0.1 else Ending.SUCCESS
    return ended(
        route,
        chosen,
        ending,
        key=key,
        is_key_given=is_given,
        latency_s=0.6 if rng.random() < 0.1 else 0.1,
        answer=rng.choice(ANSWERS),
    )


@bounds(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), planes=st.integers(2, 4))
async def test_any_number_of_planes_in_any_order_is_as_one(seed: int, planes: int) -> None:
    """A key fares alike at its every request of a step, so that it does not matter which of them
    is counted; requests without one fare each by itself. Planes write when they like; between two
    steps there is time for all of them to."""
    rng = Random(seed)
    one, many = Planes(1), Planes(planes)
    for step, route in enumerate(ROUTES, start=1):
        for number in range(120):
            is_given = rng.random() < 0.5
            key = f"key {rng.randrange(40)}" if is_given else f"{step}/{number}"
            fate = Random(f"{seed} {key} {step}")
            this = request(route, key, fate, is_given=is_given)
            one.measuring[0].ended(this)
            many.measuring[rng.randrange(planes)].ended(this)
            if rng.random() < 0.1:
                await many.flush([rng.randrange(planes)])
                await many.assess(step)
        await one.flush([0])
        await many.flush(rng.sample(range(planes), planes))
        assert await many.assess(step) == await one.assess(step)


# --- keys that repeat, a few of them most of the time ------------------------------------

ERRORS_ONLY = AnalysisOptions(alpha=0.05, alpha_shares={Metric.ERRORS: 1.0})
KEYS, REQUESTS = 60, 300
EDGES = tuple(accumulate((number + 1) ** -1.1 for number in range(KEYS)))


async def is_called_worse(seed: int, *, by_key: bool) -> bool:
    """One release against itself on two planes, by clients of whom a twelfth have all the
    errors. by_key: as it is; else each request is taken for a draw of its own."""
    rng, planes = Random(seed), Planes(2, ERRORS_ONLY)
    failing = set(rng.sample(range(KEYS), 5))
    for step, route in enumerate(ROUTES, start=1):
        for number in range(REQUESTS):
            (client,) = rng.choices(range(KEYS), cum_weights=EDGES)
            name = f"client {client}"
            chosen = STABLE if bucket(f"{seed}", name) < route.weights_bp[STABLE] else CANARY
            is_bad = client in failing and rng.random() < 0.8
            ending = Ending.BACKEND_FAULT if is_bad else Ending.SUCCESS
            key = name if by_key else f"{step}/{number}"
            this = ended(route, chosen, ending, key=key, is_key_given=by_key)
            planes.measuring[number % 2].ended(this)
            if number % 100 == 99:
                await planes.flush((0, 1))
                if (await planes.assess(step)).verdict is Verdict.WORSE:
                    return True
    return False


async def test_clients_that_send_most_requests_make_no_false_alarms() -> None:
    alarms = [await is_called_worse(seed, by_key=True) for seed in range(200)]
    # alpha of 200 are 10; more than 20 would have a chance of 0.2 %.
    assert sum(alarms) <= 20


async def test_counted_by_the_request_they_would() -> None:
    alarms = [await is_called_worse(seed, by_key=False) for seed in range(80)]
    assert sum(alarms) >= 12
