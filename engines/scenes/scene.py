"""A drawn photo and the exact truth about it.

Every scene is a pure function of its seed: the same seed and size give the same
pixels, so a data set is named by its seeds and needs no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Box:
    """One object: its class and where it is, in pixels of the photo, x to the right and y down.

    ``brand`` is set for shingle bundles only.
    """

    name: str
    x_min: float
    y_min: float
    x_max: float
    y_max: float
    brand: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo of one engine's subject with its ground truth.

    pixels: ``(height, width, 3)`` RGB.
    boxes: every object a detector is to find, whole or cut by the frame.
    height_map: metres above ground seen by each pixel, ``(height, width)``; piles only.
    volume_m3: cubic metres of loose material above ground; piles only.
    """

    engine: str
    seed: int
    pixels: Pixels
    boxes: tuple[Box, ...] = ()
    height_map: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    volume_m3: float | None = None
