"""What an engine found on a photo, as far as truth can be held against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.core.accuracy.truth import Box

MOST_BOXES = 1000
"""Kept of one engine's answer; the post-processors leave fewer."""

_LISTS = ("detections", "items")
_OF_A_BOX = ("class", "confidence", "box")
_MISSHAPEN = (LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class FoundBox:
    """A detection. label: its class."""

    label: str
    confidence: float
    box: Box


@dataclass(frozen=True, slots=True)
class Found:
    """boxes: of a detector, else None. volume_m3: of an engine that estimates one, else None."""

    boxes: tuple[FoundBox, ...] | None = None
    volume_m3: float | None = None


def kept_of(findings: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an engine's findings that ``read_found`` asks for, itself findings.

    What an engine of another kind answers may be large, and nothing is held against it but a
    person's word. Quick, because it is asked in a request's path: no box is looked into but one.
    """
    if isinstance(findings.get("volume_m3"), float | int):
        return {"volume_m3": findings["volume_m3"]}
    for name in _LISTS:
        found = findings.get(name)
        if isinstance(found, list) and (not found or _is_box(found[0])):
            return {name: found[:MOST_BOXES]}
    return {}


def read_found(findings: Mapping[str, Any]) -> Found:
    """What was found; of findings of no known shape, nothing that could be compared."""
    try:
        if "volume_m3" in findings:
            return Found(volume_m3=float(findings["volume_m3"]))
        for name in _LISTS:
            if name in findings:
                return Found(boxes=tuple(_read_box(one) for one in findings[name]))
    except _MISSHAPEN:
        pass  # the tensors of another engine that bears such a name
    return Found()


def _is_box(one: object) -> bool:
    return isinstance(one, Mapping) and all(key in one for key in _OF_A_BOX)


def _read_box(one: Mapping[str, Any]) -> FoundBox:
    box = one["box"]
    edges = (float(box[edge]) for edge in ("x_min", "y_min", "x_max", "y_max"))
    return FoundBox(str(one["class"]), float(one["confidence"]), Box(*edges))
