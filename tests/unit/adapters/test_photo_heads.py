"""The head parsers: every refusal, agreement with Pillow, and bounded time on hostile bytes."""

from __future__ import annotations

import io
import struct
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from control_plane.adapters.photo_heads import (
    MAX_JPEG_SCANS,
    MAX_JPEG_SEGMENTS,
    MAX_PNG_CHUNKS,
    read_head,
)
from control_plane.adapters.photos import HeadInspector, PhotoLimits
from control_plane.errors import ControlPlaneError, ErrorCode

LIMITS = PhotoLimits(max_bytes=100_000, max_pixels=1_000_000, max_full_pixels=500_000)


def encode(
    form: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: object
) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 128).save(buffer, form, **options)
    return buffer.getvalue()


SAMPLES = {
    "jpeg": encode("JPEG"),
    "jpeg progressive": encode("JPEG", progressive=True),
    "jpeg grey": encode("JPEG", mode="L"),
    "jpeg with profile": encode("JPEG", icc_profile=b"p" * 150_000, comment=b"c" * 100),
    "png": encode("PNG"),
    "png palette": encode("PNG", mode="P"),
    "webp lossy": encode("WEBP"),
    "webp lossless": encode("WEBP", lossless=True),
    "webp extended": encode(
        "WEBP", mode="RGBA", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00"
    ),
}


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def frame(width: int, height: int, marker: int = 0xC0, precision: int = 8) -> bytes:
    return segment(marker, struct.pack(">BHHB", precision, height, width, 1) + b"\x01\x11\x00")


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + b"\x00" * 4


def png_head(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">II5B", width, height, 8, 2, 0, 0, 0))


SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")


@pytest.mark.parametrize("name", SAMPLES)
def test_the_size_is_the_one_pillow_sees(name: str) -> None:
    head = read_head(SAMPLES[name])
    assert (head.width, head.height) == (40, 30)
    assert head.format.lower() == name.split()[0]


@given(
    form=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    is_lossless=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_any_size_reads_as_written(form: str, width: int, height: int, is_lossless: bool) -> None:
    options = {"lossless": is_lossless} if form == "WEBP" else {}
    head = read_head(encode(form, (width, height), **options))
    assert (head.width, head.height) == (width, height)


REFUSED = {
    "empty": (b"", "empty"),
    "text": (b"hello, this is no photo", "not an image"),
    "gif": (encode("GIF", mode="P"), "GIF"),
    "bmp": (encode("BMP"), "BMP"),
    "tiff": (encode("TIFF"), "TIFF"),
    "pdf": (b"%PDF-1.7", "PDF"),
    "heif": (b"\x00\x00\x00\x18ftypheic", "HEIF"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    "riff that is no webp": (b"RIFF\x00\x00\x00\x00WAVEfmt ", "not an image"),
    "jpeg cut after its magic": (b"\xff\xd8\xff", "truncated"),
    "jpeg cut in its header": (SAMPLES["jpeg"][:60], "truncated"),
    "jpeg of junk": (b"\xff\xd8\xff\xe0\x00\x04abjunk", "does not start"),
    "jpeg without a frame": (b"\xff\xd8" + SCAN, "no frame"),
    "jpeg with two frames": (b"\xff\xd8" + frame(9, 9) + frame(60000, 60000), "two frame"),
    "jpeg with an end": (b"\xff\xd8\xff\xd9", "marker 0xd9"),
    "jpeg with a segment hiding a frame": (b"\xff\xd8\xff\xf0\x00\x0b", "marker 0xf0"),
    "jpeg with a short length": (b"\xff\xd8\xff\xe0\x00\x01", "shorter"),
    "jpeg with a short frame": (b"\xff\xd8" + segment(0xC0, b"\x08"), "too short"),
    "jpeg lossless": (b"\xff\xd8" + frame(9, 9, marker=0xC3), "lossless"),
    "jpeg of 12 bits": (b"\xff\xd8" + frame(9, 9, precision=12), "12-bit"),
    "jpeg of many segments": (b"\xff\xd8" + segment(0xFE, b"") * 20_000, str(MAX_JPEG_SEGMENTS)),
    "jpeg of fill bytes": (b"\xff" * 3 + b"\xd8" + b"\xff" * 90_000, "not an image"),
    "jpeg of fill bytes after its start": (b"\xff\xd8" + b"\xff" * 90_000, "segments"),
    "png cut in its header": (SAMPLES["png"][:20], "truncated"),
    "png without header": (b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT"), "does not start"),
    "png with two headers": (png_head(9, 9) + png_head(60000, 60000)[8:], "two headers"),
    "png without pixels": (png_head(9, 9) + chunk(b"IEND"), "truncated"),
    "png of many chunks": (png_head(9, 9) + chunk(b"tEXt") * 8_000, str(MAX_PNG_CHUNKS)),
    "webp cut": (SAMPLES["webp lossy"][:18], "truncated"),
    "webp of another kind": (b"RIFF\x00\x00\x00\x00WEBPALPH" + bytes(20), "no image"),
    "webp lossy without start code": (b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(20), "start code"),
    "webp lossless without signature": (b"RIFF\x00\x00\x00\x00WEBPVP8L" + bytes(20), "signature"),
    "jpeg of no width": (b"\xff\xd8" + frame(0, 9) + SCAN, "0 x 9"),
    "png of no height": (png_head(9, 0) + chunk(b"IDAT"), "9 x 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_photo_is_named(name: str) -> None:
    photo, words = REFUSED[name]
    with pytest.raises(ControlPlaneError) as refusal:
        HeadInspector(LIMITS).inspect(photo)
    assert refusal.value.code is ErrorCode.PHOTO_INVALID
    assert refusal.value.field == "photo"
    assert words in refusal.value.message


@pytest.mark.parametrize(
    "photo",
    [
        b"\xff\xd8" + frame(50_000, 50_000) + SCAN,
        png_head(50_000, 50_000) + chunk(b"IDAT"),
        b"RIFF\x00\x00\x00\x00WEBPVP8X" + bytes(8) + b"\xff" * 6,
    ],
)
def test_a_decompression_bomb_is_refused_by_its_size(photo: bytes) -> None:
    with pytest.raises(ControlPlaneError) as refusal:
        HeadInspector(LIMITS).inspect(photo)
    assert refusal.value.code is ErrorCode.PHOTO_TOO_LARGE
    assert ("1000000" if photo[0] == 0xFF else "500000") in refusal.value.message
    assert " x " in refusal.value.message


def test_the_limits_are_the_last_size_accepted() -> None:
    photo = encode("PNG", (40, 30))
    HeadInspector(PhotoLimits(len(photo), 1200, 1200)).inspect(photo)
    with pytest.raises(ControlPlaneError, match=f"{len(photo)} bytes; the limit is"):
        HeadInspector(PhotoLimits(len(photo) - 1, 1200, 1200)).inspect(photo)
    for limits in (PhotoLimits(len(photo), 1199, 1200), PhotoLimits(len(photo), 1200, 1199)):
        with pytest.raises(ControlPlaneError, match="1200 pixels; the limit for a PNG is 1199"):
            HeadInspector(limits).inspect(photo)


def test_what_cannot_be_decoded_small_has_a_limit_of_its_own() -> None:
    inspector = HeadInspector(PhotoLimits(100_000, 1200, 1199))
    inspector.inspect(encode("JPEG", (40, 30)))
    for form in ("PNG", "WEBP"):
        with pytest.raises(ControlPlaneError, match="the limit for a"):
            inspector.inspect(encode(form, (40, 30)))


def jpeg_of_scans(scans: int, *, behind: bytes = b"") -> bytes:
    photo = encode("JPEG", progressive=True)
    last = photo.rindex(b"\xff\xda")
    repeats = scans - photo.count(b"\xff\xda") + 1
    return photo[:last] + photo[last:-2] * repeats + photo[-2:] + behind


def test_the_scans_of_a_jpeg_are_bounded() -> None:
    inspector = HeadInspector(LIMITS)
    inspector.inspect(jpeg_of_scans(MAX_JPEG_SCANS))
    with pytest.raises(ControlPlaneError, match=f"more than {MAX_JPEG_SCANS} scans") as refusal:
        inspector.inspect(jpeg_of_scans(MAX_JPEG_SCANS + 1))
    assert refusal.value.code is ErrorCode.PHOTO_TOO_LARGE
    assert refusal.value.field == "photo"


def test_scans_are_not_hidden_behind_an_end_in_a_segment() -> None:
    photo = jpeg_of_scans(300)
    second = photo.index(b"\xff\xda", photo.index(b"\xff\xda") + 2)
    hidden = photo[:second] + segment(0xFE, b"\xff\xd9") + photo[second:]
    with pytest.raises(ControlPlaneError, match="scans"):
        HeadInspector(LIMITS).inspect(hidden)


def test_what_lies_behind_a_photo_or_in_its_segments_is_no_scan() -> None:
    """Phones put a film behind a photo, and previews into its head."""
    film = b"\xff\xda\x00\x08" * 500
    HeadInspector(LIMITS).inspect(jpeg_of_scans(10, behind=film))
    plain = encode("JPEG")
    HeadInspector(LIMITS).inspect(plain[:2] + segment(0xE2, film) + plain[2:])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sample with bytes overwritten, cut out, repeated or put in: near misses of a photo."""
    photo = bytearray(SAMPLES[draw(st.sampled_from(sorted(SAMPLES)))][:4000])
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, min(len(photo), 700)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            piece = draw(st.binary(min_size=1, max_size=6))
            photo[start : start + len(piece)] = piece
        elif kind == 1:
            del photo[start : start + draw(st.integers(1, 40))]
        elif kind == 2:
            photo[start:start] = photo[start : start + draw(st.integers(1, 60))]
        else:
            marker = draw(st.integers(0, 255))
            photo[start:start] = segment(marker, draw(st.binary(max_size=4))) + frame(999, 777)
    return bytes(photo)


@given(st.one_of(damaged(), st.binary(max_size=200)))
@settings(max_examples=400, deadline=None)
def test_pillow_never_sees_another_size_than_the_one_checked(photo: bytes) -> None:
    """Whatever passes is no larger for a decoder than it was for the inspector."""
    try:
        head = read_head(photo)
    except ControlPlaneError:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(photo), formats=("JPEG", "PNG", "WEBP")) as opened:
                size = opened.size
    except Exception:
        return  # Pillow refuses more than the inspector does, which is safe
    assert size == (head.width, head.height)


@pytest.mark.parametrize(
    "name", ["jpeg of many segments", "png of many chunks", "jpeg of fill bytes after its start"]
)
def test_hostile_heads_cost_little(name: str) -> None:
    inspector = HeadInspector(PhotoLimits(1 << 24, 1_000_000, 1_000_000))
    spent_s: list[float] = []
    for _ in range(5):
        started_s = time.perf_counter()
        with pytest.raises(ControlPlaneError):
            inspector.inspect(REFUSED[name][0])
        spent_s.append(time.perf_counter() - started_s)
    assert min(spent_s) < 0.005
