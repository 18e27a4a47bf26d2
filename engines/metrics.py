"""How good answers are: mAP@0.5, counts, brands, relative errors. numpy only, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of one photo, true or detected.

    boxes: ``[n, 4]`` x_min, y_min, x_max, y_max; classes: ``[n]``; scores: ``[n]``, 1 for the
    truth; brands: ``[n]``, -1 for none.
    """

    boxes: Floats
    classes: Integers
    scores: Floats
    brands: Integers

    def above(self, threshold: float) -> Objects:
        """Those whose score is at least ``threshold``."""
        kept = self.scores >= threshold
        return Objects(self.boxes[kept], self.classes[kept], self.scores[kept], self.brands[kept])


def overlap(first: Floats, second: Floats) -> Floats:
    """Intersection over union of every box of one list with every one of another, ``[n, m]``."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    sizes = [np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None).prod(axis=1) for boxes in
             (first, second)]  # fmt: skip
    union = sizes[0][:, None] + sizes[1][None, :] - shared
    shares: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return shares


def matches(truth: Objects, found: Objects, *, least: float = 0.5) -> Integers:
    """For each detection the true object it hits, or -1: best score first, each object once.

    A hit has the object's class and overlaps it by at least ``least``.
    """
    hits = np.full(len(found.scores), -1, np.int64)
    if not len(truth.classes) or not len(found.scores):
        return hits
    shared = overlap(found.boxes, truth.boxes)
    shared[found.classes[:, None] != truth.classes[None, :]] = 0.0
    free = np.ones(len(truth.classes), bool)
    for index in np.argsort(-found.scores, kind="stable"):
        candidates = np.where(free, shared[index], 0.0)
        best = int(candidates.argmax())
        if candidates[best] >= least:
            hits[index] = best
            free[best] = False
    return hits


def average_precision(scores: Floats, is_hit: npt.NDArray[np.bool_], objects: int) -> float:
    """The area under the precision envelope (Pascal VOC 2010 and later); nan without objects."""
    if objects == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_hit[order])
    recall = hits / objects
    precision = hits / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(np.concatenate([[0.0], recall]))
    return float((steps * envelope).sum())


def mean_average_precision(
    truths: Sequence[Objects], found: Sequence[Objects], classes: int, *, least: float = 0.5
) -> tuple[float, list[float]]:
    """mAP over the classes that occur, and each class's average precision."""
    hits = [
        matches(truth, seen, least=least) >= 0 for truth, seen in zip(truths, found, strict=True)
    ]
    labels = np.concatenate([seen.classes for seen in found])
    scores = np.concatenate([seen.scores for seen in found])
    is_hit = np.concatenate(hits)
    each: list[float] = []
    for index in range(classes):
        objects = sum(int((truth.classes == index).sum()) for truth in truths)
        chosen = labels == index
        each.append(average_precision(scores[chosen], is_hit[chosen], objects))
    return float(np.nanmean(each)), each


def count_error(truths: Sequence[Objects], found: Sequence[Objects], classes: int) -> float:
    """Mean over photos of the miscounted objects as a share of the true ones (at least 1).

    Every class is counted for itself, so one class too many does not make up for another missed.
    """
    errors: list[float] = []
    for truth, seen in zip(truths, found, strict=True):
        wanted = np.bincount(truth.classes, minlength=classes)
        counted = np.bincount(seen.classes, minlength=classes)
        errors.append(float(np.abs(counted - wanted).sum()) / max(len(truth.classes), 1))
    return float(np.mean(errors))


def brand_accuracy(truths: Sequence[Objects], found: Sequence[Objects]) -> float:
    """Among branded objects that were found, the share whose brand was named; nan without any."""
    right: list[bool] = []
    for truth, seen in zip(truths, found, strict=True):
        for index, hit in enumerate(matches(truth, seen)):
            if hit >= 0 and truth.brands[hit] >= 0:
                right.append(bool(seen.brands[index] == truth.brands[hit]))
    return float(np.mean(right)) if right else float("nan")


def precision_recall(truths: Sequence[Objects], found: Sequence[Objects]) -> tuple[float, float]:
    """Precision and recall of what is reported, all classes together."""
    hits = sum(
        int((matches(truth, seen) >= 0).sum()) for truth, seen in zip(truths, found, strict=True)
    )
    reported = sum(len(seen.classes) for seen in found)
    objects = sum(len(truth.classes) for truth in truths)
    return hits / max(reported, 1), hits / max(objects, 1)


def relative_errors(truth: Floats, found: Floats) -> Floats:
    """|found - true| / true of each value; the true values are positive."""
    return np.asarray(np.abs(found - truth) / truth, np.float64)
