"""What grounds and loose materials look like from straight above: square tiles that repeat.

A tile is a pure function of its kind and variant and is kept once made, because hundreds of
scenes share it; each scene tints it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from engines.scenes.scene import Pixels

TILE_PX = 768
TILE_M = 3.0
VARIANTS = 4

Colour = tuple[float, float, float]
Field = npt.NDArray[np.float32]


def wrapped_noise(rng: np.random.Generator, size: int, octaves: Sequence[int]) -> Field:
    """Smooth noise around 0 (about -1..1) that repeats; ``octaves`` are cells per side."""
    total = np.zeros((size, size), np.float32)
    for rank, cells in enumerate(octaves):
        lattice = np.pad(rng.normal(size=(cells, cells)).astype(np.float32), 2, mode="wrap")
        scale = size / cells
        frame = (2 * scale, 2 * scale, 2 * scale + size, 2 * scale + size)
        grown = Image.fromarray(lattice).resize(
            (size, size), Image.Resampling.BICUBIC, box=_scaled_box(frame, scale)
        )
        total += np.asarray(grown) * np.float32(0.7**rank)
    spread: Field = total / np.float32(max(float(total.std()) * 2.0, 1e-6))
    return spread


def _scaled_box(
    frame: tuple[float, float, float, float], scale: float
) -> tuple[float, float, float, float]:
    left, top, right, bottom = (edge / scale for edge in frame)
    return left, top, right, bottom


def _shaded(base: Colour, *layers: tuple[Field, Colour]) -> Field:
    """A colour plus noise layers, each with its own amplitude per channel."""
    picture = np.empty((*layers[0][0].shape, 3), np.float32)
    picture[:] = base
    for noise, amplitude in layers:
        picture += noise[..., None] * np.asarray(amplitude, np.float32)
    return picture


def _quantised(picture: Field) -> Pixels:
    return np.clip(picture, 0, 255).astype(np.uint8)


def _stones(
    picture: Pixels,
    rng: np.random.Generator,
    *,
    count: int,
    radii_px: tuple[float, float],
    colours: Sequence[Colour],
    squash: float = 0.6,
) -> Pixels:
    """Lit lumps, small ones last, wrapped round the tile's edges."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    radii = np.sort(rng.uniform(*radii_px, count))[::-1]
    for radius in radii:
        x, y = rng.uniform(0, TILE_PX, 2)
        wide, tall = radius * rng.uniform(squash, 1.0), radius * rng.uniform(squash, 1.0)
        shade = rng.uniform(0.75, 1.15)
        colour = np.asarray(colours[int(rng.integers(len(colours)))]) * shade
        for ox in _wraps(x, radius):
            for oy in _wraps(y, radius):
                _stone(draw, x + ox, y + oy, wide=wide, tall=tall, colour=colour)
    return np.asarray(image)


def _wraps(position: float, radius: float) -> list[int]:
    shifts = [0]
    if position < 2 * radius:
        shifts.append(TILE_PX)
    if position > TILE_PX - 2 * radius:
        shifts.append(-TILE_PX)
    return shifts


def _stone(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    *,
    wide: float,
    tall: float,
    colour: npt.NDArray[np.float64],
) -> None:
    steps = ((0.35, 1.0, 0.45), (0.0, 1.0, 0.85), (-0.2, 0.62, 1.12))
    for shift, size, light in steps:
        cx, cy = x + shift * wide, y + shift * tall
        red, green, blue = np.clip(colour * light, 0, 255).astype(int).tolist()
        box = (cx - wide * size, cy - tall * size, cx + wide * size, cy + tall * size)
        draw.ellipse(box, fill=(red, green, blue))


def _strokes(
    picture: Pixels,
    rng: np.random.Generator,
    *,
    count: int,
    length_px: tuple[float, float],
    width_px: int,
    colours: Sequence[Colour],
) -> Pixels:
    """Straight strokes in all directions: blades of grass, chips of bark."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    starts = rng.uniform(0, TILE_PX, (count, 2))
    angles = rng.uniform(0, 2 * np.pi, count)
    lengths = rng.uniform(*length_px, count)
    shades = rng.uniform(0.6, 1.25, count)
    picks = rng.integers(0, len(colours), count)
    for (x, y), angle, length, shade, pick in zip(
        starts, angles, lengths, shades, picks, strict=True
    ):
        red, green, blue = (int(min(channel * shade, 255)) for channel in colours[int(pick)])
        reach = (np.cos(angle) * length, np.sin(angle) * length)
        for ox in _wraps(float(x), float(length)):
            for oy in _wraps(float(y), float(length)):
                line = (x + ox, y + oy, x + ox + reach[0], y + oy + reach[1])
                draw.line(line, fill=(red, green, blue), width=width_px)
    return np.asarray(image)


def _soil(rng: np.random.Generator) -> Pixels:
    clods = wrapped_noise(rng, TILE_PX, (6, 12, 24, 48, 96))
    grains = wrapped_noise(rng, TILE_PX, (128, 256))
    earth = _shaded((134, 106, 78), (clods, (15, 13, 11)), (grains, (16, 14, 11)))
    colours = [(135.0, 112, 88), (104.0, 82, 62), (150.0, 138, 120)]
    return _stones(
        _quantised(earth), rng, count=450, radii_px=(1.5, 7), colours=colours, squash=0.6
    )


def _gravel(rng: np.random.Generator) -> Pixels:
    bed = _shaded((92, 90, 86), (wrapped_noise(rng, TILE_PX, (32, 96)), (22, 22, 22)))
    colours = [(150.0, 147, 142), (128.0, 126, 124), (170.0, 164, 152), (112.0, 112, 116)]
    return _stones(_quantised(bed), rng, count=9000, radii_px=(3, 8.5), colours=colours)


def _sand(rng: np.random.Generator) -> Pixels:
    drifts = wrapped_noise(rng, TILE_PX, (5, 10, 20))
    grains = wrapped_noise(rng, TILE_PX, (192, 384))
    dunes = _shaded((199, 172, 126), (drifts, (12, 12, 11)), (grains, (15, 14, 12)))
    return _stones(_quantised(dunes), rng, count=90, radii_px=(1, 3.5), colours=[(168.0, 148, 116)])


def _mulch(rng: np.random.Generator) -> Pixels:
    bed = _shaded((62, 40, 27), (wrapped_noise(rng, TILE_PX, (24, 64, 128)), (20, 14, 10)))
    colours = [(118.0, 76, 46), (88.0, 54, 34), (142.0, 100, 64), (66.0, 42, 30)]
    return _strokes(
        _quantised(bed), rng, count=8000, length_px=(6, 22), width_px=4, colours=colours
    )


def _grass(rng: np.random.Generator) -> Pixels:
    patches = wrapped_noise(rng, TILE_PX, (5, 11, 23, 64))
    lawn = _shaded((72, 92, 44), (patches, (18, 18, 9)))
    colours = [(98.0, 124, 56), (78.0, 104, 44), (124.0, 138, 74), (60.0, 84, 38)]
    return _strokes(
        _quantised(lawn), rng, count=9000, length_px=(6, 16), width_px=2, colours=colours
    )


def _concrete(rng: np.random.Generator) -> Pixels:
    stains = wrapped_noise(rng, TILE_PX, (3, 6, 12))
    pores = wrapped_noise(rng, TILE_PX, (96, 192))
    slab = _shaded((168, 166, 160), (stains, (11, 11, 12)), (pores, (7, 7, 7)))
    joint = max(TILE_PX // 150, 2)
    slab[:joint] *= 0.55
    slab[:, :joint] *= 0.55
    return _quantised(slab)


_MAKERS: dict[str, Callable[[np.random.Generator], Pixels]] = {
    "soil": _soil,
    "gravel": _gravel,
    "sand": _sand,
    "mulch": _mulch,
    "grass": _grass,
    "concrete": _concrete,
}


@lru_cache(maxsize=len(_MAKERS) * VARIANTS)
def tile_of(kind: str, variant: int) -> tuple[Pixels, ...]:
    """The tile of one surface and its halved copies, largest first: ``(n, n, 3)`` each.

    ``kind``: soil, gravel, sand, mulch, grass or concrete. The tile spans ``TILE_M`` metres.
    """
    seed = [list(_MAKERS).index(kind), variant % VARIANTS]
    levels = [_MAKERS[kind](np.random.default_rng(seed))]
    while levels[-1].shape[0] > 3:
        levels.append(np.asarray(Image.fromarray(levels[-1]).reduce(2)))
    return tuple(levels)
