"""A good release: promoted through all steps under load, and rolled back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

import psutil

from tests.integration.faults.shown import Figure, Shown
from tests.integration.rollouts.checks import (
    last_on,
    reached_unnamed,
    routed_unready,
    split_chances,
    strayed,
)
from tests.integration.rollouts.load import Answers, mislabelled, scored, wait_for
from tests.integration.rollouts.repository import GOOD, STABLE, Execution, executions
from tests.integration.rollouts.routes import RouteSights, routes_watched
from tests.integration.rollouts.split import LEAST_P
from tests.integration.rollouts.stage import memory_without, scorer_processes
from tests.integration.rollouts.steering import Steering, sent_s
from tests.integration.running import RunningTidegate

STEPS_PERCENT = (5, 25, 50, 100)
BACK_WITHIN_MS = 250.0
BUSY_BACK_WITHIN_MS = 1000.0
SETTLED = 150
P99_RATIO = 1.5
BUSY_P99_RATIO = 12.0


def promote_and_roll_back(
    tidegate: RunningTidegate, *, min_step_s: float, min_samples: int
) -> Shown:
    """Through all steps to *completed*, and back by a rollout of its own."""
    steering, root = Steering(tidegate.url), psutil.Process(tidegate.process.pid)
    with routes_watched(tidegate.url) as sights, scored(tidegate.grpc, least=SETTLED) as answers:
        memory, stable = memory_without(GOOD, root), scorer_processes(root, STABLE)
        began_s = time.time()
        rollout = steering.start(
            GOOD,
            steps_percent=list(STEPS_PERCENT),
            min_step_s=min_step_s,
            min_samples=min_samples,
        )
        steering.wait_for(rollout, "promoting", "completed", timeout_s=120)
        is_kept = scorer_processes(root, STABLE) == stable
        steering.wait_for(rollout, "completed")
        promoted_s = time.time()
        wait_for(answers, SETTLED)
        target = scorer_processes(root, GOOD)
        back = steering.roll_back(reason="back to the start")["id"]
        steering.wait_for(back, "promoting", "completed")
        is_target_kept = scorer_processes(root, GOOD) == target
        steering.wait_for(back, "completed")
        steering.settle()
        ended_s = time.time()
        wait_for(answers, SETTLED)
        memory_after = memory_without(GOOD, root)
    done = executions(tidegate.model_repository)
    before, during = answers.between(0, began_s), answers.between(began_s, ended_s)
    return Shown(
        "promote through all steps, then roll back",
        (
            *_callers(answers, done, sights),
            Figure(
                "least p of a split", min(split_chances(answers, sights).values()), at_least=LEAST_P
            ),
            Figure("processes of the stable release kept", is_kept and is_target_kept, at_least=1),
            Figure("memory to that at the start", memory_after / memory, at_most=1.1),
            Figure("promoted after", promoted_s - began_s, "s"),
            *_latencies(before, during),
        ),
        Counter(one.error for one in answers.failed),
    )


def take_back_at(tidegate: RunningTidegate, percent: int) -> Shown:
    """A step with so much of the traffic, and a rollback in it."""
    steering, root = Steering(tidegate.url), psutil.Process(tidegate.process.pid)
    with routes_watched(tidegate.url) as sights, scored(tidegate.grpc, least=SETTLED) as answers:
        memory, stable = memory_without(GOOD, root), scorer_processes(root, STABLE)
        rollout = steering.start(GOOD, steps_percent=[percent], manual=True)
        steering.wait_for(rollout, "step")
        wait_for(answers, SETTLED)
        ordered_s = sent_s()
        steering.roll_back(reason="to see how long it takes")
        answered_s = sent_s()
        steering.wait_for(rollout, "rolled_back")
        is_kept = scorer_processes(root, STABLE) == stable
        steering.settle()
        memory_after = memory_without(GOOD, root)
    done = executions(tidegate.model_repository)
    after_ms = 1000 * (last_on(GOOD, done) - ordered_s)
    return Shown(
        f"roll back with {percent} % on the target",
        (
            *_callers(answers, done, sights),
            Figure(
                "last request on the target after",
                after_ms,
                "ms",
                at_most=BACK_WITHIN_MS,
                busy_at_most=BUSY_BACK_WITHIN_MS,
            ),
            Figure("command answered after", 1000 * (answered_s - ordered_s), "ms"),
            Figure("processes of the stable release kept", is_kept, at_least=1),
            Figure("memory to that at the start", memory_after / memory, at_most=1.1),
        ),
        Counter(one.error for one in answers.failed),
    )


def _callers(
    answers: Answers, done: Iterable[Execution], sights: RouteSights
) -> tuple[Figure, ...]:
    reached = reached_unnamed(answers, done, sights)
    return (
        Figure("asked", len(answers)),
        Figure("failed", len(answers.failed), at_most=0),
        Figure("named another release than answered", len(mislabelled(answers.all)), at_most=0),
        Figure("answered by what was not routed", len(strayed(answers, sights)), at_most=0),
        Figure("reached what was not routed", len(reached), at_most=0),
        Figure("routed where nothing was ready", len(routed_unready(sights)), at_most=0),
    )


def _latencies(before: Answers, during: Answers) -> tuple[Figure, ...]:
    p99_s = before.latency_s(0.99)
    return (
        Figure("p99 before", 1000 * p99_s, "ms"),
        Figure("p99 during", 1000 * during.latency_s(0.99), "ms"),
        Figure(
            "p99 during to before",
            during.latency_s(0.99) / p99_s,
            at_most=P99_RATIO,
            busy_at_most=BUSY_P99_RATIO,
        ),
    )
