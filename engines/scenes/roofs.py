"""Photos of roofs with hail, wind and missing shingles: the damage engine's scenes.

A roof is drawn flat, straight from above (``shingles``, ``roof_fittings``, ``roof_damage``), and
then seen through a camera (``camera``), so every box is the projection of what was painted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.scenes import roof_damage, roof_fittings, shingles
from engines.scenes.roof_camera import Camera, Sheet, warp
from engines.scenes.roof_damage import Patch
from engines.scenes.scene import Box, Pixels, Scene
from engines.scenes.shingles import Course, Roofing
from engines.scenes.surroundings import backdrop, cap_ridge, trim_edges
from engines.scenes.textures import Canvas, Points, expose, light_gradient, rectangle

_SMALLEST = 0.024  # of the photo's long side: what a detector with a 512 px input still sees
_ATTEMPTS = 90


@dataclass(slots=True)
class _Roof:
    """A roof on its drawing sheet, and what stands where on it."""

    camera: Camera
    sheet: Sheet
    canvas: Canvas
    roofing: Roofing
    courses: tuple[Course, ...]
    taken: list[Points]
    is_whole: bool
    slope_top: float


def draw(seed: int, size: tuple[int, int], *, damaged: bool = True) -> Scene:
    """The roof of one seed at ``size`` = (width, height).

    With ``damaged`` false, the same photo as it would be without its damage.
    """
    # Each part has its own stream, so that leaving one out leaves the others as they were.
    layout, covering, fittings, damage, light, sensor = (
        np.random.default_rng([seed, 0x0F, part]) for part in range(6)
    )
    roof = _build(layout, covering, size)
    _furnish(fittings, roof)
    boxes = _damage(damage, roof, painted=damaged)
    if light.random() < 0.45:
        roof_fittings.dapple(light, roof.canvas, roof.sheet.density)
    pixels = _photograph(light, sensor, roof)
    return Scene("damage", seed, pixels, boxes if damaged else ())


def _build(
    layout: np.random.Generator, covering: np.random.Generator, size: tuple[int, int]
) -> _Roof:
    """Camera, sheet and covering of a close view, or of a whole slope with its surroundings."""
    is_whole = bool(layout.random() < 0.35)
    pitch = layout.uniform(0.35, 0.85) if is_whole else layout.uniform(0.0, 0.6)
    roll = layout.normal(0.0, 0.05 if is_whole else 0.16)
    camera = Camera.over_plane(size, pitch=-pitch, yaw=layout.uniform(-0.3, 0.3), roll=roll)
    span = _seen_extent(camera)
    if is_whole:
        ratio = size[1] / max(size)
        half_width = layout.uniform(0.36, 0.5) * size[0] / max(size)
        half_height = layout.uniform(0.38, 0.5) * ratio / np.cos(pitch)
        slope = (-half_width, -half_height * layout.uniform(0.8, 1.0), half_width, half_height)
        span = (
            max(span[0], slope[0]),
            max(span[1], slope[1]),
            min(span[2], slope[2]),
            min(span[3], slope[3]),
        )
    density = float(max(size)) * 1.1
    shape = (round((span[3] - span[1]) * density), round((span[2] - span[0]) * density))
    sheet = Sheet((span[0], span[1]), density, shape)
    course = covering.uniform(0.028, 0.044) if is_whole else covering.uniform(0.036, 0.075)
    roofing = shingles.choose(covering, course * density)
    canvas, courses = shingles.lay(covering, roofing, shape)
    slope_top = 0.0
    if not is_whole and layout.random() < 0.3:
        slope_top = float(layout.uniform(0.1, 0.3)) * shape[0]
        slope_top = cap_ridge(covering, canvas, roofing, slope_top, layout.uniform(0.68, 1.25))
    elif is_whole:
        trim_edges(covering, canvas, roofing)
    return _Roof(camera, sheet, canvas, roofing, courses, [], is_whole, slope_top)


def _seen_extent(camera: Camera) -> Patch:
    """The rectangle of the plane that holds everything in the frame, kept within reason."""
    corners = camera.back_project(camera.frame())
    low, high = corners.min(axis=0), corners.max(axis=0)
    low, high = np.maximum(low, -1.35), np.minimum(high, 1.35)
    return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _furnish(rng: np.random.Generator, roof: _Roof) -> None:
    """Stains, moss, leaves, and vents that damage must keep clear of."""
    unit = roof.sheet.density
    for _ in range(int(rng.integers(0, 5))):
        roof_fittings.stain(rng, roof.canvas, unit)
    if rng.random() < 0.12:
        roof_fittings.moss(rng, roof.canvas, unit)
    if rng.random() < 0.3:
        roof_fittings.leaves(rng, roof.canvas, unit)
    height, width = roof.sheet.shape
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.3, 0.35, 0.25, 0.1]))):
        reach = unit * rng.uniform(0.025, 0.07)
        at = (rng.uniform(0, width), rng.uniform(roof.slope_top, height))
        if at[1] - reach * 2 < roof.slope_top:
            continue
        place = rectangle(at[0] - reach, at[1] - reach, at[0] + reach * 1.5, at[1] + reach * 1.7)
        if not any(_overlap(place, other) for other in roof.taken):
            roof_fittings.paint_fitting(rng, roof.canvas, at, unit, reach)
            roof.taken.append(place)


def _damage(rng: np.random.Generator, roof: _Roof, *, painted: bool) -> tuple[Box, ...]:
    """Place and paint zero to nine damages, mostly of one or two kinds as one storm leaves them."""
    count = int(
        rng.choice([0, 1, 2, 3, 4, 5, 6, 8], p=[0.1, 0.1, 0.15, 0.18, 0.17, 0.14, 0.1, 0.06])
    )
    shares = rng.dirichlet([0.7, 0.7, 0.7])
    boxes: list[Box] = []
    for _ in range(_ATTEMPTS):
        if len(boxes) == count:
            break
        name = str(rng.choice(["hail", "wind", "missing_shingle"], p=shares))
        patch = _free_patch(rng, roof, name)
        if patch is None:
            continue
        strokes = np.random.default_rng(rng.integers(1 << 32))
        box = _paint(strokes, roof, name, patch, painted=painted)
        roof.taken.append(rectangle(*patch))
        if box is not None:
            boxes.append(box)
    return tuple(boxes)


def _free_patch(rng: np.random.Generator, roof: _Roof, name: str) -> Patch | None:
    """A place on the roof for one damage: inside the frame, large enough, nothing else there."""
    height, width = roof.sheet.shape
    unit = roof.sheet.density
    at = (rng.uniform(0, width), rng.uniform(0, height))
    if name == "hail":
        patch: Patch | None = roof_damage.hail_patch(rng, unit, at)
    else:
        patch = roof_damage.tab_patch(rng, roof.roofing, roof.courses, unit, at)
    if patch is None or patch[1] < roof.slope_top:
        return None
    edge = unit * (0.03 if roof.is_whole else 0.002)
    if patch[0] < edge or patch[1] < edge or patch[2] > width - edge or patch[3] > height - edge:
        return None
    seen = roof.camera.project(roof.sheet.to_plane(rectangle(*patch)))
    low, high = seen.min(axis=0), seen.max(axis=0)
    frame = np.array(roof.camera.size, np.float64)
    if (low < 2).any() or (high > frame - 2).any():
        return None
    if (high - low).min() < max(roof.camera.size) * _SMALLEST:
        return None
    gap = unit * 0.022
    wide = rectangle(patch[0] - gap, patch[1] - gap, patch[2] + gap, patch[3] + gap)
    return None if any(_overlap(wide, other) for other in roof.taken) else patch


def _paint(
    rng: np.random.Generator, roof: _Roof, name: str, patch: Patch, *, painted: bool
) -> Box | None:
    canvas = roof.canvas if painted else roof.canvas.copy()
    unit = roof.sheet.density
    if name == "hail":
        outlines = roof_damage.paint_hail(rng, canvas, patch, unit)
    elif name == "wind":
        outlines = roof_damage.paint_wind(rng, canvas, patch, roof.roofing)
    else:
        outlines = roof_damage.paint_missing(rng, canvas, patch, unit)
    seen = roof.camera.project(roof.sheet.to_plane(np.concatenate(outlines)))
    width, height = roof.camera.size
    low = np.maximum(seen.min(axis=0) - 1.0, 0.0)
    high = np.minimum(seen.max(axis=0) + 1.0, (width, height))
    return Box(name, float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _photograph(light: np.random.Generator, sensor: np.random.Generator, roof: _Roof) -> Pixels:
    """The sheet through the camera, over its surroundings, in the day's light."""
    seen, cover = warp(roof.canvas, roof.sheet, roof.camera)
    if float(cover.min()) < 1.0:
        behind = backdrop(light, roof.camera.size)
        behind += cover[:, :, None] * (seen - behind)
        seen = behind
    shape = (seen.shape[0], seen.shape[1])
    seen *= light_gradient(light, shape, light.uniform(0.0, 0.22))[:, :, None]
    return expose(seen, sensor)


def _overlap(first: Points, second: Points) -> bool:
    low = np.maximum(first.min(axis=0), second.min(axis=0))
    high = np.minimum(first.max(axis=0), second.max(axis=0))
    return bool((low < high).all())
