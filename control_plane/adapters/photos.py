"""Where photos come from, and the check of their head before anything is spent on them.

:class:`HeadInspector` refuses what no engine should see: no image, too many bytes, too
many pixels. :class:`LocalPhotos` reads ``file://`` URLs below the allowed roots and
nothing outside them.

How a path is held below its root: it is never resolved and then opened, because what
was checked may be swapped for a link before it is opened. Instead the file is reached
from the root one component at a time, each opened relative to the directory before it
and with O_NOFOLLOW, so that the kernel itself refuses a link at the moment of opening.
Links below a root are therefore refused wherever they point, and with the same words
whether or not their target exists. The root itself is the operator's word: a link there
is followed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import stat
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from control_plane.adapters.photo_heads import (
    MAX_JPEG_SCANS,
    PhotoHead,
    has_too_many_scans,
    invalid_photo,
    read_head,
)
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument

MAX_URL_CHARACTERS = 4096
SCHEMES = ("file",)
ROOTS_SETTING = "photos.allowed_roots"

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_READ_CHUNK_BYTES = 1 << 20
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO must not wait for its writer. O_NOCTTY: nor adopt a terminal.
_OPEN_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


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


class LocalPhotos:
    """A PhotoSource for ``file://`` URLs below ``allowed_roots``."""

    def __init__(self, allowed_roots: Iterable[str | Path], max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._roots = _spellings(allowed_roots)

    def check(self, url: str) -> None:
        """What the spelling alone tells. Raises INVALID_ARGUMENT, PHOTO_FORBIDDEN."""
        self._find(url)

    async def fetch(self, url: str) -> bytes:
        """The file's bytes, read in a thread.

        Raises ControlPlaneError: INVALID_ARGUMENT (scheme or malformed), PHOTO_FORBIDDEN,
        PHOTO_NOT_FOUND, PHOTO_TOO_LARGE.
        """
        root, below = self._find(url)
        return await asyncio.to_thread(self._read, root, below)

    def _find(self, url: str) -> tuple[str, tuple[str, ...]]:
        path = _path_of(url)
        if not self._roots:
            raise _forbidden(f"photos by file:// are switched off; {ROOTS_SETTING} opens folders")
        return self._place(path)

    def _place(self, path: str) -> tuple[str, tuple[str, ...]]:
        """The root that holds ``path`` and the components below it, by spelling alone."""
        parts = tuple(part for part in path.split("/") if part not in ("", "."))
        if ".." not in parts:
            for spelling, root in self._roots:
                if len(parts) > len(spelling) and parts[: len(spelling)] == spelling:
                    return root, parts[len(spelling) :]
        raise _outside()

    def _read(self, root: str, below: tuple[str, ...]) -> bytes:
        with ExitStack() as opened:
            try:
                file = _open_below(root, below, opened)
            except OSError as error:
                raise _explain(error) from None
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise _forbidden("photo_url names something that is not a regular file")
            # The size may be a lie (a growing file), so reading is bounded as well.
            chunks: list[bytes] = []
            size = status.st_size
            if size <= self._max_bytes:
                size = 0
                while chunk := os.read(file, _READ_CHUNK_BYTES):
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > self._max_bytes:
                        break
        if size > self._max_bytes:
            raise _too_large(
                f"the photo behind photo_url has {size} bytes or more; "
                f"the limit is {self._max_bytes}",
                field="photo_url",
            )
        return b"".join(chunks)


def _spellings(roots: Iterable[str | Path]) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Each root as it was written and as it resolves, the deepest first."""
    spellings: dict[tuple[str, ...], str] = {}
    for root in roots:
        written = Path(root).expanduser().absolute()
        resolved = written.resolve()
        for spelling in (written, resolved):
            spellings.setdefault(spelling.parts[1:], str(resolved))
    return tuple(sorted(spellings.items(), key=lambda item: -len(item[0])))


def _path_of(url: str) -> str:
    """The path a file URL names, percent-decoded (RFC 8089). Touches no file."""
    if len(url) > MAX_URL_CHARACTERS:
        raise _malformed(f"has {len(url)} characters; the limit is {MAX_URL_CHARACTERS}")
    # urlsplit drops some of these silently, so that what is checked is not what was sent.
    if any(character <= " " or character == "\x7f" for character in url):
        raise _malformed("has a space or a control character; write it percent-encoded")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _malformed("is not a URL") from None
    if parts.scheme not in SCHEMES:
        allowed = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise _malformed(f"has the scheme {parts.scheme[:40]!r}; allowed: {allowed}")
    if parts.netloc.lower() not in ("", "localhost"):
        raise _malformed("names a host; write file:///path")
    if "?" in url or "#" in url:
        raise _malformed("has a query or a fragment; write ? and # as %3F and %23")
    if not parts.path.startswith("/"):
        raise _malformed("has no absolute path; write file:///path")
    if _BAD_ESCAPE.search(parts.path):
        raise _malformed("has a % that is no percent-encoding")
    try:
        path = unquote_to_bytes(parts.path)
    except UnicodeEncodeError:
        raise _malformed("has a character that is not Unicode") from None
    if b"\x00" in path:
        raise _malformed("has a NUL byte")
    return os.fsdecode(path)


def _open_below(root: str, below: tuple[str, ...], opened: ExitStack) -> int:
    """The descriptor of ``root``/``below``, links refused; closed with ``opened``."""

    def keep(descriptor: int) -> int:
        opened.callback(os.close, descriptor)
        return descriptor

    directory = keep(os.open(root, _OPEN_DIRECTORY))
    for name in below[:-1]:
        try:
            directory = keep(os.open(name, _OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory))
        except NotADirectoryError:
            # Linux says so of a link too. A swap in between only changes the words.
            if stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                raise OSError(errno.ELOOP, "link") from None
            raise
    return keep(os.open(below[-1], _OPEN_FILE | os.O_NOFOLLOW, dir_fd=directory))


def _explain(error: OSError) -> ControlPlaneError:
    """What an OSError of opening means to the caller, without the machine's own words."""
    if error.errno == errno.ELOOP:
        return _outside()
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EILSEQ):
        return ControlPlaneError(
            ErrorCode.PHOTO_NOT_FOUND, "no file is at photo_url", field="photo_url"
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ControlPlaneError(ErrorCode.OVERLOADED, "too many files are open", retry_after_s=1)
    return _forbidden("the file at photo_url cannot be read by the control plane")


def _malformed(what: str) -> InvalidArgument:
    return InvalidArgument(f"photo_url {what}", field="photo_url")


def _forbidden(message: str) -> ControlPlaneError:
    return ControlPlaneError(ErrorCode.PHOTO_FORBIDDEN, message, field="photo_url")


def _outside() -> ControlPlaneError:
    """One message for every way out, so that the answer tells nothing of what is there."""
    return _forbidden(
        f"photo_url is not below an allowed folder, by name, by '..' or by a link ({ROOTS_SETTING})"
    )


def _too_large(message: str, *, field: str = "photo") -> ControlPlaneError:
    return ControlPlaneError(ErrorCode.PHOTO_TOO_LARGE, message, field=field)
