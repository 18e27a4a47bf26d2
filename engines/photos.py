"""An encoded photo to the padded square that a network reads, the way the serving path does it.

Same steps as ``model_repository/preprocess``: a reduced-scale JPEG decode, one resize, padding at
the right and the bottom. Training and evaluation go through here, so that a network never meets
pixels in service that were made otherwise than those it learnt from.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from engines.contract import PADDING
from engines.scenes.scene import Pixels


@dataclass(frozen=True, slots=True)
class Square:
    """A photo in its square: ``scale`` is square pixels for one photo pixel, ``extent`` the
    photo's (width, height) inside the square."""

    pixels: Pixels
    scale: float
    extent: tuple[int, int]


def letterbox(encoded: bytes, side: int) -> Square:
    """Decode a photo, turn it upright and fit it into a square of ``side`` pixels."""
    with Image.open(io.BytesIO(encoded)) as image:
        width, height = image.size
        scale = side / max(width, height)
        fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
        image.draft(None, fitted)
        exif = image.getexif()
        small = image.resize(fitted, Image.Resampling.BILINEAR, reducing_gap=2.0)
        small.getexif().update(exif)
        small = ImageOps.exif_transpose(small).convert("RGB")
    square = np.full((side, side, 3), PADDING, np.uint8)
    square[: small.height, : small.width] = np.asarray(small)
    return Square(square, scale, (small.width, small.height))
