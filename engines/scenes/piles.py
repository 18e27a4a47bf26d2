"""Photos of one loose pile of known volume, for the volume engine.

A pile of gravel, sand, soil or mulch, 0.5 to 60 cubic metres, stands on flat ground before a known
pinhole camera. A photo has no scale of its own, so beside each pile stands what a surveyor would
put there: a red-and-white ranging pole, 2 m tall with bands of 0.5 m, and a black-and-white
chequered cube of 0.5 m. A photo without them is outside what the engine can measure.

``height_map`` is the pile's height above ground at the point each pixel sees; the pole and the cube
do not count into it. ``volume_m3`` is the integral of the pile's surface, its hidden side included.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from engines.scenes.backdrop import backdrop
from engines.scenes.ground import footprint, ground_and_sky, sampled
from engines.scenes.heaps import REPOSE, Heap, cover, heap_of, sunlight
from engines.scenes.heightfield_view import View, view_of
from engines.scenes.pinhole import Camera
from engines.scenes.scene import Scene
from engines.scenes.sites import sun_of
from engines.scenes.solids import Cuboid, Skin, Sun, back_to_front, ground_light, paint
from engines.scenes.textures import Canvas, expose

LEAST_M3, MOST_M3 = 0.5, 60.0
POLE_M, POLE_BANDS, POLE_THICK_M = 2.0, 4, 0.08
CUBE_M = 0.5
_TRIES = 40


def draw(seed: int, size: tuple[int, int]) -> Scene:
    """The pile of this seed, ``size`` = (width, height) in pixels; volumes are log-uniform."""
    rng = np.random.default_rng([seed, 3])
    heap, camera, targets = _set_up(rng, size)
    sun = sun_of(rng)
    view = view_of(heap, camera)
    canvas = _scenery(heap, camera, sun, targets, rng)
    _lay_material(canvas, heap, view, camera, sun, rng)
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    for number in back_to_front(targets, camera):
        paint(image, targets[number], camera, sun)
    pixels = expose(np.asarray(image, np.float32), rng)
    return Scene("volume", seed, pixels, height_map=view.height, volume_m3=heap.volume_m3)


def setting(seed: int, size: tuple[int, int]) -> tuple[Heap, Camera, list[Cuboid]]:
    """What stands where in the pile of this seed, and the camera: the truth behind the photo.

    The targets are the pole and the cube, in this order.
    """
    return _set_up(np.random.default_rng([seed, 3]), size)


def _set_up(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Heap, Camera, list[Cuboid]]:
    material = str(rng.choice(list(REPOSE)))
    volume = float(np.exp(rng.uniform(np.log(LEAST_M3), np.log(MOST_M3))))
    return _composed(heap_of(rng, material, volume), size, rng)


def _composed(
    heap: Heap, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Heap, Camera, list[Cuboid]]:
    """Camera and targets so that the whole pile, the pole and the cube are in the photo."""
    width, height = size
    reach, tallest = heap.reach_m, float(heap.heights.max())
    share = 0.62
    for _ in range(_TRIES):
        focal = float(rng.uniform(0.8, 1.05)) * max(size)
        away = 2 * reach * focal / (rng.uniform(0.55, 1.0) * share * min(width, height * 1.4))
        away = max(away, reach + 1.0, 2.4)
        eye = float(rng.uniform(1.4, max(2.2, 0.55 * away)))
        heap = heap.moved(float(rng.uniform(-0.1, 0.1)) * away, away)
        pitch = float(np.arctan2(eye - 0.4 * tallest, away) + rng.uniform(-0.06, 0.06))
        camera = Camera(width, height, focal, eye, pitch)
        targets = _targets(heap, camera, rng)
        if targets is not None and _in_frame(heap, camera):
            return heap, camera, targets
        # Step back a little and try again.
        share *= 0.96
    raise RuntimeError("no view shows the whole pile with its targets")


def _in_frame(heap: Heap, camera: Camera) -> bool:
    rows, columns = np.nonzero(heap.heights > 0.02 * heap.heights.max())
    points = np.column_stack(
        [
            heap.x_m + columns * heap.cell_m,
            heap.y_m + rows * heap.cell_m,
            heap.heights[rows, columns],
        ]
    )
    return _inside(camera, points, margin=0.01)


def _inside(camera: Camera, points: npt.NDArray[np.float64], *, margin: float) -> bool:
    if (camera.depth(points) < 0.5).any():
        return False
    shares = camera.project(points) / (camera.width, camera.height)
    return bool((shares > margin).all() and (shares < 1 - margin).all())


def _targets(heap: Heap, camera: Camera, rng: np.random.Generator) -> list[Cuboid] | None:
    """Pole and cube beside the pile, on the side turned to the camera, so that nothing hides them.

    A point at distance d from the middle of a pile of reach r cannot be hidden if it lies within
    acos(d / camera's distance) of the direction to the camera.
    """
    x, y = heap.centre
    distance = float(np.hypot(x, y))
    towards_eye = float(np.arctan2(-y, -x))
    side = float(rng.choice([-1.0, 1.0]))
    placed: list[Cuboid] = []
    for number, (size, skin) in enumerate(
        (
            ((POLE_THICK_M, POLE_THICK_M, POLE_M), _pole_skin()),
            ((CUBE_M, CUBE_M, CUBE_M), _cube_skin()),
        )
    ):
        away = heap.reach_m * float(rng.uniform(1.0, 1.15)) + size[0] * 0.75 + 0.05
        if away > 0.97 * distance:
            return None
        widest = float(np.arccos(away / distance))
        angle = towards_eye + side * (-1) ** number * widest * float(rng.uniform(0.55, 0.97))
        centre = (x + away * float(np.cos(angle)), y + away * float(np.sin(angle)), 0.0)
        cuboid = Cuboid(centre, size, float(rng.uniform(0, np.pi / 2)), skin)
        if not _inside(camera, cuboid.corners, margin=0.015):
            return None
        placed.append(cuboid)
    return placed


@lru_cache(maxsize=1)
def _pole_skin() -> Skin:
    bands = Image.new("RGB", (16, 400), (238, 238, 234))
    pen = ImageDraw.Draw(bands)
    for band in range(0, POLE_BANDS, 2):
        tall = 400 // POLE_BANDS
        pen.rectangle((0, band * tall, 15, (band + 1) * tall - 1), fill=(206, 28, 30))
    return Skin(top=Image.new("RGB", (16, 16), (206, 28, 30)), side=bands, end=bands)


@lru_cache(maxsize=1)
def _cube_skin() -> Skin:
    squares = np.indices((2, 2)).sum(axis=0) % 2
    face = np.kron(squares, np.ones((60, 60))) * 218 + 20
    image = Image.fromarray(np.repeat(face[..., None], 3, axis=2).astype(np.uint8))
    return Skin(top=image, side=image, end=image)


def _scenery(
    heap: Heap, camera: Camera, sun: Sun, targets: list[Cuboid], rng: np.random.Generator
) -> Canvas:
    """The site without the pile: ground of another material, backdrop, the targets' shadows."""
    grounds = [kind for kind in ("soil", "gravel", "concrete", "grass") if kind != heap.material]
    kind = str(rng.choice(grounds))
    haze = np.asarray([206, 214, 222], np.float32) * np.float32(rng.uniform(0.9, 1.08))
    tint = rng.uniform(0.9, 1.2) * rng.uniform(0.95, 1.05, 3) * (0.85 if kind == "concrete" else 1)
    canvas: Canvas = ground_and_sky(camera, rng, kind=kind, tint=tint.astype(np.float32), haze=haze)
    behind = heap.centre[1] + heap.reach_m
    backdrop(canvas, camera, sun, rng, nearest_m=max(18.0, behind + 6.0))
    canvas *= ground_light(targets, camera, sun)
    canvas *= (sun.on(np.array([0.0, 0.0, 1.0])) / 1.02).astype(np.float32)
    return canvas


def _lay_material(
    canvas: Canvas, heap: Heap, view: View, camera: Camera, sun: Sun, rng: np.random.Generator
) -> None:
    """Paints the pile over the ground and shades the ground where the pile keeps the sun off."""
    rows, columns = np.nonzero(view.meets)
    x, y = view.x[rows, columns], view.y[rows, columns]
    lit, upness = sunlight(heap, sun.towards)
    facing, level = heap.sampled(lit, x, y), heap.sampled(upness, x, y)
    covered = heap.sampled(cover(heap, rng), x, y) > 0.5
    tint = rng.uniform(0.85, 1.15) * rng.uniform(0.94, 1.06, 3)
    colours = sampled(
        heap.material,
        int(rng.integers(4)),
        x=x + np.float32(rng.uniform(0, 3)),
        y=y + np.float32(rng.uniform(0, 3)),
        footprint_m=footprint(camera, x, y),
    ).astype(np.float32) * tint.astype(np.float32)
    ambient, direct = sun.ambient.astype(np.float32), sun.direct.astype(np.float32)
    light = (0.6 + 0.4 * level)[:, None] * ambient + facing[:, None] * direct
    flat = sun.on(np.array([0.0, 0.0, 1.0])).astype(np.float32)
    ground = canvas[rows, columns] * np.minimum(light / flat, 1.05)
    canvas[rows, columns] = np.where(covered[:, None], colours * light, ground)
