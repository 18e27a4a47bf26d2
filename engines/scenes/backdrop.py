"""What stands at the far end of a site, and what lies flat on it: trees, hoardings, a tarpaulin."""

from __future__ import annotations

import numpy as np

from engines.scenes.pinhole import Camera, Points
from engines.scenes.solids import Sun
from engines.scenes.textures import Canvas, fill, mix, ragged, shade, value_noise

Ground = tuple[float, float]

_HOARDING = ((196, 196, 190), (70, 104, 140), (168, 132, 92), (110, 124, 104))
_TARPAULIN = ((46, 96, 168), (70, 116, 84), (172, 168, 160), (196, 120, 44))


def backdrop(
    canvas: Canvas,
    camera: Camera,
    sun: Sun,
    rng: np.random.Generator,
    *,
    nearest_m: float = 18.0,
) -> None:
    """Trees along the horizon, then by chance a hoarding or a shell of a house before them.

    Nothing stands nearer than ``nearest_m``.
    """
    feet = camera.project(np.array([[-40.0, 70, 0], [0, 70, 0], [40, 70, 0]]))
    if feet[:, 1].max() < 0:
        return
    _trees(canvas, camera, rng)
    choice = rng.random()
    if choice < 0.4:
        _hoarding(canvas, camera, sun, rng, nearest_m)
    elif choice < 0.7:
        _house(canvas, camera, sun, rng, nearest_m)


def _trees(canvas: Canvas, camera: Camera, rng: np.random.Generator) -> None:
    x = np.linspace(-90, 90, 140)
    noise = value_noise(rng, (1, x.size), (1, 14), octaves=4)[0]
    height = np.clip(rng.uniform(3, 8) + 3.0 * noise, 1.0, 14)
    crown = camera.project(np.column_stack([x, np.full_like(x, 70), height]))
    foot = camera.project(np.column_stack([x[::-1], np.full_like(x, 70), np.zeros_like(x)]))
    leaves = np.asarray([70, 86, 58], np.float32) * np.float32(rng.uniform(0.8, 1.3))
    step = max(camera.width / 160, 4)
    mottled = (
        value_noise(rng, (camera.height, camera.width), step, octaves=3)[..., None] * 14 + leaves
    )
    fill(canvas, np.concatenate([crown, foot]), mottled.astype(np.float32))


def _upright(camera: Camera, start: Ground, end: Ground, z: tuple[float, float]) -> Points:
    """An upright rectangle between two points of the ground, from ``z[0]`` to ``z[1]`` metres."""
    low, high = z
    corners = np.array([[*start, high], [*end, high], [*end, low], [*start, low]])
    return camera.project(corners)


def _hoarding(
    canvas: Canvas, camera: Camera, sun: Sun, rng: np.random.Generator, nearest_m: float
) -> None:
    colour = _HOARDING[int(rng.integers(len(_HOARDING)))]
    y, slope = nearest_m + rng.uniform(0, 14), rng.uniform(-0.25, 0.25)
    height, panel = rng.uniform(1.8, 2.4), 2.4
    light = sun.on(np.array([0.0, -1.0, 0.0]))
    first = -30.0
    while first < 30:
        start, end = (first, y + slope * first), (first + panel, y + slope * (first + panel))
        shaded = np.asarray(colour) * light * rng.uniform(0.9, 1.05)
        quad = _upright(camera, start, end, (0.0, height))
        fill(canvas, quad, shaded.astype(np.float32))
        post = _upright(camera, start, (start[0] + 0.12, start[1]), (0.0, height))
        fill(canvas, post, (shaded * 0.7).astype(np.float32))
        first += panel


def _house(
    canvas: Canvas, camera: Camera, sun: Sun, rng: np.random.Generator, nearest_m: float
) -> None:
    """The front of a house under construction: wall, openings, gable."""
    colour = mix((206, 196, 176), (168, 112, 88), float(rng.random()))
    y, left, wide = nearest_m + rng.uniform(0, 10), rng.uniform(-14, 4), rng.uniform(8, 13)
    height = rng.uniform(2.8, 5.4)
    light = np.asarray(colour) * sun.on(np.array([0.0, -1.0, 0.0]))
    start, end = (left, y), (left + wide, y)
    fill(canvas, _upright(camera, start, end, (0.0, height)), light.astype(np.float32))
    for course in np.arange(0.3, height, 0.3):
        line = _upright(camera, start, end, (float(course), float(course) + 0.03))
        fill(canvas, line, (light * 0.82).astype(np.float32))
    for centre in np.arange(left + 1.4, left + wide - 1, 2.4):
        for sill in np.arange(0.9, height - 1.2, 2.6):
            hole = _upright(
                camera, (centre - 0.5, y), (centre + 0.5, y), (float(sill), float(sill) + 1.2)
            )
            fill(canvas, hole, (48.0, 52.0, 58.0))
    ridge = np.array(
        [
            [left - 0.5, y, height],
            [left + wide / 2, y, height + wide * 0.28],
            [left + wide + 0.5, y, height],
        ]
    )
    fill(canvas, camera.project(ridge), (light * 0.62).astype(np.float32))


def tarpaulin(canvas: Canvas, camera: Camera, rng: np.random.Generator) -> None:
    """A crumpled sheet flat on the ground, under everything else."""
    colour = _TARPAULIN[int(rng.integers(len(_TARPAULIN)))]
    x, y = rng.uniform(-2.5, 2.5), rng.uniform(3, 9)
    corners = np.array([[-1.0, -0.7], [1, -0.7], [1, 0.7], [-1, 0.7]]) * rng.uniform(0.7, 1.5)
    outline = ragged(rng, corners, 0.06, 0.15) + np.array([x, y])
    if (camera.depth(np.column_stack([outline, np.zeros(len(outline))])) < 0.5).any():
        return
    flat = camera.project(np.column_stack([outline, np.zeros(len(outline))]))
    span = float(np.ptp(flat[:, 0]))
    folds = value_noise(rng, (camera.height, camera.width), max(span / 9, 3), octaves=3)[..., None]
    shade(canvas, flat + span * 0.01, 0.7, blur=span * 0.012)
    fill(canvas, flat, (np.asarray(colour, np.float32) * (1 + 0.28 * folds)).astype(np.float32))
