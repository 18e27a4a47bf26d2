"""The check of a photo's head before anything is spent on it.

:class:`HeadInspector` refuses what no engine should see: no image, too many bytes, too
many pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.adapters.photo_heads import (
    MAX_JPEG_SCANS,
    PhotoHead,
    has_too_many_scans,
    invalid_photo,
    read_head,
)
from control_plane.errors import ControlPlaneError, ErrorCode


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """The largest photo accepted, in encoded bytes and in pixels (width times height).

    max_full_pixels: of a PNG or WebP, which cannot be decoded at a reduced scale.
    """

    max_bytes: int
    max_pixels: int
    max_full_pixels: int

    def pixels_of(self, form: str) -> int:
        """The pixels that a photo of this format may have."""
        return self.max_pixels if form == "JPEG" else min(self.max_pixels, self.max_full_pixels)


class HeadInspector:
    """A PhotoInspector that reads the head and counts scans; it decodes nothing."""

    def __init__(self, limits: PhotoLimits) -> None:
        self._limits = limits

    def inspect(self, photo: bytes) -> None:
        """Raises ControlPlaneError PHOTO_INVALID or PHOTO_TOO_LARGE, naming the limit."""
        limits = self._limits
        if len(photo) > limits.max_bytes:
            raise _too_large(f"photo has {len(photo)} bytes; the limit is {limits.max_bytes}")
        head: PhotoHead = read_head(photo)
        pixels = head.width * head.height
        if pixels == 0:
            raise invalid_photo(f"photo has no pixels: it is {head.width} x {head.height}")
        most = limits.pixels_of(head.format)
        if pixels > most:
            raise _too_large(
                f"photo is {head.width} x {head.height} = {pixels} pixels; "
                f"the limit for a {head.format} is {most}"
            )
        if head.format == "JPEG" and has_too_many_scans(photo):
            raise _too_large(f"photo has more than {MAX_JPEG_SCANS} scans, the limit for a JPEG")


def _too_large(message: str) -> ControlPlaneError:
    return ControlPlaneError(ErrorCode.PHOTO_TOO_LARGE, message, field="photo")
