"""One of the engines that a detection asks is dead everywhere."""

from __future__ import annotations

import signal
import time
from collections import Counter

from tests.integration.faults.load import Outcome, detecting, quantile, steady_load, wait_for_more
from tests.integration.faults.shown import Figure, Shown
from tests.integration.faults.sights import watched
from tests.integration.faults.stage import FIRST, SECOND, TRIO, ordered, stubs_of
from tests.integration.photos import small_photo
from tests.integration.running import RunningTidegate

ENGINES = tuple(engine.name for engine in TRIO)
DEAD = ENGINES[0]
MEASURED = 250


def engine_dead_everywhere(tidegate: RunningTidegate) -> Shown:
    """The processes of an engine are killed on both Tritons, and it cannot be loaded again."""
    outcome = Outcome()
    asking = detecting(ENGINES, small_photo())
    with watched(tidegate) as sights, steady_load(tidegate.grpc, outcome, asking=asking):
        wait_for_more(outcome)
        began_s = time.monotonic()
        wait_for_more(outcome, MEASURED)
        killed_s = time.monotonic()
        with ordered(tidegate, DEAD, "die", FIRST, SECOND):
            for name in (FIRST, SECOND):
                for stub in stubs_of(tidegate, DEAD, name):
                    stub.send_signal(signal.SIGKILL)
            out_s = sights.first(
                lambda sight: all(DEAD not in one["serving"] for one in sight.instances.values()),
                after_s=killed_s,
                what=f"{DEAD} served nowhere",
            )
            wait_for_more(outcome, MEASURED)
            ended_s = time.monotonic()
    partial = f"DETECTION_STATUS_PARTIAL without {[DEAD]}"
    odd = [error for error in outcome.errors if error != partial]
    before = _latencies_s(outcome.between(began_s, killed_s))
    first = _latencies_s(outcome.between(killed_s, out_s))
    later = outcome.between(out_s, ended_s)
    p50_s, p99_s = (quantile(before, share) for share in (0.5, 0.99))
    later_p50_s, later_p99_s = (quantile(_latencies_s(later), share) for share in (0.5, 0.99))
    return Shown(
        "one engine of three dead on both Tritons",
        (
            Figure("asked", outcome.asked),
            Figure("neither whole nor partial", len(odd), at_most=0),
            Figure("given up there after", out_s - killed_s, "s"),
            Figure("p99 until then", 1000 * quantile(first, 0.99), "ms"),
            Figure("partial after that", later.errors.count(partial) / later.asked, at_least=1.0),
            Figure("p50 before", 1000 * p50_s, "ms"),
            Figure("p50 after that", 1000 * later_p50_s, "ms"),
            Figure("p50 to before", later_p50_s / p50_s, at_most=1.25, busy_at_most=2.0),
            Figure("p99 before", 1000 * p99_s, "ms"),
            Figure("p99 after that", 1000 * later_p99_s, "ms"),
            Figure("p99 to before", later_p99_s / p99_s, at_most=2.0, busy_at_most=10.0),
        ),
        Counter(odd),
    )


def _latencies_s(outcome: Outcome) -> list[float]:
    """Of whole and partial answers alike, shortest first."""
    return sorted(one.latency_s for one in outcome.requests)
