"""Puts groups on the ground so that the photo's truth is plain.

A group is kept only if every object of the scene then shows at least ``VISIBLE_SHARE`` of itself,
so that nobody can argue about what counts: nothing half hidden is ever in the photo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from engines.scenes.pinhole import Camera, Points
from engines.scenes.scene import Box
from engines.scenes.site_items import Group, Label
from engines.scenes.solids import Cuboid, area, back_to_front, hull

VISIBLE_SHARE = 0.5
LEAST_LONG_SIDE = 0.045
LEAST_SHORT_SIDE = 0.02
LEAST_APART = 0.022  # of the long side between two boxes' centres: two cells of the detector's map
_NEAREST_M, _FURTHEST_M = 1.6, 12.0
_RASTER_PX = 360


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands where. ``part_of`` of each cuboid counts into ``labels``."""

    cuboids: tuple[Cuboid, ...] = ()
    labels: tuple[Label, ...] = ()
    circles: tuple[tuple[float, float, float], ...] = ()


def grown(
    layout: Layout,
    make: Callable[[], Group],
    *,
    camera: Camera,
    rng: np.random.Generator,
    room: int,
    tries: int = 10,
) -> Layout:
    """The layout with one more group of at most ``room`` objects, or as it was if none fits."""
    group = make()
    if len(group.labels) > room:
        return layout
    radius = group.radius_m
    for _ in range(tries):
        place = _spot(camera, rng)
        if place is None or any(
            np.hypot(place[0] - x, place[1] - y) < radius + r for x, y, r in layout.circles
        ):
            continue
        if np.hypot(*place) < radius + 0.7:
            continue
        turn = float(rng.uniform(0, np.pi))
        added = group.placed(*place, turn, first_label=len(layout.labels))
        candidate = Layout(
            layout.cuboids + added,
            layout.labels + group.labels,
            (*layout.circles, (*place, radius)),
        )
        if is_plain(candidate, camera):
            return candidate
    return layout


def _spot(camera: Camera, rng: np.random.Generator) -> tuple[float, float] | None:
    """A point of the ground, evenly spread over the photo rather than over the ground."""
    across = (rng.uniform(0.02, 0.98) - 0.5) * camera.width / camera.focal_px
    along = (rng.uniform(0.1, 0.95) - 0.5) * camera.height / camera.focal_px
    right, down, forward = camera.axes
    ray = right * across + down * along + forward
    if ray[2] > -0.02:
        return None
    x, y = (ray[:2] * camera.height_m / -ray[2]).tolist()
    return (x, y) if _NEAREST_M < np.hypot(x, y) < _FURTHEST_M else None


def is_plain(layout: Layout, camera: Camera) -> bool:
    """Whether each labelled object is large enough and shows enough of itself in the frame."""
    scale = _RASTER_PX / max(camera.width, camera.height)
    extent = (round(camera.width * scale), round(camera.height * scale))
    raster = Image.new("L", extent)
    draw = ImageDraw.Draw(raster)
    outlines: dict[int, list[Points]] = {}
    for number in back_to_front(layout.cuboids, camera):
        cuboid = layout.cuboids[number]
        if (camera.depth(cuboid.corners) < 0.4).any():
            return False
        outline = hull(camera.project(cuboid.corners)) * scale
        draw.polygon([(float(x), float(y)) for x, y in outline], fill=cuboid.part_of + 1)
        outlines.setdefault(cuboid.part_of, []).append(outline)
    shown = np.bincount(np.asarray(raster).ravel(), minlength=len(layout.labels) + 1)
    middles: list[npt.NDArray[np.float64]] = []
    for label in range(len(layout.labels)):
        whole = area(hull(np.concatenate(outlines[label])))
        low, high = _clipped(np.concatenate(outlines[label]), extent)
        sides = sorted((high - low) / _RASTER_PX)
        if shown[label + 1] < VISIBLE_SHARE * whole:
            return False
        if sides[1] < LEAST_LONG_SIDE or sides[0] < LEAST_SHORT_SIDE:
            return False
        middle = (low + high) / 2 / _RASTER_PX
        if any(np.abs(middle - other).max() < LEAST_APART for other in middles):
            return False
        middles.append(middle)
    return True


def _clipped(
    points: Points, extent: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    low = np.clip(points.min(axis=0), 0, extent)
    high = np.clip(points.max(axis=0), 0, extent)
    return low, high


def boxes_of(layout: Layout, camera: Camera) -> tuple[Box, ...]:
    """Each labelled object's extent in the photo, cut by the frame."""
    boxes = []
    for number, label in enumerate(layout.labels):
        points = _corners_of(layout.cuboids, number)
        low, high = _clipped(camera.project(points), (camera.width, camera.height))
        (x_min, y_min), (x_max, y_max) = low.tolist(), high.tolist()
        boxes.append(Box(label.name, x_min, y_min, x_max, y_max, brand=label.brand))
    return tuple(boxes)


def _corners_of(cuboids: Sequence[Cuboid], number: int) -> Points:
    return np.concatenate([cuboid.corners for cuboid in cuboids if cuboid.part_of == number])
