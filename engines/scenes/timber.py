"""Skins of wood and of the clutter of a site: plywood, planks, pallets, blocks, bricks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from engines.scenes.solids import Skin
from engines.scenes.textures import Colour, ellipse, value_noise

_SHEET_PX = (480, 240)
_PLY_PX = 6
# Skins are kept once drawn: scenes share them and differ in light.
_VARIANTS = 16


def plywood_skin(sheets: int, rng: np.random.Generator) -> Skin:
    """A stack of ``sheets`` plywood sheets: grain on top, the plies' stripes at the edges."""
    top, tone = _sheet(int(rng.integers(_VARIANTS)))
    sprayed = rng.random() < 0.3
    side = _edges(sheets, _SHEET_PX[0], tone, rng)
    end = _edges(sheets, _SHEET_PX[1], tone, rng)
    if sprayed:
        paint = np.asarray(rng.permutation([176.0, 52.0, 44.0]), np.float32)
        side, end = (Image.blend(edge, _flat(edge.size, paint), 0.45) for edge in (side, end))
    return Skin(top=top, side=side, end=end)


@lru_cache(maxsize=_VARIANTS)
def _sheet(variant: int) -> tuple[Image.Image, npt.NDArray[np.float32]]:
    """A sheet from above and its mean colour; not to be drawn upon."""
    rng = np.random.default_rng([11, variant])
    tone = np.asarray([206, 166, 112], np.float32) * np.float32(rng.uniform(0.85, 1.1))
    tone *= np.asarray([1, rng.uniform(0.95, 1.05), rng.uniform(0.88, 1.08)], np.float32)
    top = _grained(_SHEET_PX, tone, rng, streak=40)
    _knots(top, tone, rng)
    if rng.random() < 0.6:
        _stamp(top, rng)
    return top, tone


def plank_skin(rng: np.random.Generator) -> Skin:
    """Sawn softwood, fresh or grey with age."""
    return _plank_skin(int(rng.integers(_VARIANTS)))


@lru_cache(maxsize=_VARIANTS)
def _plank_skin(variant: int) -> Skin:
    rng = np.random.default_rng([12, variant])
    fresh, old = np.asarray([202, 164, 110]), np.asarray([140, 130, 116])
    tone = (fresh + (old - fresh) * rng.random()).astype(np.float32)
    length = _grained((200, 40), tone, rng, streak=30)
    end = _grained((40, 40), tone * np.float32(0.9), rng, streak=3)
    return Skin(top=length, side=length, end=end)


def block_skin(rng: np.random.Generator) -> Skin:
    """A concrete block or a stack of bricks."""
    return _block_skin(int(rng.integers(_VARIANTS)))


@lru_cache(maxsize=_VARIANTS)
def _block_skin(variant: int) -> Skin:
    rng = np.random.default_rng([13, variant])
    grey = rng.random() < 0.6
    base = [150, 149, 145] if grey else [158, 84, 62]
    tone = np.asarray(base, np.float32) * np.float32(rng.uniform(0.85, 1.1))
    faces = [_grained((120, 60), tone, rng, streak=1) for _ in range(3)]
    draw = ImageDraw.Draw(faces[0])
    if grey:
        draw.rectangle((14, 14, 52, 46), fill=(58, 57, 56))
        draw.rectangle((68, 14, 106, 46), fill=(58, 57, 56))
    else:
        for face in faces:
            pen = ImageDraw.Draw(face)
            for line in (20, 40):
                pen.line((0, line, 120, line), fill=(96, 60, 48), width=2)
            pen.line((60, 0, 60, 60), fill=(96, 60, 48), width=2)
    return Skin(top=faces[0], side=faces[1], end=faces[2])


def plain_skin(colour: Colour, rng: np.random.Generator) -> Skin:
    """One painted or moulded colour, a little uneven."""
    tone = np.asarray(colour, np.float32)
    faces = [_grained((80, 60), tone, rng, streak=1) for _ in range(3)]
    return Skin(top=faces[0], side=faces[1], end=faces[2])


def _grained(
    extent: tuple[int, int], tone: npt.NDArray[np.float32], rng: np.random.Generator, *, streak: int
) -> Image.Image:
    """A colour with noise drawn out along x, as grain runs."""
    shape = (extent[1], extent[0])
    fine = value_noise(rng, shape, (2.5, 2.5 * streak), octaves=1)
    run = extent[0] / 2 if streak > 1 else extent[1] / 5
    broad = value_noise(rng, shape, (extent[1] / 5, run), 2)
    light = 1 + 0.06 * fine + 0.07 * broad
    return Image.fromarray(np.clip(light[..., None] * tone, 0, 255).astype(np.uint8))


def _flat(extent: tuple[int, int], tone: npt.NDArray[np.float32]) -> Image.Image:
    red, green, blue = (int(channel) for channel in tone)
    return Image.new("RGB", extent, (red, green, blue))


def _knots(top: Image.Image, tone: npt.NDArray[np.float32], rng: np.random.Generator) -> None:
    draw = ImageDraw.Draw(top)
    for _ in range(int(rng.integers(2, 9))):
        centre = (rng.uniform(0.03, 0.97) * top.width, rng.uniform(0.06, 0.94) * top.height)
        wide = rng.uniform(4, 11)
        for size, light in ((1.0, 0.78), (0.6, 0.6)):
            outline = ellipse(centre, (wide * size, wide * size * 0.5))
            red, green, blue = (int(channel * light) for channel in tone)
            draw.polygon([(float(x), float(y)) for x, y in outline], fill=(red, green, blue))


def _stamp(top: Image.Image, rng: np.random.Generator) -> None:
    """The mill's grade stamp; says nothing about a brand."""
    draw = ImageDraw.Draw(top)
    text = ("CDX 18", "EXT 15", "BCX 12", "STURD-I")[int(rng.integers(4))]
    place = (rng.uniform(0.2, 0.7) * top.width, rng.uniform(0.2, 0.7) * top.height)
    draw.text(place, text, font=ImageFont.load_default(26), fill=(96, 66, 44))


def _edges(
    sheets: int, length_px: int, tone: npt.NDArray[np.float32], rng: np.random.Generator
) -> Image.Image:
    """Five plies a sheet, light and dark in turn, a dark gap between sheets."""
    rows = []
    for _ in range(sheets):
        sheet = rng.uniform(0.86, 1.08)
        rows += [sheet * light for light in (1.05, 0.72, 1.0, 0.72, 1.05)] + [0.38]
    light = np.repeat(np.asarray(rows, np.float32), _PLY_PX if sheets < 6 else _PLY_PX // 2)
    noise = value_noise(rng, (light.size, length_px), (3, 30), 1)
    picture = (light[:, None] * (1 + 0.08 * noise))[..., None] * tone
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
