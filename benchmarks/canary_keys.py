"""The same release against itself, with keys that repeat: what to count, and what goes wrong.

Keys come by Zipf's law, so that a few send most of the requests, and each key has its own
chance of failing, because it is its photos that are hard. No release is worse. A key's arm is
drawn once, and stays as the canary grows, as ``core/routing.py`` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from control_plane.core.analysis import AnalysisOptions, ArmCounts, Metric, Step, StepCounts
from control_plane.core.analysis.conditional import RATIO_WEIGHTS, error_scores
from control_plane.core.analysis.evidence import stake_on, stake_waiting

WAYS = ("every request", "first of a key in a step, share of the step", "as Tidegate counts")


@dataclass(frozen=True, slots=True)
class Clients:
    """keys: how many; zipf: the exponent of their shares. error, concentration: of the Beta
    distribution of their chances of failing; as given, a fiftieth of the keys have nearly all
    of the errors. weights_bp: of the steps, each of requests_a_step."""

    keys: int = 500
    zipf: float = 1.1
    error: float = 0.02
    concentration: float = 0.1
    weights_bp: tuple[int, ...] = (500, 700, 1_000, 1_500, 2_500, 5_000)
    requests_a_step: int = 5_000


def false_alarms(
    clients: Clients, rollouts: int, options: AnalysisOptions, rng: np.random.Generator
) -> dict[str, float]:
    """The share of rollouts that each way of counting rolls back, looking at every error."""
    threshold = -log(options.alpha * options.alpha_shares[Metric.ERRORS])
    shares = np.arange(1, clients.keys + 1) ** -clients.zipf
    edges = np.cumsum(shares / shares.sum())
    found = dict.fromkeys(WAYS, 0)
    for _ in range(rollouts):
        for way, events in zip(WAYS, _one_rollout(clients, edges, rng), strict=True):
            found[way] += _highest(events) >= threshold
    return {way: number / rollouts for way, number in found.items()}


Events = list[tuple[NDArray[np.int64], NDArray[np.bool_]]]
"""By step, of each error in its order: the weight of its arm's draw in bp, coded with what was
seen before as weight x 10,000 + seen weight; and whether it was the canary's."""


def _one_rollout(
    clients: Clients, edges: NDArray[np.float64], rng: np.random.Generator
) -> tuple[Events, Events, Events]:
    points = rng.integers(0, 10_000, clients.keys)
    a = clients.error * clients.concentration
    chances = rng.beta(a, clients.concentration - a, clients.keys)
    was_canary = np.zeros(clients.keys, dtype=bool)
    seen_bp = np.zeros(clients.keys, dtype=np.int64)
    requests: Events = []
    firsts: Events = []
    counted: Events = []
    for weight_bp in clients.weights_bp:
        keys = np.searchsorted(edges, rng.random(clients.requests_a_step))
        is_error = rng.random(len(keys)) < chances[keys]
        is_canary = points[keys] >= 10_000 - weight_bp
        requests.append(_events(keys[is_error] * 0, weight_bp, is_canary[is_error]))
        first = np.sort(np.unique(keys, return_index=True)[1])
        of_firsts = first[is_error[first]]
        firsts.append(_events(of_firsts * 0, weight_bp, is_canary[of_firsts]))
        news = of_firsts[~was_canary[keys[of_firsts]]]
        counted.append(_events(seen_bp[keys[news]], weight_bp, is_canary[news]))
        met = keys[first]
        was_canary[met[is_canary[first]]] = True
        seen_bp[met[~is_canary[first]]] = weight_bp
    return requests, firsts, counted


def _events(
    seen_bp: NDArray[np.int64], weight_bp: int, is_canary: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    return weight_bp * 10_000 + seen_bp, is_canary


def _highest(events: Events) -> float:
    """The highest log evidence at any error."""
    highest, begun = 0.0, []
    for step, (draws, is_canary) in enumerate(events, start=1):
        factors = np.zeros((len(draws), len(RATIO_WEIGHTS)))
        for draw in np.unique(draws):
            of_stable, of_canary = _factors(*divmod(int(draw), 10_000))
            is_here = draws == draw
            factors[is_here] = np.where(is_canary[is_here, None], of_canary, of_stable)
        running = factors.cumsum(axis=0)
        begun.append((np.zeros(len(RATIO_WEIGHTS)), log(stake_on(step))))
        terms = [stake + _mix(before + running) for before, stake in begun]
        terms.append(np.full(len(draws), log(stake_waiting(step))))
        highest = max(highest, np.logaddexp.reduce(terms).max(initial=0.0))
        begun = [(before + factors.sum(axis=0), stake) for before, stake in begun]
    return highest


def _mix(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.logaddexp.reduce(scores + np.log(RATIO_WEIGHTS), axis=-1)


def _factors(weight_bp: int, seen_bp: int) -> tuple[Sequence[float], Sequence[float]]:
    """What an error of stable, and one of the canary, adds to each bet's score."""
    step, one = Step(1, weight_bp), ArmCounts(1, 1)
    return (
        error_scores(StepCounts(step, seen_bp, stable=one), 1.0),
        error_scores(StepCounts(step, seen_bp, canary=one), 1.0),
    )
