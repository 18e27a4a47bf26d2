"""How right a release is: all that was judged of its answers, as figures with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isnan

import numpy as np

from control_plane.core.accuracy.intervals import (
    Estimate,
    Floats,
    bootstrapped,
    mean_of,
    resamples,
    share_of,
)
from control_plane.core.accuracy.judging import Judged
from control_plane.core.accuracy.matching import ClassMatches
from control_plane.core.accuracy.ranking import (
    Ranked,
    average_precision,
    mean_average_precision,
    rank,
)

MOST_PHOTOS = 10_000
"""Of one release, at most: the bootstrap takes time and memory with them."""

Matches = Sequence[tuple[ClassMatches, ...]]


class Metric(StrEnum):
    """What is said of a release.

    PRECISION, RECALL, F1: of boxes. MAP50: mean average precision at an overlap of one half.
    COUNT_ERROR: objects counted too many or too few on a photo; COUNT_BIAS: with its sign.
    VOLUME_ERROR: as a share of the true volume; VOLUME_ERROR_M3: in cubic metres, without its
    sign; VOLUME_BIAS_M3: with it. RIGHT_SHARE: of answers that somebody called right or wrong.
    """

    PRECISION = "precision"
    RECALL = "recall"
    F1 = "f1"
    MAP50 = "map50"
    COUNT_ERROR = "count_error"
    COUNT_BIAS = "count_bias"
    VOLUME_ERROR = "volume_error"
    VOLUME_ERROR_M3 = "volume_error_m3"
    VOLUME_BIAS_M3 = "volume_bias_m3"
    RIGHT_SHARE = "right_share"


@dataclass(frozen=True, slots=True)
class ClassAccuracy:
    """One class on all photos. average_precision: None where it has no object."""

    objects: int
    found: int
    hits: int
    average_precision: float | None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """photos: how many answers were judged. metrics: those that any truth speaks of."""

    photos: int = 0
    metrics: Mapping[Metric, Estimate] = field(default_factory=dict)
    classes: Mapping[str, ClassAccuracy] = field(default_factory=dict)


def summarize(judged: Sequence[Judged], rng: np.random.Generator) -> Accuracy:
    """judged: at most MOST_PHOTOS, in any order. rng: draws photos anew, for intervals."""
    matches = [one.matches for one in judged if one.matches is not None]
    counted = [one.counted for one in judged if one.counted is not None]
    measured = [one.measured for one in judged if one.measured is not None]
    right = [one.is_right for one in judged if one.is_right is not None]
    metrics: dict[Metric, Estimate] = {}
    classes: dict[str, ClassAccuracy] = {}
    if matches:
        ranked = rank(matches)
        metrics |= _of_boxes(matches, list(ranked.values()), rng)
        classes = _by_class(matches, ranked)
    if counted:
        metrics[Metric.COUNT_ERROR] = mean_of([one.off for one in counted])
        metrics[Metric.COUNT_BIAS] = mean_of([one.excess for one in counted])
    if measured:
        # An empty place has no share to be wrong by.
        shares = [abs(one.error_m3) / one.true_m3 for one in measured if one.true_m3]
        metrics[Metric.VOLUME_ERROR] = mean_of(shares)
        metrics[Metric.VOLUME_ERROR_M3] = mean_of([abs(one.error_m3) for one in measured])
        metrics[Metric.VOLUME_BIAS_M3] = mean_of([one.error_m3 for one in measured])
    if right:
        metrics[Metric.RIGHT_SHARE] = share_of([int(one) for one in right], [1] * len(right))
    return Accuracy(len(judged), metrics, classes)


def _of_boxes(
    matches: Matches, classes: Sequence[Ranked], rng: np.random.Generator
) -> dict[Metric, Estimate]:
    photos = len(matches)
    hits = [sum(one.true_positives for one in photo) for photo in matches]
    found = [sum(len(one.hits) for one in photo) for photo in matches]
    objects = [sum(one.objects for one in photo) for photo in matches]
    twice, both = 2.0 * np.array(hits), np.array(found, float) + np.array(objects, float)
    # The first row is the photos as they are.
    weights = np.vstack([np.ones(photos), resamples(photos, rng)])
    f1, precision = (
        _ratio(weights @ twice, weights @ both),
        mean_average_precision(classes, weights),
    )
    return {
        Metric.PRECISION: share_of(hits, found),
        Metric.RECALL: share_of(hits, objects),
        Metric.F1: bootstrapped(_known(f1[0]), f1[1:], photos),
        Metric.MAP50: bootstrapped(_known(precision[0]), precision[1:], photos),
    }


def _by_class(matches: Matches, ranked: Mapping[str, Ranked]) -> dict[str, ClassAccuracy]:
    once = np.ones((1, len(matches)))
    here: dict[str, list[ClassMatches]] = {}
    for photo in matches:
        for one in photo:
            here.setdefault(one.label, []).append(one)
    return {
        label: ClassAccuracy(
            objects=sum(one.objects for one in here[label]),
            found=sum(len(one.hits) for one in here[label]),
            hits=sum(one.true_positives for one in here[label]),
            average_precision=(
                float(average_precision(ranked[label], once)[0]) if label in ranked else None
            ),
        )
        for label in sorted(here)
    }


def _ratio(parts: Floats, wholes: Floats) -> Floats:
    return np.divide(parts, wholes, out=np.full(len(wholes), np.nan), where=wholes > 0)


def _known(value: float) -> float | None:
    return None if isnan(value) else float(value)
