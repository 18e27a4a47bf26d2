"""More requests than the fleet can answer."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

from tests.integration.faults.load import (
    Outcome,
    photographing,
    quantile,
    steady_load,
    wait_for_more,
)
from tests.integration.faults.shown import Figure, Shown
from tests.integration.faults.sights import Sight, watched
from tests.integration.faults.stage import LIMITED
from tests.integration.photos import small_photo
from tests.integration.running import RunningTidegate

CAPACITY_PER_S = 2 * LIMITED.capacity_per_s
STEPS = (1.0, 2.0, 5.0)
HIGH_SHARE = 0.25
"""Of the capacity: what is asked with high priority at every step, well under what there is."""

HIGH, LOW = 1, 3
STEP_S, SETTLING_S = 5.0, 2.0


@dataclass(frozen=True, slots=True)
class Step:
    """What came of so many times the capacity. goodput_per_s: of both priorities."""

    times: float
    goodput_per_s: float
    high: Outcome
    low: Outcome


def overload(tidegate: RunningTidegate) -> Shown:
    """Low priority grows until five times the capacity is asked for; high stays as it is."""
    with watched(tidegate) as sights:
        began_s = time.monotonic()
        steps = [_step(tidegate, times) for times in STEPS]
        seen = sights.after(began_s)
    last = steps[-1]
    peak = max(step.goodput_per_s for step in steps)
    high = [error for step in steps for error in step.high.errors]
    asked_high = sum(step.high.asked for step in steps)
    odd = [error for error in last.low.errors if "RESOURCE_EXHAUSTED" not in error]
    refused_s = sorted(one.latency_s for one in last.low.failures().requests)
    return Shown(
        f"{last.times:g} times as many requests as the fleet can answer",
        (
            Figure("asked at the worst", last.high.asked + last.low.asked),
            *(Figure(f"goodput at {step.times:g}x", step.goodput_per_s, "/s") for step in steps),
            Figure("goodput of its peak", last.goodput_per_s / peak, "", at_least=0.8),
            Figure("high priority answered", 1 - len(high) / asked_high, "", at_least=0.99),
            Figure("high p99", 1000 * quantile(last.high.latencies_s, 0.99), "ms"),
            Figure("low answered", last.low.answered / last.low.asked),
            Figure("p50 of refusals", 1000 * quantile(refused_s, 0.5), "ms"),
            Figure("failed otherwise than overloaded", len(odd), at_most=0),
            Figure("sights of an instance ejected", sum(map(_has_ejected, seen)), at_most=0),
        ),
        Counter(high + odd),
    )


def _step(tidegate: RunningTidegate, times: float) -> Step:
    high, low = Outcome(), Outcome()
    high_per_s = HIGH_SHARE * CAPACITY_PER_S
    low_per_s = times * CAPACITY_PER_S - high_per_s
    with ExitStack() as stack:
        for outcome, priority, per_s in ((high, HIGH, high_per_s), (low, LOW, low_per_s)):
            asking = photographing(LIMITED.name, small_photo(), priority=priority)
            stack.enter_context(steady_load(tidegate.grpc, outcome, asking=asking, per_s=per_s))
        from_s = time.monotonic() + SETTLING_S
        wait_for_more(high, round(high_per_s * (SETTLING_S + STEP_S)))
        to_s = time.monotonic()
    ended = [
        one.started_s + one.latency_s for one in (*high.requests, *low.requests) if not one.error
    ]
    answered = sum(from_s <= ended_s < to_s for ended_s in ended)
    return Step(times, answered / (to_s - from_s), high, low)


def _has_ejected(sight: Sight) -> bool:
    return not all(sight.is_in(name, LIMITED.name) for name in sight.instances)
