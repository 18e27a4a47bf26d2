"""How a shadow's answer compares with stable's to the same request, in numbers that add up.

Boxes are matched greedily, as the detection benchmarks do it (Everingham et al., "The Pascal
Visual Object Classes Challenge", IJCV 2010, section 4.2): the target's, the surest first, each with
the free box of stable's of its class that it overlaps most, if by half or more. What is left over
on either side is a box that only one of them has found.

That releases differ says nothing of which one is right; so this is shown and never decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from control_plane.core.answers import Tensors

LEAST_IOU = 0.5
"""The intersection over the union from which on two boxes are the same find."""

AGREED_VOLUME = 0.1
"""The relative difference up to which two volumes agree."""

Floats = npt.NDArray[np.float64]
Strings = npt.NDArray[Any]

_MISSHAPEN = (LookupError, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two answers to one request.

    matched: boxes that both have; only_stable, only_target: that one of them has.
    iou_sum, score_difference_sum: over the matched ones, the latter without sign.
    count_difference: in boxes, without sign.
    volume_difference: relative to the greater one; None if it is not a volume.
    """

    matched: int = 0
    only_stable: int = 0
    only_target: int = 0
    iou_sum: float = 0.0
    score_difference_sum: float = 0.0
    count_difference: int = 0
    volume_difference: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether each box has its like, or the volumes are nearly the same."""
        if self.volume_difference is not None:
            return self.volume_difference <= AGREED_VOLUME
        return not (self.only_stable or self.only_target)

    def details(self) -> dict[str, int]:
        """As integers that add up over requests and control planes (``RolloutCounts.details``)."""
        both = {"compared": 1, "agreed": int(self.agrees)}
        if self.volume_difference is not None:
            return {**both, "volume_diff_sum_milli": round(1000 * self.volume_difference)}
        return {
            **both,
            "matched": self.matched,
            "only_stable": self.only_stable,
            "only_target": self.only_target,
            "iou_sum_milli": round(1000 * self.iou_sum),
            "score_diff_sum_milli": round(1000 * self.score_difference_sum),
            "count_diff_sum": self.count_difference,
        }


def compare(stable: Tensors, target: Tensors) -> Comparison | None:
    """Compares two answers' outputs, batch dimension included; None if there is nothing to compare.

    For detectors BOXES ``(b, n, 4)``, SCORES and CLASSES ``(b, n)``, COUNT ``(b, 1)``; else
    VOLUME_M3. Total: whatever the outputs are, it does not raise.
    """
    try:
        if "BOXES" in stable:
            return _compare_boxes(stable, target)
        if "VOLUME_M3" in stable:
            return _compare_volumes(stable, target)
    except _MISSHAPEN:
        return None
    return None


def _compare_volumes(stable: Tensors, target: Tensors) -> Comparison:
    given, found = (np.asarray(one["VOLUME_M3"], np.float64).ravel() for one in (stable, target))
    if not len(given) == len(found) > 0 or not np.isfinite([given, found]).all():
        raise ValueError("not a volume for each photo")
    greater = np.maximum(np.maximum(abs(given), abs(found)), 1e-9)
    return Comparison(volume_difference=float((abs(given - found) / greater).mean()))


def _compare_boxes(stable: Tensors, target: Tensors) -> Comparison:
    photos = len(stable["BOXES"])
    if len(target["BOXES"]) != photos:
        raise ValueError("not the same number of photos")
    return _sum(_compare_photo(_rows(stable, n), _rows(target, n)) for n in range(photos))


@dataclass(frozen=True, slots=True)
class _Rows:
    """The real boxes of a photo, the surest first."""

    boxes: Floats
    scores: Floats
    classes: Strings


def _rows(outputs: Tensors, photo: int) -> _Rows:
    count = int(np.ravel(outputs["COUNT"])[photo])
    scores = np.asarray(outputs["SCORES"][photo][:count], np.float64)
    boxes = np.asarray(outputs["BOXES"][photo][:count], np.float64).reshape(-1, 4)
    classes = np.asarray(outputs["CLASSES"][photo][:count])
    if not len(scores) == len(boxes) == len(classes) == count:
        raise ValueError("rows are missing")
    if not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
        raise ValueError("a value is no number")
    order = np.argsort(-scores, kind="stable")
    return _Rows(boxes[order], scores[order], classes[order])


def _compare_photo(stable: _Rows, target: _Rows) -> Comparison:
    overlaps = _overlaps(target.boxes, stable.boxes)
    overlaps[target.classes[:, None] != stable.classes[None, :]] = 0.0
    matched, iou_sum, score_sum = 0, 0.0, 0.0
    for row in range(len(target.scores)) if len(stable.scores) else ():
        best = int(overlaps[row].argmax())
        if overlaps[row, best] < LEAST_IOU:
            continue
        matched += 1
        iou_sum += float(overlaps[row, best])
        score_sum += abs(float(target.scores[row] - stable.scores[best]))
        overlaps[:, best] = 0.0  # it is taken
    given, found = len(stable.scores), len(target.scores)
    return Comparison(
        matched=matched,
        only_stable=given - matched,
        only_target=found - matched,
        iou_sum=iou_sum,
        score_difference_sum=score_sum,
        count_difference=abs(given - found),
    )


def _overlaps(one: Floats, other: Floats) -> Floats:
    """The intersection over union of each with each; 0 for boxes without an area."""
    least = np.maximum(one[:, None, :2], other[None, :, :2])
    most = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(most - least, 0.0, None).prod(axis=-1)
    union = _areas(one)[:, None] + _areas(other)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0.0))


def _areas(boxes: Floats) -> Floats:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None).prod(axis=-1))


def _sum(parts: Iterable[Comparison]) -> Comparison:
    total = Comparison()
    for part in parts:
        total = Comparison(
            total.matched + part.matched,
            total.only_stable + part.only_stable,
            total.only_target + part.only_target,
            total.iou_sum + part.iou_sum,
            total.score_difference_sum + part.score_difference_sum,
            total.count_difference + part.count_difference,
        )
    return total
