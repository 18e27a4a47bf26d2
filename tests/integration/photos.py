"""Photos with known truth, and photos with known faults."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

from PIL import Image

from engines.scenes import piles, roofs, sites
from engines.scenes.scene import Scene

SIZE = (800, 600)
DRAW = {"damage": roofs.draw, "materials": sites.draw, "volume": piles.draw}
ORIENTATION_TAG = 0x0112
# What a camera held sideways stores: the upright scene turned so that the tag turns it back.
STORED = {
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
    3: Image.Transpose.ROTATE_180,
}


@cache
def scene(engine: str, seed: int = 1) -> Scene:
    """The first scene from ``seed`` on that holds something for its engine to find."""
    while True:
        drawn = DRAW[engine](seed, SIZE)
        if drawn.boxes or drawn.volume_m3:
            return drawn
        seed += 1


@cache
def photo_of(engine: str, *, quality: int = 90) -> bytes:
    return encoded(Image.fromarray(scene(engine).pixels), quality=quality)


@cache
def turned(engine: str, orientation: int) -> bytes:
    """The same scene as a camera held sideways stores it."""
    image = Image.fromarray(scene(engine).pixels).transpose(STORED[orientation])
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return encoded(image, quality=90, exif=exif)


def encoded(image: Image.Image, *, quality: int, exif: Image.Exif | None = None) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, exif=exif or Image.Exif())
    return buffer.getvalue()


@cache
def small_photo() -> bytes:
    """A few hundred bytes that every engine can look at."""
    return encoded(Image.new("RGB", (64, 48), (90, 110, 130)), quality=80)


def truncated() -> bytes:
    """A sound head, and half of the pixels."""
    photo = photo_of("damage")
    return photo[: len(photo) // 2]


def bomb(width: int = 100_000, height: int = 100_000) -> bytes:
    """A well-formed PNG of a few kilobytes that would unfold to ``width`` x ``height``."""
    return png(width, height, zlib.compress(b"\0" * 4_000_000, 9))


def too_many_pixels(limit: int) -> bytes:
    """A PNG of one row of pixels too many, small in bytes."""
    width = 4096
    height = limit // width + 1
    rows = zlib.compress((b"\0" + b"\x7f" * width) * height, 9)
    return png(width, height, rows)


def jpeg_of(limit: int) -> bytes:
    """A JPEG of one row of pixels too many."""
    return encoded(Image.new("L", (4096, limit // 4096 + 1), 90), quality=50)


def many_scans(size: int = 2800, scans: int = 600) -> bytes:
    """A small progressive JPEG whose last scan is repeated: each passes over the whole frame."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), "grey").save(buffer, "JPEG", progressive=True)
    photo = buffer.getvalue()
    last = photo.rindex(b"\xff\xda")
    return photo[:last] + photo[last:-2] * scans + photo[-2:]


def deep_png(size: int = 7000) -> bytes:
    """A grey PNG of 16 bits, small in bytes."""
    rows = zlib.compress(b"\0" * ((2 * size + 1) * size), 1)
    return png(size, size, rows, bits=16)


def too_many_bytes(limit: int) -> bytes:
    """A sound photo of more than ``limit`` bytes: what follows its end is no picture."""
    photo = small_photo()
    return photo + b"\0" * (limit + 1 - len(photo))


def png(width: int, height: int, pixels: bytes, *, bits: int = 8) -> bytes:
    """Grey."""
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
