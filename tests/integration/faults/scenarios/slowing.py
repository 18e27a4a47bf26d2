"""A Triton that answers, and takes its time."""

from __future__ import annotations

import time
from collections import Counter
from math import inf

from tests.integration.faults.load import (
    Outcome,
    photographing,
    quantile,
    steady_load,
    wait_for_more,
)
from tests.integration.faults.shown import Figure, Shown, callers
from tests.integration.faults.stage import FIRST, TRIO, ordered
from tests.integration.photos import small_photo
from tests.integration.running import RunningTidegate, wait_until

SLOWER = 20
SETTLED_AFTER_S = 5.0
MEASURED = 300


def slow_one(tidegate: RunningTidegate) -> Shown:
    """The model of one Triton takes SLOWER times as long for each request."""
    engine = TRIO[0].name
    outcome = Outcome()
    asking = photographing(engine, small_photo())
    with steady_load(tidegate.grpc, outcome, asking=asking):
        wait_for_more(outcome)
        began_s = time.monotonic()
        wait_for_more(outcome, MEASURED)
        slowed_s = time.monotonic()
        with ordered(tidegate, engine, "slow", FIRST, times=SLOWER):
            settled_s = slowed_s + SETTLED_AFTER_S
            wait_until(
                lambda: outcome.between(settled_s).asked >= MEASURED, what=f"{MEASURED} requests"
            )
            ended_s = time.monotonic()
    healthy = outcome.between(began_s, slowed_s).latencies_s
    first = outcome.between(slowed_s, settled_s).latencies_s
    later = outcome.between(settled_s, ended_s).latencies_s
    p99_s = quantile(healthy, 0.99)
    return Shown(
        f"one Triton {SLOWER} times slower",
        (
            *callers(outcome)[:2],
            Figure("p50 of the healthy fleet", 1000 * quantile(healthy, 0.5), "ms"),
            Figure("p99 of the healthy fleet", 1000 * p99_s, "ms"),
            Figure(f"p99 of the first {SETTLED_AFTER_S:g} s", 1000 * quantile(first, 0.99), "ms"),
            Figure("p50 after that", 1000 * quantile(later, 0.5), "ms"),
            Figure("p99 after that", 1000 * quantile(later, 0.99), "ms"),
            # Where the machine stalls, the healthy one has many in flight for a moment, and a few
            # requests rightly try the other: on a busy one the 99th percentile may be among them.
            Figure(
                "p99 to the healthy fleet's",
                quantile(later, 0.99) / p99_s,
                at_most=2.0,
                busy_at_most=inf,
            ),
            Figure(
                "p95 to the healthy fleet's p99",
                quantile(later, 0.95) / p99_s,
                at_most=2.0,
                busy_at_most=5.0,  # of the slow one it would be ten and more
            ),
        ),
        Counter(outcome.errors),
    )
