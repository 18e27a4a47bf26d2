"""What ends a roof slope and what lies behind it: ridge caps, gutters, sky, trees, lawn."""

from __future__ import annotations

import numpy as np

from engines.scenes.shingles import Roofing
from engines.scenes.textures import Canvas, fill, grain, mix, ragged, rectangle, shade, value_noise


def cap_ridge(
    rng: np.random.Generator, canvas: Canvas, roofing: Roofing, at: float, light: float
) -> float:
    """Make the sheet above ``at`` (y) the far slope and lay ridge caps; where the near one starts.

    ``light`` is the far slope's brightness against the near one's.
    """
    width = canvas.shape[1]
    row = round(at)
    canvas[:row] = canvas[:row][::-1] * np.float32(light)
    half = roofing.course * 0.42
    step = roofing.course * 1.1
    for x in np.arange(-step, width + step, step):
        tone = rng.normal(1.0, roofing.spread * 0.7)
        colour = np.clip(np.array(roofing.colour, np.float32) * tone, 0, 245)
        fill(canvas, rectangle(x, at - half, x + step, at), colour * np.float32(light))
        fill(canvas, rectangle(x, at, x + step, at + half), colour)
        shade(canvas, rectangle(x, at - half, x + step * 0.07, at + half), 0.45)
    shade(canvas, rectangle(0, at + half, width, at + half * 1.3), 0.45, blur=half * 0.1)
    speckle = grain(rng, (canvas[row - round(half) : row + round(half)].shape[0], width))
    canvas[row - round(half) : row + round(half)] *= (1.0 + 0.05 * speckle)[:, :, None]
    return at + half * 1.4


def trim_edges(rng: np.random.Generator, canvas: Canvas, roofing: Roofing) -> None:
    """Ridge caps along the top, a gutter along the bottom, boards along both sides."""
    height, width = canvas.shape[:2]
    half = roofing.course * 0.55
    tone = rng.uniform(60, 235)
    board = mix((tone, tone, tone), (tone, tone * 0.8, tone * 0.62), rng.uniform(0, 0.6))
    step = roofing.course * 1.2
    for x in np.arange(0.0, width, step):
        colour = np.array(roofing.colour, np.float32) * np.float32(rng.normal(0.95, 0.05))
        fill(canvas, rectangle(x, 0, x + step, half), colour)
        shade(canvas, rectangle(x, 0, x + step * 0.08, half), 0.5)
    shade(canvas, rectangle(0, half, width, half * 1.25), 0.5, blur=half * 0.08)
    side = roofing.course * 0.3
    for x in (0.0, width - side):
        fill(canvas, rectangle(x, 0, x + side, height), board)
        shade(canvas, rectangle(x + side * 0.8, 0, x + side, height), 0.6)
    gutter = roofing.course * 0.5
    fill(canvas, rectangle(0, height - gutter, width, height), board)
    shade(canvas, rectangle(0, height - gutter * 0.8, width, height - gutter * 0.3), 0.55)
    shade(
        canvas, rectangle(0, height - gutter * 1.3, width, height - gutter), 0.6, blur=gutter * 0.1
    )


def backdrop(rng: np.random.Generator, size: tuple[int, int]) -> Canvas:
    """Sky and trees above, lawn, drive or street below; ``(height, width, 3)``."""
    width, height = size
    unit = max(size)
    horizon = round(height * rng.uniform(0.06, 0.3))
    canvas = np.empty((height, width, 3), np.float32)
    top, low = ((96, 146, 208), (196, 214, 230)) if rng.random() < 0.6 else ((176,) * 3, (216,) * 3)
    canvas[:horizon] = np.linspace(top, low, horizon, dtype=np.float32)[:, None, :]
    if horizon:
        clouds = value_noise(rng, (horizon, width), (unit * 0.05, unit * 0.2), octaves=2)
        canvas[:horizon] += 26 * np.clip(clouds, 0, 1)[:, :, None]
    ground = [(86, 118, 58), (112, 122, 74), (128, 126, 122), (150, 140, 122)][rng.integers(4)]
    lawn = value_noise(rng, (height - horizon, width), unit * 0.03, octaves=3)
    canvas[horizon:] = np.array(ground, np.float32) * (1.0 + 0.14 * lawn)[:, :, None]
    canvas[horizon:] *= (1.0 + 0.07 * grain(rng, (height - horizon, width)))[:, :, None]
    for _ in range(int(rng.integers(2, 9))):
        _tree(rng, canvas, (rng.uniform(0, width), horizon * rng.uniform(0.7, 1.3)), unit)
    return canvas


def _tree(rng: np.random.Generator, canvas: Canvas, at: tuple[float, float], unit: float) -> None:
    x, y = at
    radius = unit * rng.uniform(0.03, 0.1)
    green = np.array((58, 88, 44), np.float32) * np.float32(rng.uniform(0.6, 1.25))
    for _ in range(7):
        spot = (x + rng.normal(0, radius * 0.6), y - rng.uniform(-0.4, 0.9) * radius)
        size = radius * rng.uniform(0.35, 0.7)
        crown = rectangle(spot[0] - size, spot[1] - size, spot[0] + size, spot[1] + size)
        leafy = ragged(rng, crown, size * 0.3, size * 0.3)
        fill(canvas, leafy, green * np.float32(rng.uniform(0.7, 1.3)), blur=size * 0.06)
