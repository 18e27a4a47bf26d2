"""Noise, soft shapes, light and the camera's own faults: what every drawn photo is made with.

Canvases are FLOAT32 ``(height, width, 3)`` in 0..255 and are changed in place; nothing here knows
what a roof or a pile is. numpy and Pillow only.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from engines.scenes.scene import Pixels

Canvas = npt.NDArray[np.float32]
Field = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
Colour = tuple[float, float, float] | npt.NDArray[np.float32]

_BICUBIC = Image.Resampling.BICUBIC


def value_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cell: float | tuple[float, float],
    octaves: int = 1,
) -> Field:
    """Smooth noise of mean 0 and about -1..1, ``(height, width)``.

    ``cell`` is the size of one bump in pixels, or (height, width) of it for streaks. Each further
    octave halves the bump and the strength.
    """
    height, width = shape
    cell_y, cell_x = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros(shape, np.float32)
    strength = 1.0
    for _ in range(octaves):
        rows = max(2, round(height / max(cell_y, 1.0)) + 1)
        columns = max(2, round(width / max(cell_x, 1.0)) + 1)
        grid = rng.random((rows, columns), np.float32) * 2.0 - 1.0
        image = Image.fromarray(grid).resize((width, height), _BICUBIC)
        total += strength * np.asarray(image, np.float32)
        strength *= 0.5
        cell_y, cell_x = cell_y / 2.0, cell_x / 2.0
    return total


def grain(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """White noise of mean 0 and deviation 1, one value for each pixel."""
    # A tile repeated at random offsets per band is far cheaper than a draw per pixel.
    height, width = shape
    tile = rng.standard_normal((min(height, 256), width), np.float32)
    bands = [
        np.roll(tile, int(rng.integers(width)), axis=1) for _ in range(-(-height // tile.shape[0]))
    ]
    return np.concatenate(bands)[:height]


def light_gradient(
    rng: np.random.Generator, shape: tuple[int, int], strength: float = 0.2
) -> Field:
    """A factor for each pixel around 1: light falling off in one random direction."""
    height, width = shape
    angle = rng.uniform(0.0, 2.0 * np.pi)
    rows = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    slope: Field = 1.0 + strength * (
        np.float32(np.sin(angle)) * rows + np.float32(np.cos(angle)) * columns
    )
    return slope.astype(np.float32)


def polygon_mask(
    points: npt.ArrayLike, shape: tuple[int, int], *, blur: float = 0.0
) -> tuple[slice, slice, Field] | None:
    """A polygon as (row slice, column slice, mask 0..1 of that window); None outside the canvas.

    ``points`` are (x, y) in canvas pixels; ``blur`` is the softness of the edge in pixels. The
    edge is antialiased.
    """
    corners = np.asarray(points, np.float64)
    margin = int(np.ceil(2.5 * blur)) + 1
    x0, y0 = np.floor(corners.min(axis=0)).astype(int) - margin
    x1, y1 = np.ceil(corners.max(axis=0)).astype(int) + margin + 1
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x1, shape[1]), min(y1, shape[0])
    if left >= right or top >= bottom:
        return None
    zoom = 2 if (right - left) * (bottom - top) < 400_000 else 1
    image = Image.new("L", ((right - left) * zoom, (bottom - top) * zoom), 0)
    local = ((corners - (left, top) + 0.5) * zoom).ravel().tolist()
    ImageDraw.Draw(image).polygon(local, fill=255)
    if zoom > 1:
        image = image.reduce(zoom)
    if blur > 0.0:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    mask = np.asarray(image, np.float32) * (1.0 / 255.0)
    return slice(top, bottom), slice(left, right), mask


def fill(
    canvas: Canvas,
    points: npt.ArrayLike,
    colour: Colour | Canvas,
    *,
    opacity: float = 1.0,
    blur: float = 0.0,
) -> None:
    """Lay a colour, or a picture as large as the canvas, over a polygon."""
    window = polygon_mask(points, (canvas.shape[0], canvas.shape[1]), blur=blur)
    if window is None:
        return
    rows, columns, mask = window
    paint = np.asarray(colour, np.float32)
    if paint.ndim == 3:
        paint = paint[rows, columns]
    patch = canvas[rows, columns]
    patch += (mask * np.float32(opacity))[:, :, None] * (paint - patch)


def shade(canvas: Canvas, points: npt.ArrayLike, factor: float, *, blur: float = 0.0) -> None:
    """Multiply a polygon's light: below 1 is a shadow, above 1 a gleam."""
    window = polygon_mask(points, (canvas.shape[0], canvas.shape[1]), blur=blur)
    if window is None:
        return
    rows, columns, mask = window
    canvas[rows, columns] *= (1.0 + mask * np.float32(factor - 1.0))[:, :, None]


def ellipse(
    centre: tuple[float, float],
    radii: tuple[float, float],
    *,
    angle: float = 0.0,
    corners: int = 28,
) -> Points:
    """The points of an ellipse, ``(corners, 2)``."""
    turn = np.linspace(0.0, 2.0 * np.pi, corners, endpoint=False)
    x, y = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y], axis=1)


def rectangle(x_min: float, y_min: float, x_max: float, y_max: float) -> Points:
    """The corners of a rectangle, clockwise from the top left, ``(4, 2)``."""
    return np.array([(x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max)], np.float64)


def ragged(rng: np.random.Generator, points: npt.ArrayLike, amount: float, step: float) -> Points:
    """The same outline torn: a point about each ``step`` pixels, moved by up to ``amount``."""
    corners = np.asarray(points, np.float64)
    torn: list[Points] = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        count = max(1, round(float(np.hypot(*(end - start))) / max(step, 1.0)))
        share = np.arange(count)[:, None] / count
        line = start + share * (end - start)
        torn.append(line + rng.uniform(-amount, amount, line.shape))
    return np.concatenate(torn)


def expose(canvas: Canvas, rng: np.random.Generator, *, noise: float | None = None) -> Pixels:
    """The photo that a camera takes of a canvas: exposure, tint, vignette, blur, sensor noise.

    ``noise`` is the sensor's deviation in grey levels, drawn when not given.
    """
    height, width = canvas.shape[:2]
    gain = rng.uniform(0.82, 1.16)
    warmth = rng.uniform(-0.05, 0.06)
    tint = np.array([gain * (1 + warmth), gain, gain * (1 - warmth)], np.float32)
    rows = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None] ** 2
    columns = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :] ** 2
    vignette = 1.0 - np.float32(rng.uniform(0.0, 0.14)) * (rows + columns)
    sigma = rng.uniform(1.0, 5.0) if noise is None else noise
    seen = canvas * tint
    seen *= vignette[:, :, None]
    seen += (grain(rng, (height, width)) * np.float32(sigma))[:, :, None]
    np.clip(seen, 0.0, 255.0, out=seen)
    pixels = seen.astype(np.uint8)
    softness = rng.uniform(0.0, 0.00045) * max(height, width)
    if softness > 0.25:
        image = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(softness))
        pixels = np.asarray(image, np.uint8).copy()
    return pixels


def mix(
    first: Sequence[float], second: Sequence[float], share: float
) -> tuple[float, float, float]:
    """The colour ``share`` of the way from the first to the second."""
    red, green, blue = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return red, green, blue


def encode_jpeg(pixels: Pixels, quality: int = 88, *, orientation: int | None = None) -> bytes:
    """A JPEG file's bytes; ``orientation`` sets the EXIF tag and leaves the pixels as they are."""
    image = Image.fromarray(pixels)
    stream = io.BytesIO()
    if orientation is None:
        image.save(stream, "JPEG", quality=quality)
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(stream, "JPEG", quality=quality, exif=exif)
    return stream.getvalue()
