"""Photos by ``file://``: :class:`LocalPhotos` reads below the allowed roots, nothing outside them.

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
import stat
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from control_plane.adapters.photo_refusals import (
    forbidden,
    malformed,
    not_found,
    switched_off,
    too_large,
)
from control_plane.adapters.photos.urls import decode_path, split_url, wrong_scheme
from control_plane.errors import ControlPlaneError, ErrorCode

SCHEME = "file"
ROOTS_SETTING = "photos.allowed_roots"

_READ_CHUNK_BYTES = 1 << 20
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO must not wait for its writer. O_NOCTTY: nor adopt a terminal.
_OPEN_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LocalPhotos:
    """A PhotoSource for ``file://`` URLs below ``allowed_roots``."""

    def __init__(self, allowed_roots: Iterable[str | Path], max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._roots = _spellings(allowed_roots)

    @property
    def is_on(self) -> bool:
        return bool(self._roots)

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
            raise switched_off(SCHEME, ROOTS_SETTING, "folders")
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
                raise forbidden("photo_url names something that is not a regular file")
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
            raise too_large(size, self._max_bytes)
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
    parts = split_url(url)
    if parts.scheme != SCHEME:
        raise wrong_scheme(parts, (SCHEME,))
    if parts.netloc.lower() not in ("", "localhost"):
        raise malformed("names a host; write file:///path")
    path = decode_path(url, parts.path)
    if not parts.path.startswith("/"):
        raise malformed("has no absolute path; write file:///path")
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
        return not_found("no file is at photo_url")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ControlPlaneError(ErrorCode.OVERLOADED, "too many files are open", retry_after_s=1)
    return forbidden("the file at photo_url cannot be read by the control plane")


def _outside() -> ControlPlaneError:
    """One message for every way out, so that the answer tells nothing of what is there."""
    return forbidden(
        f"photo_url is not below an allowed folder, by name, by '..' or by a link ({ROOTS_SETTING})"
    )
