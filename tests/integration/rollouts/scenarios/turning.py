"""Bad releases: each is found out by its own kind of evidence, and taken back by itself."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.integration.faults.shown import Figure, Shown
from tests.integration.rollouts.checks import last_on
from tests.integration.rollouts.load import mislabelled, scored
from tests.integration.rollouts.repository import FAILING, SLOW, UNSURE, executions
from tests.integration.rollouts.steering import Steering, moment_of
from tests.integration.running import RunningTidegate

SETTLED = 150
FOUND_WITHIN_S = 90.0
LAST_WITHIN_MS = 250.0
NEVER = 100_000
"""Samples that no step gets: such a rollout goes on to nothing, and only ends by being bad."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a release, and the metric that must find it.

    most_requests: of the canary until it is found, with room for bad luck.
    """

    release: str
    what: str
    metric: str
    most_requests: int


FAULTS = (
    Fault(FAILING, "raises on 5 % of its inputs", "errors", 400),
    Fault(SLOW, "is 3 times slower", "latency", 150),
    Fault(UNSURE, "is less sure of everything", "confidence", 300),
)


def turn_back(tidegate: RunningTidegate, fault: Fault, *, percent: int) -> Shown:
    """A rollout to a bad release, which is left to itself."""
    steering = Steering(tidegate.url)
    with scored(tidegate.grpc, least=SETTLED) as answers:
        began_s = time.time()
        rollout = steering.start(
            fault.release,
            steps_percent=[percent, 100],
            min_step_s=1,
            max_step_s=2 * FOUND_WITHIN_S,
            min_samples=NEVER,
        )
        steering.wait_for(rollout, "step")
        routed_s = time.time()
        steering.wait_for(rollout, "rolling_back", "rolled_back", timeout_s=FOUND_WITHIN_S)
        steering.wait_for(rollout, "rolled_back")
    (taken,) = (one for one in steering.audit(rollout) if is_taken_back(one))
    reached = [
        one
        for one in executions(tidegate.model_repository)
        if one.release == fault.release and one.is_of_load and one.at_s > began_s
    ]
    late_ms = 1000 * (last_on(fault.release, reached) - moment_of(taken))
    return Shown(
        f"a release that {fault.what}, at {percent} %",
        (
            Figure("asked", len(answers)),
            Figure("failed", len(answers.failed), at_most=0),
            Figure("named another release than answered", len(mislabelled(answers.all)), at_most=0),
            Figure(f"found by {fault.metric}", fault.metric in taken["reason"], at_least=1),
            Figure(
                f"evidence of {fault.metric} over its threshold",
                _excess(taken, fault.metric),
                at_least=0,
            ),
            Figure("requests of the canary until then", len(reached), at_most=fault.most_requests),
            Figure("found after", moment_of(taken) - routed_s, "s"),
            Figure("last request on the target after", late_ms, "ms", at_most=LAST_WITHIN_MS),
        ),
        Counter(one.error for one in answers.failed),
    )


def is_taken_back(entry: dict[str, Any]) -> bool:
    """Whether an entry of the audit says that the rollout turned back by itself."""
    return entry["who"] == "tidegate" and entry["after"].get("state") == "rolling_back"


def _excess(taken: dict[str, Any], metric: str) -> float:
    """By how much the decisive evidence was over what it must reach, as a logarithm."""
    (found,) = (one for one in taken["after"]["evidence"] if one["metric"] == metric)
    return float(found["evidence"]) - float(found["threshold"])
