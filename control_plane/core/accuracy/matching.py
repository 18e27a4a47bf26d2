"""Which detections hit a true object: greedily, the surest first, each object once.

As the PASCAL VOC challenge has it (Everingham et al., "The PASCAL Visual Object Classes (VOC)
Challenge", IJCV 88, 2010, section 4.2): a detection is right if it overlaps an object of its
class by at least half (intersection over union), and of several on one object only the surest
is right. As in COCO's evaluation, it takes the object that it overlaps most among those that
are still free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from control_plane.core.accuracy.found import FoundBox
from control_plane.core.accuracy.truth import Box, TrueBox

LEAST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class ClassMatches:
    """One class on one photo.

    objects: how many there are. scores: the confidences of the detections, the surest first;
    hits: which of them hit an object.
    """

    label: str
    objects: int
    scores: tuple[float, ...] = ()
    hits: tuple[bool, ...] = ()

    @property
    def true_positives(self) -> int:
        return sum(self.hits)

    @property
    def false_positives(self) -> int:
        return len(self.hits) - sum(self.hits)

    @property
    def misses(self) -> int:
        return self.objects - sum(self.hits)


def overlap(first: Box, second: Box) -> float:
    """Intersection over union, in 0..1."""
    width = min(first.x_max, second.x_max) - max(first.x_min, second.x_min)
    height = min(first.y_max, second.y_max) - max(first.y_min, second.y_min)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (first.area + second.area - shared)


def match(found: Sequence[FoundBox], truth: Sequence[TrueBox]) -> tuple[ClassMatches, ...]:
    """The matches by class, in the order of their names, whatever the order of the boxes."""
    labels = sorted({one.label for one in found} | {one.label for one in truth})
    return tuple(
        _match_class(
            label,
            [one for one in found if one.label == label],
            [one.box for one in truth if one.label == label],
        )
        for label in labels
    )


def _match_class(label: str, found: list[FoundBox], objects: list[Box]) -> ClassMatches:
    free = sorted(objects)
    # Of equal confidences the box decides, so that the order they came in does not.
    ranked = sorted(found, key=lambda one: (-one.confidence, one.box))
    hits = []
    for one in ranked:
        best = max(free, key=lambda box: overlap(one.box, box), default=None)
        is_hit = best is not None and overlap(one.box, best) >= LEAST_OVERLAP
        if best is not None and is_hit:
            free.remove(best)
        hits.append(is_hit)
    return ClassMatches(label, len(objects), tuple(one.confidence for one in ranked), tuple(hits))
