"""What somebody says is true of a photo, checked here once for every protocol.

Ground truth of one engine's answer is one of four things: every object with its class and box;
how many there are of each class; a volume; or only whether the answer was right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from control_plane.errors import InvalidArgument

MAX_BOXES = 500
"""Of one engine's truth of one photo: each is compared with each detection of its class."""
MAX_CLASSES = 100
MAX_COUNT = 1_000_000
MAX_CLASS_CHARACTERS = 80
MAX_PIXEL = 1_000_000.0
MAX_VOLUME_M3 = 1_000_000.0


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """In pixels of the photo that was sent; an edge lies between pixels, so no 1 is added."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def area(self) -> float:
        return max(0.0, self.x_max - self.x_min) * max(0.0, self.y_max - self.y_min)


@dataclass(frozen=True, slots=True)
class TrueBox:
    """An object that is there. label: its class."""

    label: str
    box: Box


@dataclass(frozen=True, slots=True)
class BoxTruth:
    """Every object of the photo that the engine should find; none is an answer, too."""

    boxes: tuple[TrueBox, ...]


@dataclass(frozen=True, slots=True)
class CountTruth:
    """How many there are of each class. One that is not named is not there."""

    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VolumeTruth:
    volume_m3: float


@dataclass(frozen=True, slots=True)
class RightTruth:
    """Somebody's word on the answer as a whole."""

    is_right: bool


Truth = BoxTruth | CountTruth | VolumeTruth | RightTruth


def check_truth(truth: Truth, field: str) -> Truth:
    """The truth itself. field: where it was said. Raises InvalidArgument naming the part."""
    if isinstance(truth, BoxTruth):
        _check_length(len(truth.boxes), MAX_BOXES, f"{field}.boxes")
        for number, one in enumerate(truth.boxes):
            _check_label(one.label, f"{field}.boxes[{number}].class")
            _check_box(one.box, f"{field}.boxes[{number}].box")
    elif isinstance(truth, CountTruth):
        _check_length(len(truth.counts), MAX_CLASSES, f"{field}.counts")
        for label, count in truth.counts.items():
            _check_label(label, f"{field}.counts")
            _check_range(count, 0, MAX_COUNT, f"{field}.counts.{label}")
    elif isinstance(truth, VolumeTruth):
        _check_range(truth.volume_m3, 0, MAX_VOLUME_M3, f"{field}.volume_m3")
    return truth


def _check_length(length: int, most: int, field: str) -> None:
    if length > most:
        raise InvalidArgument(f"{field} has {length} entries; the limit is {most}", field=field)


def _check_label(label: str, field: str) -> None:
    if not label or len(label) > MAX_CLASS_CHARACTERS or not label.isprintable():
        raise InvalidArgument(
            f"{field} names a class of 1 to {MAX_CLASS_CHARACTERS} printable characters, "
            f"not {label[:MAX_CLASS_CHARACTERS]!r}",
            field=field,
        )


def _check_box(box: Box, field: str) -> None:
    for name in ("x_min", "y_min", "x_max", "y_max"):
        _check_range(getattr(box, name), 0, MAX_PIXEL, f"{field}.{name}")
    for low, high in (("x_min", "x_max"), ("y_min", "y_max")):
        if getattr(box, high) <= getattr(box, low):
            raise InvalidArgument(
                f"{field}.{high} is {getattr(box, high):.12g}; it must be over {low}, "
                f"{getattr(box, low):.12g}",
                field=f"{field}.{high}",
            )


def _check_range(value: float, least: float, most: float, field: str) -> None:
    if not (isfinite(value) and least <= value <= most):
        raise InvalidArgument(
            f"{field} is {value:.12g}; it must be {least:.12g} to {most:.12g}", field=field
        )
