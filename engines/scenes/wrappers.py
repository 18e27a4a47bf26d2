"""The printed wrappers of the three fictitious shingle brands.

Each brand has its own colours, bands and mark: ``northgate`` blue with a white band and an arrow
in a disc, ``ridgeline`` green with yellow ridges, ``stormcrest`` red with dark slanted bars and a
bolt. Each is sold in a full-colour and in a pale wrapper. The ends are open and show the shingles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engines.contract import BRANDS
from engines.scenes.solids import Skin
from engines.scenes.textures import value_noise

Ink = tuple[int, int, int]

# Wrappers are kept once printed: scenes share them and differ in light.
_VARIANTS = 12
_LENGTH_PX, _WIDTH_PX, _HEIGHT_PX = 640, 224, 112


@dataclass(frozen=True, slots=True)
class Print:
    """The inks of one wrapper: what covers it, what is printed on it, what marks it."""

    base: Ink
    ink: Ink
    accent: Ink


_PRINTS: dict[str, tuple[Print, Print]] = {
    "northgate": (
        Print((22, 64, 150), (245, 247, 250), (22, 64, 150)),
        Print((228, 232, 238), (22, 64, 150), (240, 243, 248)),
    ),
    "ridgeline": (
        Print((24, 112, 62), (250, 206, 40), (250, 206, 40)),
        Print((226, 224, 206), (24, 112, 62), (226, 176, 24)),
    ),
    "stormcrest": (
        Print((196, 44, 30), (248, 244, 240), (40, 34, 36)),
        Print((206, 206, 208), (190, 38, 26), (52, 46, 48)),
    ),
}
_SHINGLES: tuple[Ink, ...] = ((66, 64, 66), (96, 78, 62), (112, 106, 98), (84, 56, 48))


def bundle_skin(brand: str, rng: np.random.Generator) -> Skin:
    """One bundle's wrapper, worn and dusty by chance; half of them turned end for end."""
    return _bundle_skin(brand, int(rng.integers(_VARIANTS)))


@lru_cache(maxsize=_VARIANTS * len(BRANDS))
def _bundle_skin(brand: str, variant: int) -> Skin:
    rng = np.random.default_rng([BRANDS.index(brand), variant])
    printed = _PRINTS[brand][int(rng.random() < 0.25)]
    top = _panel(brand, printed, (_LENGTH_PX, _WIDTH_PX))
    side = _panel(brand, printed, (_LENGTH_PX, _HEIGHT_PX))
    if rng.random() < 0.5:
        top = top.transpose(Image.Transpose.ROTATE_180)
    wear = rng.uniform(0.3, 1.0)
    shingle = _SHINGLES[int(rng.integers(len(_SHINGLES)))]
    end = _open_end(shingle, printed, rng)
    return Skin(top=_worn(top, rng, wear), side=_worn(side, rng, wear * 0.7), end=end)


def _panel(brand: str, printed: Print, extent: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", extent, printed.base)
    draw = ImageDraw.Draw(image)
    designs: dict[str, Callable[[ImageDraw.ImageDraw, Print, tuple[int, int]], None]] = {
        "northgate": _northgate,
        "ridgeline": _ridgeline,
        "stormcrest": _stormcrest,
    }
    designs[brand](draw, printed, extent)
    draw.rectangle((0, 0, extent[0] - 1, extent[1] - 1), outline=_darker(printed.base), width=4)
    return image


def _northgate(draw: ImageDraw.ImageDraw, printed: Print, extent: tuple[int, int]) -> None:
    wide, tall = extent
    draw.rectangle((0, tall * 0.26, wide, tall * 0.74), fill=printed.ink)
    span = (wide * 0.29, wide * 0.81)
    _word(draw, "NORTHGATE", span, tall * 0.5, size=tall * 0.36, ink=printed.accent)
    radius = tall * 0.36
    for x in (wide * 0.14, wide * 0.94):
        y = tall * 0.5
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=printed.ink)
        inner = radius * 0.84
        draw.ellipse((x - inner, y - inner, x + inner, y + inner), fill=printed.accent)
        arrow = [(0.0, -0.7), (0.52, 0.1), (0.18, 0.1), (0.18, 0.65), (-0.18, 0.65), (-0.18, 0.1)]
        arrow.append((-0.52, 0.1))
        draw.polygon([(x + dx * radius, y + dy * radius) for dx, dy in arrow], fill=printed.ink)


def _ridgeline(draw: ImageDraw.ImageDraw, printed: Print, extent: tuple[int, int]) -> None:
    wide, tall = extent
    peaks = 7
    points: list[tuple[float, float]] = [(0, tall)]
    for step in range(2 * peaks + 1):
        height = 0.58 if step % 2 else 0.92
        points.append((wide * step / (2 * peaks), tall * height))
    draw.polygon([*points, (wide, tall)], fill=printed.accent)
    draw.rectangle((0, tall * 0.06, wide, tall * 0.12), fill=printed.accent)
    span = (wide * 0.29, wide * 0.97)
    _word(draw, "RIDGELINE", span, tall * 0.36, size=tall * 0.36, ink=printed.ink)
    x, y, reach = wide * 0.14, tall * 0.52, tall * 0.36
    draw.polygon([(x - reach, y), (x - reach * 0.2, y - reach), (x + reach, y)], fill=printed.ink)
    snow = [(-0.46, -0.66), (-0.2, -1.0), (0.16, -0.7), (-0.14, -0.5)]
    draw.polygon([(x + dx * reach, y + dy * reach) for dx, dy in snow], fill=(250, 250, 250))


def _stormcrest(draw: ImageDraw.ImageDraw, printed: Print, extent: tuple[int, int]) -> None:
    wide, tall = extent
    for start in (-0.16, -0.06, 0.79, 0.89, 0.99):
        left, slant, bar = wide * start, tall * 0.4, wide * 0.05
        draw.polygon(
            [(left + slant, 0), (left + slant + bar, 0), (left + bar, tall), (left, tall)],
            fill=printed.accent,
        )
    radius, x, y = tall * 0.36, wide * 0.19, tall * 0.5
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=printed.ink)
    bolt = [(0.1, -0.85), (-0.5, 0.1), (-0.05, 0.1), (-0.2, 0.85), (0.5, -0.2), (0.05, -0.2)]
    draw.polygon([(x + dx * radius, y + dy * radius) for dx, dy in bolt], fill=printed.accent)
    span = (wide * 0.33, wide * 0.8)
    _word(draw, "STORMCREST", span, tall * 0.5, size=tall * 0.32, ink=printed.ink)


def _word(
    draw: ImageDraw.ImageDraw,
    text: str,
    span: tuple[float, float],
    y: float,
    *,
    size: float,
    ink: Ink,
) -> None:
    """Bold text in the middle of ``span``, as large as ``size`` and the span allow."""
    left, right = span
    widest = ImageFont.load_default(100).getlength(text) / 100 + 0.15
    size = max(min(size, (right - left) / widest), 8.0)
    font = ImageFont.load_default(size)
    draw.text(
        ((left + right) / 2, y), text, font=font, fill=ink, anchor="mm", stroke_width=size / 18
    )


def _open_end(shingle: Ink, printed: Print, rng: np.random.Generator) -> Image.Image:
    """Layers of shingles, with the wrapper's lip round them."""
    image = Image.new("RGB", (_WIDTH_PX, _HEIGHT_PX), printed.base)
    draw = ImageDraw.Draw(image)
    layers = 9
    for layer in range(layers):
        top = 6 + (_HEIGHT_PX - 12) * layer / layers
        shade = rng.uniform(0.75, 1.15)
        red, green, blue = (int(min(channel * shade, 255)) for channel in shingle)
        draw.rectangle(
            (6, top, _WIDTH_PX - 6, top + (_HEIGHT_PX - 12) / layers), fill=(red, green, blue)
        )
        draw.line((6, top, _WIDTH_PX - 6, top), fill=_darker((red, green, blue)), width=3)
    return image


def _worn(image: Image.Image, rng: np.random.Generator, wear: float) -> Image.Image:
    """Creases that catch the light, fading and dust."""
    shape = (image.height, image.width)
    creases = value_noise(rng, shape, (image.height / 5, image.width / 14), octaves=2)
    gleam = np.clip(np.abs(creases) * -2.5 + 0.35, 0, 1)[..., None]
    dust = np.clip(value_noise(rng, shape, image.height / 3, octaves=3), 0, 1)[..., None]
    pixels = np.asarray(image, np.float32)
    pixels = pixels * (1 + 0.10 * wear * creases[..., None])
    pixels = pixels + (235 - pixels) * gleam * np.float32(0.22 * wear)
    pixels = pixels + (np.asarray([150, 134, 112], np.float32) - pixels) * dust * np.float32(
        0.40 * wear
    )
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _darker(ink: Ink) -> Ink:
    red, green, blue = (channel // 2 for channel in ink)
    return red, green, blue


def any_brand(rng: np.random.Generator) -> str:
    """One of the contract's brands."""
    return BRANDS[int(rng.integers(len(BRANDS)))]
