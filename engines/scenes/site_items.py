"""What lies about on a site, in groups that were put down together: bundles, plywood, clutter.

A group is drawn round its own origin and moved to its place afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from engines.scenes.solids import Cuboid, Skin
from engines.scenes.textures import mix
from engines.scenes.timber import block_skin, plain_skin, plank_skin, plywood_skin
from engines.scenes.wrappers import any_brand, bundle_skin

SHINGLE, PLYWOOD = "shingle", "plywood"
_SHEET_M = 0.018
_CLUTTER_COLOURS = ((196, 60, 44), (232, 178, 40), (60, 96, 150), (96, 98, 100), (60, 110, 70))


@dataclass(frozen=True, slots=True)
class Label:
    """What one counted object is."""

    name: str
    brand: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Cuboids put down together; ``part_of`` of each counts into ``labels``."""

    cuboids: tuple[Cuboid, ...]
    labels: tuple[Label, ...] = ()

    @property
    def radius_m(self) -> float:
        """Within which everything of an unmoved group stands."""
        corners = np.concatenate([cuboid.corners for cuboid in self.cuboids])
        return float(np.hypot(corners[:, 0], corners[:, 1]).max())

    def placed(self, x: float, y: float, yaw: float, *, first_label: int) -> tuple[Cuboid, ...]:
        """The cuboids turned and moved; their labels count on from ``first_label``."""
        cosine, sine = float(np.cos(yaw)), float(np.sin(yaw))
        moved = []
        for cuboid in self.cuboids:
            cx, cy, cz = cuboid.centre
            centre = (x + cosine * cx - sine * cy, y + sine * cx + cosine * cy, cz)
            part_of = cuboid.part_of + first_label if cuboid.part_of >= 0 else -1
            moved.append(replace(cuboid, centre=centre, yaw=cuboid.yaw + yaw, part_of=part_of))
        return tuple(moved)


@dataclass(frozen=True, slots=True)
class Trade:
    """What one site uses: the size of its bundles and the brands delivered."""

    bundle_m: tuple[float, float, float]
    brands: tuple[str, ...]


def trade_of(rng: np.random.Generator) -> Trade:
    """One to three brands; bundles of one size."""
    count = int(rng.choice([1, 2, 3], p=[0.3, 0.35, 0.35]))
    brands = tuple(any_brand(rng) for _ in range(count))
    size = (rng.uniform(0.92, 1.06), rng.uniform(0.32, 0.38), rng.uniform(0.13, 0.22))
    return Trade(bundle_m=size, brands=brands)


def _brand(trade: Trade, rng: np.random.Generator) -> str:
    return trade.brands[int(rng.integers(len(trade.brands)))]


def bundles(trade: Trade, rng: np.random.Generator) -> Group:
    """Bundles side by side, in one to three layers, some of them on a pallet.

    A group is of one brand or, one time in four, mixed.
    """
    length, width, height = trade.bundle_m
    columns = int(rng.choice([1, 2, 3, 4], p=[0.42, 0.27, 0.22, 0.09]))
    layers = int(rng.choice([1, 2, 3], p=[0.62, 0.26, 0.12]))
    on_pallet = columns > 1 and rng.random() < 0.45
    base = 0.0
    parts: list[Cuboid] = []
    if on_pallet:
        parts, base = _pallet(length * 1.06, columns * (width + 0.05) + 0.06, rng)
    mixed = rng.random() < 0.25
    brand = _brand(trade, rng)
    skin = bundle_skin(brand, rng)
    pitch = width + rng.uniform(0.035, 0.06 if on_pallet else 0.10)
    labels: list[Label] = []
    for layer in range(layers):
        for column in range(columns):
            if mixed:
                brand = _brand(trade, rng)
                skin = bundle_skin(brand, rng)
            centre = (
                float(rng.normal(0, 0.02)),
                (column - (columns - 1) / 2) * pitch,
                base + layer * height,
            )
            yaw = float(rng.uniform(-0.025, 0.025))
            parts.append(Cuboid(centre, trade.bundle_m, yaw, skin, part_of=len(labels)))
            labels.append(Label(SHINGLE, brand))
    return Group(tuple(parts), tuple(labels))


def _pallet(length: float, width: float, rng: np.random.Generator) -> tuple[list[Cuboid], float]:
    """Three runners and five boards; also the height of its deck."""
    skin = plank_skin(rng)
    runner, board = 0.09, 0.022
    parts = [
        Cuboid((0.0, y, 0.0), (length, 0.09, runner), 0.0, skin)
        for y in (-width / 2 + 0.045, 0.0, width / 2 - 0.045)
    ]
    parts += [
        Cuboid((float(x), 0.0, runner), (width, 0.11, board), np.pi / 2, skin)
        for x in np.linspace(-length / 2 + 0.06, length / 2 - 0.06, 5)
    ]
    return parts, runner + board


def plywood(rng: np.random.Generator) -> Group:
    """One stack: a single sheet up to thirty, in up to three lifts, some of it on bearers."""
    sheets = round(float(np.exp(rng.uniform(0.0, np.log(30)))))
    length, width = (2.44, 1.22) if rng.random() < 0.75 else (1.22, 1.22)
    parts: list[Cuboid] = []
    height = 0.0
    if sheets > 2 and rng.random() < 0.55:
        skin = plank_skin(rng)
        parts += [
            Cuboid((x, 0.0, 0.0), (width * 0.98, 0.09, 0.09), np.pi / 2, skin)
            for x in (-length * 0.36, 0.0, length * 0.36)
        ]
        height = 0.09
    lifts = 1 if sheets < 4 else int(rng.integers(1, 4))
    for share in np.array_split(np.arange(sheets), lifts):
        thickness = len(share) * _SHEET_M
        centre = (float(rng.normal(0, 0.025)), float(rng.normal(0, 0.02)), height)
        yaw = float(rng.normal(0, 0.012))
        skin = plywood_skin(len(share), rng)
        parts.append(Cuboid(centre, (length, width, thickness), yaw, skin, part_of=0))
        height += thickness
    return Group(tuple(parts), (Label(PLYWOOD),))


def clutter(rng: np.random.Generator) -> Group:
    """Something that is not to be counted: planks, blocks, an empty pallet, a chest."""
    makers: tuple[Callable[[np.random.Generator], list[Cuboid]], ...] = (
        _planks,
        _planks,
        _blocks,
        _empty_pallet,
        _chest,
    )
    return Group(tuple(makers[int(rng.integers(len(makers)))](rng)))


def _planks(rng: np.random.Generator) -> list[Cuboid]:
    parts = []
    offset = 0.0
    for _ in range(int(rng.integers(1, 5))):
        size = (float(rng.uniform(0.7, 2.6)), float(rng.uniform(0.07, 0.14)), 0.04)
        centre = (float(rng.normal(0, 0.15)), offset, 0.0)
        parts.append(Cuboid(centre, size, float(rng.uniform(-0.03, 0.03)), plank_skin(rng)))
        offset += size[1] + float(rng.uniform(0.09, 0.2))
    return parts


def _blocks(rng: np.random.Generator) -> list[Cuboid]:
    skin: Skin = block_skin(rng)
    size = (0.40, 0.20, 0.20)
    parts = []
    for column in range(int(rng.integers(1, 5))):
        for layer in range(int(rng.integers(1, 3))):
            centre = (float(rng.normal(0, 0.02)), column * 0.24, layer * size[2])
            parts.append(Cuboid(centre, size, float(rng.uniform(-0.06, 0.06)), skin))
    return parts


def _empty_pallet(rng: np.random.Generator) -> list[Cuboid]:
    return _pallet(float(rng.uniform(1.0, 1.3)), float(rng.uniform(0.8, 1.2)), rng)[0]


def _chest(rng: np.random.Generator) -> list[Cuboid]:
    colour = _CLUTTER_COLOURS[int(rng.integers(len(_CLUTTER_COLOURS)))]
    length, width, height = rng.uniform(0.35, 0.8), rng.uniform(0.28, 0.45), rng.uniform(0.25, 0.5)
    body = plain_skin(colour, rng)
    lid = plain_skin(mix(colour, (0.0, 0.0, 0.0), 0.3), rng)
    return [
        Cuboid((0.0, 0.0, 0.0), (length, width, height), 0.0, body),
        Cuboid((0.0, 0.0, height), (length * 1.03, width * 1.05, 0.06), 0.0, lid),
    ]
