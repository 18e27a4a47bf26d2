"""Reads format, width and height from the first bytes of a photo, and nothing else.

Three small parsers instead of a call to Pillow, for three reasons. Opening is not free
there: a WebP allocates its whole canvas, a PNG's compressed text is inflated, and a
JPEG of a million tiny segments is walked in Python, each of which lets a stranger hold
the event loop. Here every loop is bounded, nothing is allocated and no C code runs. And
a photo's size is read so strictly that a decoder cannot later see another one: a
second size in the same head is refused (a test compares with Pillow).

One thing is looked for behind the head: how many scans a JPEG has. Each passes over the
whole frame and may take a few bytes, so that they, not the pixels, can make decoding last
minutes.

Whether the pixels behind the head can be decoded is for the engines to find out.

Sources: ITU-T T.81 (JPEG), annex B; W3C PNG, 5 and 11; RFC 9649 (WebP), 2.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from control_plane.errors import ControlPlaneError, ErrorCode

SUPPORTED = "JPEG, PNG or WebP"

# Far above what a camera writes (a 4 MB colour profile takes 64 segments).
MAX_JPEG_SEGMENTS = 1024
MAX_PNG_CHUNKS = 512

# libjpeg's progressive script has 10; 50 million pixels in 24 scans take seconds already. The
# engines hold the same bound: model_repository/preprocess/1/model.py.
MAX_JPEG_SCANS = 24

_OTHER_FORMATS = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"8BPS", "PSD"),
)
_ISO_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")

_JPEG_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive, Huffman or arithmetic; the rest is lossless or
# hierarchical, which no browser and no engine decodes.
_JPEG_DECODABLE = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_JPEG_FRAME_BYTES = 11  # with one component
_JPEG_START_OF_SCAN = 0xDA
# Tables, application data and comments. Decoders disagree about what may follow any
# other marker, and where they disagree a second size can hide.
_JPEG_SKIPPED = frozenset({0xC4, 0xCC, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE})

_JPEG_END = 0xD9
_JPEG_WITHOUT_LENGTH = frozenset({0xD8, _JPEG_END})
# What ends a stretch of scan data: no stuffed 0, fill byte, TEM or restart.
_JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER_BYTES = 13


@dataclass(frozen=True, slots=True)
class PhotoHead:
    """What the head says. width and height are in pixels, as stored, and may be 0."""

    format: str
    width: int
    height: int


def read_head(photo: bytes) -> PhotoHead:
    """The head of an encoded photo. Raises ControlPlaneError(PHOTO_INVALID), nothing else."""
    try:
        if photo.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(photo)
        if photo.startswith(_PNG_SIGNATURE):
            return _read_png(photo)
        if photo[:4] == b"RIFF" and photo[8:12] == b"WEBP":
            return _read_webp(photo)
    except (struct.error, IndexError):
        raise invalid_photo("photo ends inside its header; it is truncated") from None
    raise invalid_photo(_describe_stranger(photo))


def has_too_many_scans(photo: bytes) -> bool:
    """Whether a JPEG has more than MAX_JPEG_SCANS scans (ITU-T T.81, B.1 and B.2).

    Counting the marker's bytes is quick and never too low; only what that leaves in doubt, a
    picture or a film behind the photo, is walked.
    """
    if photo.count(b"\xff\xda") <= MAX_JPEG_SCANS:
        return False
    scans, position = 0, 2
    while scans <= MAX_JPEG_SCANS and (found := _JPEG_MARKER.search(photo, position)):
        marker = photo[found.start() + 1]
        if marker == _JPEG_END:
            break
        scans += marker == _JPEG_START_OF_SCAN
        position = found.end()
        if marker not in _JPEG_WITHOUT_LENGTH:
            position += int.from_bytes(photo[position : position + 2], "big")
    return scans > MAX_JPEG_SCANS


def invalid_photo(message: str) -> ControlPlaneError:
    return ControlPlaneError(ErrorCode.PHOTO_INVALID, message, field="photo")


def _describe_stranger(photo: bytes) -> str:
    if not photo:
        return "photo is empty (0 bytes)"
    for magic, name in _OTHER_FORMATS:
        if photo.startswith(magic):
            return f"photo is a {name}; send {SUPPORTED}"
    if photo[4:8] == b"ftyp" and photo[8:12] in _ISO_BRANDS:
        return f"photo is a HEIF or AVIF; send {SUPPORTED}"
    return f"photo is not an image; send {SUPPORTED}"


def _read_jpeg(photo: bytes) -> PhotoHead:
    """Walks the segments up to the first scan. Each is a marker and a 16-bit length."""
    size: tuple[int, int] | None = None
    position = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        if photo[position] != 0xFF:
            raise invalid_photo("photo is a damaged JPEG: a segment does not start where it should")
        marker = photo[position + 1]
        if marker == 0xFF:  # a fill byte before the marker
            position += 1
            continue
        if marker == _JPEG_START_OF_SCAN:
            if size is None:
                raise invalid_photo("photo is a damaged JPEG: no frame before the first scan")
            return PhotoHead("JPEG", *size)
        if marker not in _JPEG_SKIPPED and marker not in _JPEG_START_OF_FRAME:
            raise invalid_photo(f"photo is a damaged JPEG: marker {marker:#04x} in its header")
        (length,) = struct.unpack_from(">H", photo, position + 2)
        if length < 2:
            raise invalid_photo("photo is a damaged JPEG: a segment is shorter than its length")
        if marker in _JPEG_START_OF_FRAME:
            if size is not None:
                raise invalid_photo("photo is a damaged JPEG: it has two frame headers")
            size = _read_jpeg_frame(photo, marker, position + 4, length)
        position += 2 + length
    raise invalid_photo(f"photo has more than {MAX_JPEG_SEGMENTS} segments before its first scan")


def _read_jpeg_frame(photo: bytes, marker: int, position: int, length: int) -> tuple[int, int]:
    if marker not in _JPEG_DECODABLE:
        raise invalid_photo("photo is a lossless or hierarchical JPEG, which is not supported")
    if length < _JPEG_FRAME_BYTES:
        raise invalid_photo("photo is a damaged JPEG: its frame header is too short")
    precision, height, width = struct.unpack_from(">BHH", photo, position)
    if precision != 8:
        raise invalid_photo(f"photo is a {precision}-bit JPEG; only 8 bits are supported")
    return width, height


def _read_png(photo: bytes) -> PhotoHead:
    """Walks the chunks up to the pixels: a later second header must not change the size."""
    size: tuple[int, int] | None = None
    position = len(_PNG_SIGNATURE)
    for _ in range(MAX_PNG_CHUNKS):
        length, kind = struct.unpack_from(">I4s", photo, position)
        if size is None:
            if kind != b"IHDR" or length != _PNG_HEADER_BYTES:
                raise invalid_photo("photo is a damaged PNG: it does not start with its header")
            width, height = struct.unpack_from(">II", photo, position + 8)
            size = (width, height)
        elif kind == b"IHDR":
            raise invalid_photo("photo is a damaged PNG: it has two headers")
        elif kind == b"IDAT":
            return PhotoHead("PNG", *size)
        position += 12 + length
    raise invalid_photo(f"photo has more than {MAX_PNG_CHUNKS} chunks before its pixels")


def _read_webp(photo: bytes) -> PhotoHead:
    """The first chunk says the size: extended, lossy or lossless, each in its own way."""
    kind = photo[12:16]
    if kind == b"VP8X":
        low_width, high_width, low_height, high_height = struct.unpack_from("<HBHB", photo, 24)
        width = 1 + (low_width | high_width << 16)
        height = 1 + (low_height | high_height << 16)
        return PhotoHead("WebP", width, height)
    if kind == b"VP8 ":
        signature, width, height = struct.unpack_from("<3sHH", photo, 23)
        if signature != b"\x9d\x01\x2a":
            raise invalid_photo("photo is a damaged WebP: its frame has no start code")
        return PhotoHead("WebP", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", photo, 20)
        if signature != 0x2F:
            raise invalid_photo("photo is a damaged WebP: its frame has no signature")
        return PhotoHead("WebP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    raise invalid_photo("photo is a damaged WebP: its first chunk is no image")
