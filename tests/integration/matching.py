"""Compares what was found with what was drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engines.scenes.scene import Box

OVERLAP = 0.4


@dataclass(frozen=True, slots=True)
class Found:
    """One detection, whichever protocol brought it. box: x_min, y_min, x_max, y_max."""

    name: str
    box: tuple[float, float, float, float]
    confidence: float


def found_in(objects: Iterable[Any]) -> list[Found]:
    """From REST's JSON or from protobuf."""
    return [_from_json(o) if isinstance(o, Mapping) else _from_protobuf(o) for o in objects]


def assert_finds(found: Sequence[Found], drawn: Sequence[Box]) -> None:
    """At least one object is found where it was drawn, under its own name.

    How many of them a network finds is what ``python -m engines evaluate`` measures; here it
    is enough that boxes come through the system to the right place.
    """
    hits = [one for one in drawn if any(is_hit(detection, one) for detection in found)]
    assert hits, f"none of {drawn} among {found}"


def is_hit(detection: Found, truth: Box) -> bool:
    box = (truth.x_min, truth.y_min, truth.x_max, truth.y_max)
    return detection.name == truth.name and overlap_of(detection.box, box) >= OVERLAP


def overlap_of(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _from_json(one: Mapping[str, Any]) -> Found:
    box = one["box"]
    edges = (box["x_min"], box["y_min"], box["x_max"], box["y_max"])
    return Found(one["class"], edges, one["confidence"])


def _from_protobuf(one: Any) -> Found:
    edges = (one.box.x_min, one.box.y_min, one.box.x_max, one.box.y_max)
    return Found(one.class_name, edges, one.confidence)
