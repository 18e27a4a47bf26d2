"""A roof slope from straight above: courses of shingles in several materials.

``lay`` draws a sheet and says where every tab lies, so that damage can take the place of whole
tabs. v runs down the slope; each course lies over the one below it, so its lower edge shows and
throws a thin shadow.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from engines.scenes.textures import Canvas, grain, value_noise

_PALETTES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "asphalt": (
        (92, 93, 97),
        (116, 103, 92),
        (88, 76, 68),
        (108, 112, 116),
        (122, 78, 66),
        (84, 96, 88),
        (150, 142, 130),
        (78, 84, 98),
    ),
    "laminate": (
        (104, 96, 88),
        (86, 84, 86),
        (128, 108, 86),
        (96, 104, 110),
        (118, 86, 72),
        (142, 134, 122),
    ),
    "slate": ((98, 106, 118), (112, 112, 114), (104, 98, 112), (92, 104, 100), (126, 122, 122)),
    "wood": ((158, 122, 84), (138, 116, 94), (150, 132, 112), (126, 96, 68), (168, 142, 104)),
    "clay": ((178, 98, 66), (164, 88, 62), (186, 120, 84), (150, 92, 74)),
}
MATERIALS = tuple(_PALETTES)


Slits = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Roofing:
    """What a roof is covered with; lengths in pixels of the sheet it is drawn on."""

    material: str
    colour: tuple[float, float, float]
    course: float
    tab: float
    spread: float
    contrast: float


@dataclass(frozen=True, slots=True)
class Course:
    """One row of tabs: its upper and lower edge and the x of every slit between tabs."""

    top: float
    bottom: float
    slits: tuple[float, ...]


def choose(rng: np.random.Generator, course: float) -> Roofing:
    """A roof covering at random; ``course`` is the height of a row in sheet pixels."""
    material = MATERIALS[rng.choice(len(MATERIALS), p=[0.36, 0.24, 0.16, 0.14, 0.10])]
    palette = _PALETTES[material]
    base = np.array(palette[rng.integers(len(palette))], np.float64)
    colour = base * rng.uniform(0.84, 1.2) + rng.uniform(-4, 4, 3)
    tab = {"asphalt": 1.9, "laminate": 1.5, "slate": 1.0, "wood": 0.75, "clay": 0.95}[material]
    spread = {"asphalt": 0.05, "laminate": 0.13, "slate": 0.09, "wood": 0.11, "clay": 0.06}
    return Roofing(
        material,
        (float(colour[0]), float(colour[1]), float(colour[2])),
        course,
        course * tab * rng.uniform(0.85, 1.2),
        spread[material] * rng.uniform(0.6, 1.3),
        rng.uniform(0.7, 1.15),
    )


def lay(
    rng: np.random.Generator, roofing: Roofing, shape: tuple[int, int]
) -> tuple[Canvas, tuple[Course, ...]]:
    """The sheet ``(height, width, 3)`` in the covering's colours, and its courses from the top."""
    height, width = shape
    canvas = np.empty((height, width, 3), np.float32)
    edges = np.arange(0.0, height + roofing.course, roofing.course)
    courses: list[Course] = []
    for index, (top, bottom) in enumerate(pairwise(edges.tolist())):
        slits = _slits(rng, roofing, width, index)
        courses.append(Course(float(top), float(bottom), tuple(slits.tolist())))
        rows = slice(round(top), min(round(bottom), height))
        if rows.stop > rows.start:
            canvas[rows] = _strip(rng, roofing, slits, width, rows.stop - rows.start)
    _weather(rng, roofing, canvas)
    return canvas, tuple(courses)


def _slits(rng: np.random.Generator, roofing: Roofing, width: int, index: int) -> Slits:
    irregular = {"asphalt": 0.0, "laminate": 0.45, "slate": 0.12, "wood": 0.4, "clay": 0.0}
    count = int(width / roofing.tab * 1.6) + 4
    share = irregular[roofing.material]
    widths = roofing.tab * rng.uniform(1 - share, 1 + share, count)
    offset = (index % 2) * 0.5 + (rng.uniform(-0.08, 0.08) if share == 0.0 else rng.random())
    if roofing.material == "clay":
        offset = 0.0
    slits = np.cumsum(widths) - (1.5 - offset) * roofing.tab
    return np.asarray(slits[slits < width + roofing.tab], np.float64)


def _strip(
    rng: np.random.Generator, roofing: Roofing, slits: Slits, width: int, rows: int
) -> Canvas:
    """One course's pixels: a colour for each tab, slits, and light down the profile."""
    x = np.arange(width, dtype=np.float64)
    tab = np.searchsorted(slits, x)
    value = 1.0 + rng.normal(0.0, roofing.spread, len(slits) + 1)
    hue = rng.normal(0.0, roofing.spread * 0.16, (len(slits) + 1, 3))
    colours = np.array(roofing.colour) * (value[:, None] + hue)
    line = colours[tab]
    down = np.linspace(0.0, 1.0, rows)
    distance = np.minimum(
        np.abs(x - slits[np.clip(tab, 0, len(slits) - 1)]),
        np.abs(x - slits[np.maximum(tab - 1, 0)]),
    )
    slit = max(0.8, roofing.course * (0.018 if roofing.material == "laminate" else 0.032))
    dark = np.clip(1.3 - distance / slit, 0.0, 1.0) * 0.55 * roofing.contrast
    if roofing.material == "laminate":
        dark *= 0.6
    if roofing.material == "clay":
        phase = (x - slits[0]) / roofing.tab * 2 * np.pi
        dark = np.clip(0.28 - 0.34 * np.cos(phase + 0.6), -0.1, 0.62)
    shadow = 0.62 * roofing.contrast * np.exp(-down / 0.07)
    lip = 0.10 * np.exp(-(1.0 - down) / 0.05)
    if roofing.material == "slate":
        shadow = 0.8 * shadow
    profile = (0.96 + 0.07 * down) * (1.0 - np.clip(shadow, 0.0, 0.85)) * (1.0 + lip)
    strip: Canvas = (profile[:, None, None] * (line * (1.0 - dark)[:, None])[None]).astype(
        np.float32
    )
    return strip


def _weather(rng: np.random.Generator, roofing: Roofing, canvas: Canvas) -> None:
    """Granules, grain of the wood, and blotches of age."""
    height, width = canvas.shape[:2]
    fine = {"asphalt": 0.095, "laminate": 0.09, "slate": 0.03, "wood": 0.03, "clay": 0.04}
    factor = 1.0 + grain(rng, (height, width)) * np.float32(fine[roofing.material])
    if roofing.material == "wood":
        streaks = value_noise(rng, (height, width), (roofing.course * 1.2, 2.5), octaves=1)
        factor += 0.11 * streaks
    if roofing.material in {"slate", "clay"}:
        factor += 0.05 * value_noise(rng, (height, width), roofing.course * 0.3, octaves=2)
    factor += np.float32(rng.uniform(0.02, 0.08)) * value_noise(
        rng, (height, width), max(height, width) * 0.16, octaves=2
    )
    canvas *= factor[:, :, None]
