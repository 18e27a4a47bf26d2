"""Average precision: how well an engine's confidence puts right detections before wrong ones.

All-point interpolation, as in PASCAL VOC from 2010 on (M. Everingham et al., "The PASCAL Visual
Object Classes Challenge: A Retrospective", IJCV 111, 2015, section 3.1): the area under the
precision envelope, over all recalls that are reached; mAP is the mean over the classes that
have an object. Detections of equal confidence enter together, so that no order among them, which
nobody gave, decides.

What an engine's own confidence threshold cut off is not there to be ranked, so this mAP is that
of the answers as callers get them, and below that of the network alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from control_plane.core.accuracy.intervals import Floats
from control_plane.core.accuracy.matching import ClassMatches

AT_ONCE = 1_000_000
"""Numbers in an array, of several that are needed at the same time."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One class on the photos that it is on, the surest detections first.

    own: the numbers of those photos. photos: of each detection, on which of them it is.
    hits: 1 for those that hit an object. ends: the last ones of those of equal confidence.
    objects: by photo of them.
    """

    own: npt.NDArray[np.intp]
    photos: npt.NDArray[np.intp]
    hits: Floats
    ends: npt.NDArray[np.intp]
    objects: Floats


def rank(by_photo: Sequence[Sequence[ClassMatches]]) -> dict[str, Ranked]:
    """By class, of those that have an object on any photo."""
    # One pass for all classes: who names each object as a class of its own gives thousands.
    found: dict[str, list[tuple[int, ClassMatches]]] = {}
    for number, matches in enumerate(by_photo):
        for one in matches:
            found.setdefault(one.label, []).append((number, one))
    return {
        label: _rank(found[label])
        for label in sorted(found)
        if any(one.objects for _, one in found[label])
    }


def _rank(found: Sequence[tuple[int, ClassMatches]]) -> Ranked:
    """found: the matches of one class, with the numbers of their photos."""
    own, objects = [number for number, _ in found], [float(one.objects) for _, one in found]
    photos: list[int] = []
    scores: list[float] = []
    hits: list[bool] = []
    for place, (_, one) in enumerate(found):
        photos += [place] * len(one.scores)
        scores += one.scores
        hits += one.hits
    falling = -np.array(scores, dtype=np.float64)
    order = np.argsort(falling, kind="stable")
    ranked = falling[order]
    ends = np.flatnonzero(ranked != np.append(ranked[1:], np.inf))
    return Ranked(
        np.array(own, dtype=np.intp),
        np.array(photos, dtype=np.intp)[order],
        np.array(hits, dtype=np.float64)[order],
        ends,
        np.array(objects),
    )


def average_precision(ranked: Ranked, weights: Floats) -> Floats:
    """For each row of weights ``[n, photos]``, which say how often each photo counts: ``[n]``.

    NaN where there is no object.
    """
    rows = max(1, AT_ONCE // max(1, len(ranked.photos), len(ranked.own)))
    starts = range(0, len(weights), rows)
    return np.concatenate(
        [_average_precision(ranked, weights[start : start + rows]) for start in starts]
    )


def _average_precision(ranked: Ranked, weights: Floats) -> Floats:
    weights = weights[:, ranked.own]
    objects = weights @ ranked.objects
    each = weights[:, ranked.photos]
    hits = np.cumsum(each * ranked.hits, axis=1)[:, ranked.ends]
    found = np.cumsum(each, axis=1)[:, ranked.ends]
    # Before the first photo that counts nothing is found, and nothing of it is right.
    precision = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    area = (np.diff(hits, prepend=0.0, axis=1) * envelope).sum(axis=1)
    shares = np.divide(area, objects, out=np.full(len(objects), np.nan), where=objects > 0)
    return np.minimum(shares, 1.0)


def mean_average_precision(classes: Sequence[Ranked], weights: Floats) -> Floats:
    """For each row of weights, the mean over the classes that have an object; NaN without one."""
    total, number = np.zeros(len(weights)), np.zeros(len(weights))
    for ranked in classes:
        precision = average_precision(ranked, weights)
        known = ~np.isnan(precision)
        total += np.where(known, precision, 0.0)
        number += known
    return np.divide(total, number, out=np.full(len(weights), np.nan), where=number > 0)
