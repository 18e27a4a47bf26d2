"""Turns an encoded photo into the padded squares that the networks read.

Decides nothing about detection: it decodes, turns upright, shrinks, pads and reports the size of
the upright photo, so that post-processing can put boxes back onto it. Which squares exist is
written in this model's configuration alone: every output ``PIXELS_<S>`` is a square of side S, and
only the outputs a request asks for are computed. Needs numpy and Pillow, nothing of Tidegate, so
the full Triton image runs it too.

Decoding is the dearest step of a detection on a CPU. A JPEG is therefore decoded at the smallest
of libjpeg's reduced scales (1/2, 1/4, 1/8) that still holds the side wanted, and turned upright
only once it is small. Photos that arrive together are decoded side by side, as Pillow releases the
GIL while it decodes.

What a photo may cost is bounded by three limits besides its bytes: its pixels; its pixels where
the whole frame has to be decoded (``max_full_pixels``: everything but a JPEG); and, for a JPEG,
its scans, each of which passes over the whole frame and may take only a few bytes of the file.

A photo that cannot be used costs its own request only and is answered INVALID_ARGUMENT, with a
message that names the input, ``IMAGE``, and the limit it broke.
"""

from __future__ import annotations

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

PADDING = 114  # the grey the networks were trained with around a photo that is not square
FORMATS = ("JPEG", "PNG", "WEBP")
ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset({5, 6, 7, 8})
# An encoder writes about 10 scans (libjpeg's progressive script), and one for each component at the
# most otherwise. The same bound is at the edge: control_plane/adapters/photo_heads.py.
MAX_SCANS = 24
START_OF_SCAN = b"\xff\xda"
# What ends a stretch of scan data, and any segment: not a stuffed 0, a fill byte or a restart.
MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
END_OF_IMAGE = 0xD9
NO_LENGTH = frozenset({0xD8, END_OF_IMAGE})
SQUARE_NAME = re.compile(r"PIXELS_(\d+)")


class BadPhoto(Exception):
    """The caller's photo cannot be used; the message says why."""


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {
            name: value["string_value"] for name, value in config.get("parameters", {}).items()
        }
        self._max_bytes = int(parameters.get("max_bytes", 20 * 1024 * 1024))
        self._max_pixels = int(parameters.get("max_pixels", 50_000_000))
        self._max_full_pixels = int(parameters.get("max_full_pixels", 25_000_000))
        self._sides = squares(config["output"])
        # The limit on pixels is this model's own, told apart from a broken file; Pillow's would
        # only warn.
        Image.MAX_IMAGE_PIXELS = None
        self._threads = ThreadPoolExecutor(int(parameters.get("decode_threads", 2)))

    def finalize(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def execute(self, requests: list[Any]) -> list[Any]:
        jobs = [(request, self._wanted(request), encoded_photos(request)) for request in requests]
        if sum(len(photos) for _, _, photos in jobs) == 1:
            decoded = [[self._decode(photo, wanted) for photo in ps] for _, wanted, ps in jobs]
        else:
            futures = [
                [self._threads.submit(self._decode, photo, wanted) for photo in photos]
                for _, wanted, photos in jobs
            ]
            decoded = [[future.result() for future in row] for row in futures]
        return [
            self._response(request, wanted, row)
            for (request, wanted, _), row in zip(jobs, decoded, strict=True)
        ]

    def _wanted(self, request: Any) -> list[int]:
        names = set(request.requested_output_names())
        return [side for name, side in self._sides.items() if name in names]

    def _decode(self, photo: bytes, sides: list[int]) -> Decoded | BadPhoto:
        try:
            return decode(
                photo,
                sides,
                max_bytes=self._max_bytes,
                max_pixels=self._max_pixels,
                max_full_pixels=self._max_full_pixels,
            )
        except BadPhoto as bad:
            return bad

    def _response(self, request: Any, sides: list[int], photos: list[Decoded | BadPhoto]) -> Any:
        good = [photo for photo in photos if not isinstance(photo, BadPhoto)]
        for bad in photos:
            if isinstance(bad, BadPhoto):
                return pb_utils.InferenceResponse(
                    error=pb_utils.TritonError(str(bad), pb_utils.TritonError.INVALID_ARG)
                )
        tensors = [
            pb_utils.Tensor(f"PIXELS_{side}", batched([squares[side] for _, squares in good]))
            for side in sides
        ]
        if "GEOMETRY" in request.requested_output_names():
            sizes = np.array([size for size, _ in good], dtype=np.float32)
            tensors.append(pb_utils.Tensor("GEOMETRY", sizes))
        return pb_utils.InferenceResponse(tensors)


Decoded = tuple[
    tuple[int, int], dict[int, np.ndarray[Any, Any]]
]  # upright (width, height), squares


def squares(outputs: list[dict[str, Any]]) -> dict[str, int]:
    """The outputs ``PIXELS_<S>`` and their sides; a configuration that contradicts itself fails."""
    sides = {}
    for output in outputs:
        if match := SQUARE_NAME.fullmatch(output["name"]):
            side = int(match.group(1))
            if [int(n) for n in output["dims"]] != [side, side, 3]:
                raise ValueError(
                    f"output {output['name']} must have dims [{side}, {side}, 3], not "
                    f"{output['dims']}"
                )
            sides[output["name"]] = side
    return sides


def batched(arrays: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The arrays with a batch dimension in front; one alone is not copied."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def encoded_photos(request: Any) -> list[bytes]:
    tensor = pb_utils.get_input_tensor_by_name(request, "IMAGE")
    return [bytes(photo) for photo in tensor.as_numpy().reshape(-1)]


def decode(
    photo: bytes, sides: list[int], *, max_bytes: int, max_pixels: int, max_full_pixels: int
) -> Decoded:
    """The upright size in pixels and, for each side S, the padded RGB square, UINT8."""
    if not photo:
        raise BadPhoto("IMAGE: the photo is empty (0 bytes)")
    if len(photo) > max_bytes:
        raise BadPhoto(f"IMAGE: {len(photo)} bytes, above the limit of {max_bytes} bytes")
    try:
        image: Image.Image = Image.open(io.BytesIO(photo), formats=FORMATS)
    except Exception as failure:
        raise BadPhoto("IMAGE: not a JPEG, PNG or WebP image") from failure
    width, height = image.size
    is_reducible = isinstance(image, JpegImageFile)
    most = max_pixels if is_reducible else min(max_pixels, max_full_pixels)
    if width * height > most:
        raise BadPhoto(
            f"IMAGE: {width}x{height} = {width * height} pixels, above the limit of {most} pixels"
            + ("" if is_reducible else f" for a {image.format}")
        )
    # Counting is quick and never too low; the exact count is for those with another picture or a
    # film behind the photo.
    if is_reducible and photo.count(START_OF_SCAN) > MAX_SCANS and scans_of(photo) > MAX_SCANS:
        raise BadPhoto(f"IMAGE: more scans than the limit of {MAX_SCANS} scans in a JPEG")
    try:
        orientation = orientation_of(image)
        image.draft(None, scaled(width, height, max(sides, default=1)))
        image.load()
        image = in_eight_bits(image)
        filled = {side: padded(image, width, height, side, orientation) for side in sides}
    except Exception as failure:
        raise BadPhoto(f"IMAGE: the {image.format} image is truncated or corrupt") from failure
    size = (height, width) if orientation in SIDEWAYS else (width, height)
    return size, filled


def scans_of(jpeg: bytes) -> int:
    """The scans that a decoder comes upon before the image ends (ITU-T T.81, B.1 and B.2)."""
    scans, position = 0, 2
    while found := MARKER.search(jpeg, position):
        marker = jpeg[found.start() + 1]
        if marker == END_OF_IMAGE:
            break
        scans += marker == START_OF_SCAN[1]
        position = found.end()
        if marker not in NO_LENGTH:
            position += int.from_bytes(jpeg[position : position + 2], "big")
    return scans


def orientation_of(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:
        return 1  # unreadable EXIF is no reason to refuse a photo that decodes


def scaled(width: int, height: int, side: int) -> tuple[int, int]:
    """The size whose long side is ``side``, aspect ratio kept, no side below one pixel."""
    ratio = side / max(width, height)
    return max(1, round(width * ratio)), max(1, round(height * ratio))


def in_eight_bits(image: Image.Image) -> Image.Image:
    """A mode that can be resized as it is and then turned into RGB."""
    if image.mode.startswith("I"):  # a grey PNG of 16 bits
        # In its own width: a wider copy of the whole frame costs seconds and hundreds of MB.
        deep = np.right_shift(np.asarray(image), 8)
        return Image.fromarray(deep.clip(0, 255, out=deep).astype(np.uint8))
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("1", "LA", "La", "PA"):
        return image.convert("L" if image.mode == "1" else "RGBA")
    return image


def padded(
    image: Image.Image, width: int, height: int, side: int, orientation: int
) -> np.ndarray[Any, Any]:
    small = image.resize(scaled(width, height, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    if small.mode == "RGBA":
        paper = Image.new("RGBA", small.size, (255, 255, 255, 255))
        small = Image.alpha_composite(paper, small)
    if small.mode != "RGB":
        small = small.convert("RGB")
    if orientation in UPRIGHT:
        small = small.transpose(UPRIGHT[orientation])
    square = np.full((side, side, 3), PADDING, dtype=np.uint8)
    square[: small.height, : small.width] = np.asarray(small)
    return square
