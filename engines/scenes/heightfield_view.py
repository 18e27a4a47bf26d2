"""Which point of a heap each pixel sees, without a ray marched per pixel.

The grid's rows are lines across the view. Projected near to far they rise in the photo, and a row
shows only where it rises above all nearer ones: the floating horizon of Wright (1973), here with
one interpolation per grid row and one per pixel column. It needs a camera without roll.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engines.scenes.heaps import GRID, Heap
from engines.scenes.pinhole import Camera, Plane


@dataclass(frozen=True, slots=True)
class View:
    """For each pixel: whether its ray meets the heap's grid, and there x, y and height, metres."""

    meets: npt.NDArray[np.bool_]
    x: Plane
    y: Plane
    height: Plane


def view_of(heap: Heap, camera: Camera) -> View:
    """What the camera sees of the heap and the ground under its grid."""
    if camera.roll:
        raise ValueError("the floating horizon needs a camera without roll")
    rows = _row_seen(_projected_rows(heap, camera), camera.height)
    meets = ~np.isnan(rows)
    y = np.float32(heap.y_m) + np.nan_to_num(rows) * np.float32(heap.cell_m)
    ray_x, ray_y, _ = camera.rays()
    x = y / np.maximum(ray_y, np.float32(1e-3)) * ray_x
    right = heap.x_m + (GRID - 1) * heap.cell_m
    meets &= (x > heap.x_m) & (x < right)
    height = np.where(meets, heap.sampled(heap.heights, x, y), np.float32(0))
    return View(meets=meets, x=x, y=y, height=height)


def _projected_rows(heap: Heap, camera: Camera) -> npt.NDArray[np.float64]:
    """The photo row at which each grid row lies, ``(GRID, width)``; near rows first."""
    x = heap.x_m + np.arange(GRID) * heap.cell_m
    y = heap.y_m + np.arange(GRID) * heap.cell_m
    points = np.stack(
        [np.broadcast_to(x, (GRID, GRID)), np.broadcast_to(y[:, None], (GRID, GRID)), heap.heights],
        axis=-1,
    )
    pixels = camera.project(points)
    columns = np.arange(camera.width) + 0.5
    across = np.maximum.accumulate(pixels[..., 0], axis=1)
    return np.stack([np.interp(columns, u, v) for u, v in zip(across, pixels[..., 1], strict=True)])


def _row_seen(projected: npt.NDArray[np.float64], height: int) -> Plane:
    """The grid row (with a fraction) that each pixel sees, NaN where it sees none of them."""
    horizon = np.minimum.accumulate(projected, axis=0)[::-1]
    numbers = np.arange(GRID)[::-1].astype(np.float64)
    pixels = np.arange(height) + 0.5
    seen = np.empty((projected.shape[1], height), np.float32)
    for column in range(projected.shape[1]):
        seen[column] = np.interp(
            pixels, horizon[:, column], numbers, left=float("nan"), right=float("nan")
        )
    return np.ascontiguousarray(seen.T)
