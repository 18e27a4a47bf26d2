"""Loose material on flat ground: a heightfield whose cubic metres are known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from engines.scenes.pinhole import Plane
from engines.scenes.surfaces import Field, wrapped_noise

GRID = 224
# Angles of repose, degrees: how steep each material stands.
REPOSE = {"gravel": (33.0, 39.0), "sand": (29.0, 35.0), "soil": (32.0, 42.0), "mulch": (34.0, 44.0)}
# Half the grid's side in units of the heap's reach: leaves room for its shadow.
_MARGIN = 1.45


@dataclass(frozen=True, slots=True)
class Heap:
    """Heights in metres over a square grid, zero at its border.

    ``heights[row, column]`` stands at ``(x_m + column * cell_m, y_m + row * cell_m)``; between grid
    points the surface is bilinear.
    """

    material: str
    heights: Field
    x_m: float
    y_m: float
    cell_m: float

    @property
    def volume_m3(self) -> float:
        """The integral of the bilinear surface: exact, because the border is zero."""
        return float(self.heights.sum(dtype=np.float64)) * self.cell_m**2

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the grid, metres."""
        half = (GRID - 1) / 2 * self.cell_m
        return self.x_m + half, self.y_m + half

    @property
    def reach_m(self) -> float:
        """How far from the middle material lies."""
        rows, columns = np.nonzero(self.heights > 0)
        middle = (GRID - 1) / 2
        return float(np.hypot(rows - middle, columns - middle).max()) * self.cell_m

    def moved(self, x: float, y: float) -> Heap:
        """The same heap with its middle at ``(x, y)``."""
        half = (GRID - 1) / 2 * self.cell_m
        return Heap(self.material, self.heights, x - half, y - half, self.cell_m)

    def sampled(self, layer: Field, x: Plane, y: Plane) -> Plane:
        """A layer of this heap's grid (such as its heights) at points in metres; bilinear."""
        last = np.float32(GRID - 1.001)
        column = np.clip((x - np.float32(self.x_m)) / np.float32(self.cell_m), 0, last)
        row = np.clip((y - np.float32(self.y_m)) / np.float32(self.cell_m), 0, last)
        left, top = column.astype(np.int32), row.astype(np.int32)
        right_share, low_share = column - left, row - top
        flat, index = layer.ravel(), top * GRID + left
        upper = flat[index] + (flat[index + 1] - flat[index]) * right_share
        index += GRID
        lower = flat[index] + (flat[index + 1] - flat[index]) * right_share
        blended: Plane = upper + (lower - upper) * low_share
        return blended


def cone(material: str, radius_m: float, height_m: float) -> Heap:
    """A plain cone, whose volume is known from school: pi r^2 h / 3."""
    x, y = _unit_grid()
    heights = np.clip(1 - np.hypot(x, y), 0, None) * np.float32(height_m)
    cell = 2 * _MARGIN * radius_m / (GRID - 1)
    return Heap(material, heights, 0.0, 0.0, cell).moved(0.0, 0.0)


def heap_of(rng: np.random.Generator, material: str, volume_m3: float) -> Heap:
    """One to four tipped loads run together, lumpy, some flattened; of exactly this volume."""
    slope = float(np.tan(np.radians(rng.uniform(*REPOSE[material]))))
    x, y = _unit_grid()
    wobble = wrapped_noise(rng, GRID, (5, 10)) * np.float32(rng.uniform(0.02, 0.07))
    heights = np.zeros((GRID, GRID), np.float32)
    loads = int(rng.choice([1, 2, 3, 4], p=[0.45, 0.25, 0.18, 0.12]))
    along = rng.uniform(0, np.pi)
    for _ in range(loads):
        size = rng.uniform(0.6, 1.0) if loads > 1 else 1.0
        away = rng.uniform(-1, 1) * (1 - size) if loads == 1 else rng.uniform(-0.55, 0.55)
        stretch, turn = rng.uniform(0.75, 1.0), rng.uniform(0, np.pi)
        dx, dy = x - np.cos(along) * away, y - np.sin(along) * away
        across = (np.cos(turn) * dx + np.sin(turn) * dy) / stretch
        lengthwise = np.cos(turn) * dy - np.sin(turn) * dx
        # A rounded tip: sqrt(d^2 + e^2) in place of d.
        distance = np.sqrt(across**2 + lengthwise**2 + np.float32(rng.uniform(0.02, 0.15) ** 2))
        heights = np.maximum(heights, (size * 0.8 - distance + wobble) * np.float32(slope))
    lumps = wrapped_noise(rng, GRID, (12, 24, 48)) * np.float32(rng.uniform(0.004, 0.016))
    heights += lumps * np.clip(heights * 12, 0, 1)
    if rng.random() < 0.25:
        heights = np.minimum(heights, heights.max() * rng.uniform(0.6, 0.85) + lumps)
    heights[np.hypot(x, y) > _MARGIN * 0.97] = 0
    heights = np.clip(heights, 0, None).astype(np.float32)
    unit_cell = 2 * _MARGIN / (GRID - 1)
    scale = (volume_m3 / (float(heights.sum(dtype=np.float64)) * unit_cell**2)) ** (1 / 3)
    heap = Heap(material, heights * np.float32(scale), 0.0, 0.0, unit_cell * scale)
    return heap.moved(0.0, 0.0)


def _unit_grid() -> tuple[Field, Field]:
    axis = np.linspace(-_MARGIN, _MARGIN, GRID, dtype=np.float32)
    return axis[None, :], axis[:, None]


def sunlight(heap: Heap, towards: npt.NDArray[np.float64]) -> tuple[Field, Field]:
    """Two layers of the heap's grid: the cosine between surface and sun, 0 in shadow; upness."""
    rise_y, rise_x = np.gradient(heap.heights, heap.cell_m)
    length = np.sqrt(rise_x**2 + rise_y**2 + 1)
    facing = (towards[2] - rise_x * towards[0] - rise_y * towards[1]) / length
    tallest = float(heap.heights.max())
    level = float(np.hypot(towards[0], towards[1]))
    tangent = float(towards[2]) / max(level, 1e-6)
    # March towards the sun in steps of one cell until nothing can stand in its way.
    steps = min(int(tallest / max(tangent, 0.05) / heap.cell_m) + 2, GRID)
    excess = np.full_like(heap.heights, -1e3)
    for step in range(1, steps, 2):
        shift_x = round(float(towards[0]) / level * step)
        shift_y = round(float(towards[1]) / level * step)
        drop = np.hypot(shift_x, shift_y) * heap.cell_m * tangent
        nearer = np.roll(heap.heights, (-shift_y, -shift_x), (0, 1)) - np.float32(drop)
        np.maximum(excess, nearer - heap.heights, out=excess)
    open_sky = 1 - np.clip(excess / (heap.cell_m * 2), 0, 1)
    lit = np.clip(facing, 0, None) * open_sky
    return _blurred(lit, 0.7), (1 / length).astype(np.float32)


def cover(heap: Heap, rng: np.random.Generator) -> Field:
    """Where material hides the ground, 0 or 1 on the grid: the heap and what has rolled off it."""
    solid = (heap.heights > 0.01 * heap.heights.max()).astype(np.float32)
    scattered = _blurred(solid, 5) + 0.3 * wrapped_noise(rng, GRID, (30, 60, 90)) > 0.55
    return np.maximum(scattered, solid).astype(np.float32)


def _blurred(layer: Field, radius: float) -> Field:
    """A layer in 0..1 smoothed, in 256 steps."""
    steps = Image.fromarray((np.clip(layer, 0, 1) * 255).astype(np.uint8))
    smooth = np.asarray(steps.filter(ImageFilter.GaussianBlur(radius)), np.float32)
    shares: Field = smooth / np.float32(255)
    return shares
