"""What a sound roof carries: vents, pipes, skylights, stains, leaves, shadows of trees.

None of it is damage, and some of it looks a little like it: a detector must learn the difference.
Every painter takes a sheet canvas, a place in sheet pixels and ``unit``, the sheet's pixels for the
photo's long side.
"""

from __future__ import annotations

import numpy as np

from engines.scenes.textures import Canvas, ellipse, fill, ragged, rectangle, shade, value_noise

Place = tuple[float, float]
_LIGHT = (0.55, 0.85)  # direction in which things throw their shadow, in sheet axes


def paint_fitting(
    rng: np.random.Generator, canvas: Canvas, at: Place, unit: float, reach: float
) -> None:
    """A vent, pipe or skylight that stays within ``reach`` pixels of ``at``."""
    kind = rng.choice(["vent", "pipe", "skylight", "turbine"], p=[0.4, 0.3, 0.15, 0.15])
    painters = {"vent": _vent, "pipe": _pipe, "skylight": _skylight, "turbine": _turbine}
    painters[str(kind)](rng, canvas, at, reach, unit)


def _vent(rng: np.random.Generator, canvas: Canvas, at: Place, reach: float, unit: float) -> None:
    x, y = at
    half = reach * rng.uniform(0.42, 0.6)
    tone = rng.uniform(70, 215)
    shadow = half * 0.55
    box = rectangle(x - half, y - half * 0.8, x + half, y + half * 0.8)
    shade(canvas, box + np.array(_LIGHT) * shadow, 0.42, blur=unit * 0.002)
    fill(canvas, box, (tone * 0.72, tone * 0.73, tone * 0.75))
    inner = rectangle(x - half * 0.85, y - half * 0.72, x + half * 0.8, y + half * 0.5)
    fill(canvas, inner, (tone, tone, tone * 1.02))
    for share in (-0.4, -0.1, 0.2):
        line = rectangle(
            x - half * 0.7, y + share * half, x + half * 0.65, y + (share + 0.09) * half
        )
        shade(canvas, line, 0.7)


def _pipe(rng: np.random.Generator, canvas: Canvas, at: Place, reach: float, unit: float) -> None:
    x, y = at
    radius = reach * rng.uniform(0.2, 0.3)
    tone = rng.uniform(60, 230)
    flange = rectangle(x - radius * 2.1, y - radius * 1.9, x + radius * 2.1, y + radius * 2.3)
    fill(canvas, flange, (tone * 0.6 + 40, tone * 0.6 + 41, tone * 0.6 + 44), opacity=0.9)
    start = np.array([x, y])
    end = start + np.array(_LIGHT) * radius * 2.2
    side = np.array([_LIGHT[1], -_LIGHT[0]]) * radius
    shade(canvas, [start + side, end + side, end - side, start - side], 0.45, blur=unit * 0.0015)
    fill(canvas, ellipse(at, (radius, radius)), (tone, tone, tone))
    fill(canvas, ellipse(at, (radius * 0.62, radius * 0.62)), (32, 32, 34))


def _skylight(
    rng: np.random.Generator, canvas: Canvas, at: Place, reach: float, unit: float
) -> None:
    x, y = at
    half, tall = reach * 0.55, reach * rng.uniform(0.6, 0.8)
    box = rectangle(x - half, y - tall, x + half, y + tall)
    shade(canvas, box + np.array(_LIGHT) * half * 0.25, 0.5, blur=unit * 0.002)
    frame = rng.uniform(50, 200)
    fill(canvas, box, (frame, frame, frame))
    glass = rectangle(x - half * 0.84, y - tall * 0.86, x + half * 0.84, y + tall * 0.86)
    fill(canvas, glass, (118, 146, 176))
    gleam = [
        (x - half * 0.84, y - tall * 0.1),
        (x + half * 0.4, y - tall * 0.86),
        (x + half * 0.8, y - tall * 0.86),
        (x - half * 0.84, y + tall * 0.3),
    ]
    fill(canvas, gleam, (206, 222, 238), opacity=0.7)


def _turbine(
    rng: np.random.Generator, canvas: Canvas, at: Place, reach: float, unit: float
) -> None:
    x, y = at
    radius = reach * rng.uniform(0.4, 0.52)
    moved = (x + _LIGHT[0] * radius * 0.7, y + _LIGHT[1] * radius * 0.7)
    shade(canvas, ellipse(moved, (radius, radius)), 0.45, blur=unit * 0.002)
    fill(canvas, ellipse(at, (radius, radius)), (150, 153, 158))
    for turn in np.linspace(0.0, 2 * np.pi, 14, endpoint=False):
        fin = [
            (x, y),
            (x + radius * np.cos(turn), y + radius * np.sin(turn)),
            (x + radius * np.cos(turn + 0.22), y + radius * np.sin(turn + 0.22)),
        ]
        shade(canvas, fin, 0.62)
    fill(canvas, ellipse(at, (radius * 0.35, radius * 0.35)), (196, 198, 202))


def stain(rng: np.random.Generator, canvas: Canvas, unit: float) -> None:
    """Streaks of algae or rust that run down the slope: soft edges, never a shingle's shape."""
    height, width = canvas.shape[:2]
    x, y = rng.uniform(0, width), rng.uniform(0, height * 0.7)
    half, length = unit * rng.uniform(0.01, 0.05), unit * rng.uniform(0.1, 0.4)
    outline = [(x - half, y), (x + half, y), (x + half * 1.6, y + length), (x - half, y + length)]
    torn = ragged(rng, outline, half * 0.35, unit * 0.02)
    if rng.random() < 0.7:
        shade(canvas, torn, rng.uniform(0.72, 0.9), blur=unit * 0.012)
    else:
        fill(canvas, torn, (132, 84, 52), opacity=rng.uniform(0.1, 0.25), blur=unit * 0.012)


def leaves(rng: np.random.Generator, canvas: Canvas, unit: float) -> None:
    """Scattered leaves and twigs, far smaller than any damage."""
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(4, 26))):
        at = (rng.uniform(0, width), rng.uniform(0, height))
        size = unit * rng.uniform(0.002, 0.005)
        colour = [(110, 120, 46), (148, 96, 38), (96, 66, 34), (70, 92, 40)][rng.integers(4)]
        leaf = ellipse(at, (size * rng.uniform(1.2, 2.4), size * 0.8), angle=rng.uniform(0, 3.1))
        fill(canvas, leaf, colour, opacity=0.9)


def moss(rng: np.random.Generator, canvas: Canvas, unit: float) -> None:
    """Green cushions along one part of the roof."""
    height, width = canvas.shape[:2]
    cover = value_noise(rng, (height, width), unit * 0.12, octaves=3)
    share = np.clip((cover - rng.uniform(0.75, 1.0)) * 2.5, 0.0, 0.5)[:, :, None]
    canvas += share * (np.array((86, 104, 58), np.float32) - canvas)


def dapple(rng: np.random.Generator, canvas: Canvas, unit: float) -> None:
    """The shadow of a tree or of the next house: dark, soft, anywhere."""
    height, width = canvas.shape[:2]
    depth = np.float32(rng.uniform(0.3, 0.55))
    if rng.random() < 0.5:
        cover = value_noise(rng, (height, width), unit * rng.uniform(0.08, 0.2), octaves=3)
        cover += np.float32(rng.uniform(-0.9, 0.1))
        canvas *= (1.0 - depth * np.clip(cover * 5.0, 0.0, 1.0))[:, :, None]
        return
    x, slope = rng.uniform(0.0, 1.0) * width, rng.uniform(-0.6, 0.6)
    side = width * 2 * (1 if rng.random() < 0.5 else -1)
    edge = [(x, 0), (x + slope * height, height), (x + side, height), (x + side, 0)]
    shade(canvas, edge, 1.0 - float(depth), blur=unit * 0.003)
