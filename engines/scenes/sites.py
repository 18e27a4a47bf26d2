"""Building-site photos for the materials engine, with the exact box of everything to be counted.

One object is
- ``shingle``: one wrapped bundle, with its brand. A layer of three bundles is three objects, and a
  bundle under another counts too: the layout sees to it that every bundle in the photo shows at
  least half of its outline;
- ``plywood``: one stack of sheets put down as one, or one sheet that lies alone. The sheets in a
  stack are not counted.

A box is the extent of the object's outline as if nothing stood before it, cut by the frame. Planks,
blocks, pallets, chests and tarpaulins are clutter and carry no box.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from engines.scenes.backdrop import backdrop, tarpaulin
from engines.scenes.ground import ground_and_sky
from engines.scenes.pinhole import Camera
from engines.scenes.scene import Scene
from engines.scenes.site_items import bundles, clutter, plywood, trade_of
from engines.scenes.site_layout import Layout, boxes_of, grown
from engines.scenes.solids import Sun, back_to_front, ground_light, paint
from engines.scenes.textures import Canvas, expose, light_gradient

MOST_OBJECTS = 12
_GROUNDS = ("soil", "gravel", "concrete", "grass")


def draw(seed: int, size: tuple[int, int]) -> Scene:
    """The site of this seed, ``size`` = (width, height) in pixels."""
    rng = np.random.default_rng([seed, 2])
    camera = camera_of(rng, size)
    sun = sun_of(rng)
    layout = _layout(camera, rng)
    canvas = _scenery(camera, sun, layout, rng)
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    for number in back_to_front(layout.cuboids, camera):
        paint(image, layout.cuboids[number], camera, sun)
    lit = np.asarray(image, np.float32) * light_gradient(rng, (size[1], size[0]), 0.1)[..., None]
    pixels = expose(lit, rng)
    return Scene("materials", seed, pixels, boxes_of(layout, camera))


def camera_of(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    """Someone standing on the site, on a ladder or on a scaffold, looking down at it."""
    width, height = size
    return Camera(
        width=width,
        height=height,
        focal_px=float(rng.uniform(0.72, 1.1)) * max(size),
        height_m=float(rng.uniform(1.5, 3.6)),
        pitch=float(np.radians(rng.uniform(11, 46))),
        roll=float(np.radians(rng.normal(0, 1.5))),
    )


def sun_of(rng: np.random.Generator) -> Sun:
    """Bright sun with hard shadows, haze, or an overcast sky."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(25, 70))
    towards = np.array(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    strength = float(rng.choice([0.2, 0.55, 0.9], p=[0.25, 0.3, 0.45]))
    warmth = rng.uniform(0, 0.08)
    direct = strength * np.array([1 + warmth, 1, 1 - warmth])
    ambient = (1.08 - 0.68 * strength) * np.array([0.98, 1.0, 1.03])
    return Sun(towards, direct, ambient, shadow_softness=float(1 + (0.9 - strength) * 12))


def _layout(camera: Camera, rng: np.random.Generator) -> Layout:
    trade = trade_of(rng)
    kinds = str(rng.choice(["both", "bundles", "plywood", "none"], p=[0.52, 0.28, 0.14, 0.06]))
    wanted = {"none": 0, "plywood": int(rng.integers(1, 4))}.get(
        kinds, int(rng.integers(1, MOST_OBJECTS + 1))
    )
    layout = Layout()
    for _ in range(14):
        room = wanted - len(layout.labels)
        if room <= 0:
            break
        is_sheets = kinds == "plywood" or (kinds == "both" and rng.random() < 0.35)
        layout = grown(
            layout,
            (lambda: plywood(rng)) if is_sheets else (lambda: bundles(trade, rng)),
            camera=camera,
            rng=rng,
            room=room,
        )
    for _ in range(int(rng.integers(0, 5))):
        layout = grown(layout, lambda: clutter(rng), camera=camera, rng=rng, room=0, tries=4)
    return layout


def _scenery(camera: Camera, sun: Sun, layout: Layout, rng: np.random.Generator) -> Canvas:
    """Ground, what stands far off, tarpaulins, and the shadows on the ground."""
    haze = np.asarray([206, 214, 222], np.float32) * np.float32(rng.uniform(0.9, 1.08))
    tint = rng.uniform(0.95, 1.3) * rng.uniform(0.95, 1.05, 3)
    kind = str(rng.choice(_GROUNDS, p=[0.34, 0.22, 0.24, 0.20]))
    if kind == "concrete":
        tint *= 0.82
    canvas: Canvas = ground_and_sky(camera, rng, kind=kind, tint=tint.astype(np.float32), haze=haze)
    backdrop(canvas, camera, sun, rng)
    if rng.random() < 0.25:
        tarpaulin(canvas, camera, rng)
    canvas *= ground_light(layout.cuboids, camera, sun)
    canvas *= (sun.on(np.array([0.0, 0.0, 1.0])) / 1.02).astype(np.float32)
    return canvas
