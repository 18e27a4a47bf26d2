"""What the photo URLs of all schemes are held to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from control_plane.adapters.photo_refusals import malformed
from control_plane.errors import InvalidArgument

MAX_URL_CHARACTERS = 4096

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def split_url(url: str) -> SplitResult:
    """The parts of a URL that hides nothing. Raises InvalidArgument."""
    if len(url) > MAX_URL_CHARACTERS:
        raise malformed(f"has {len(url)} characters; the limit is {MAX_URL_CHARACTERS}")
    # urlsplit drops some of these silently, so that what is checked is not what was sent.
    if any(character <= " " or character == "\x7f" for character in url):
        raise malformed("has a space or a control character; write it percent-encoded")
    try:
        return urlsplit(url)
    except ValueError:
        raise malformed("is not a URL") from None


def wrong_scheme(parts: SplitResult, allowed: Iterable[str]) -> InvalidArgument:
    listed = ", ".join(f"{scheme}://" for scheme in allowed) or "none"
    return malformed(f"has the scheme {parts.scheme[:40]!r}; allowed: {listed}")


def check_escapes(text: str) -> None:
    """Raises InvalidArgument for a % that is no percent-encoding."""
    if _BAD_ESCAPE.search(text):
        raise malformed("has a % that is no percent-encoding")


def decode_path(url: str, path: str) -> bytes:
    """The path, percent-decoded once (RFC 3986). Raises InvalidArgument, also for ? and #."""
    if "?" in url or "#" in url:
        raise malformed("has a query or a fragment; write ? and # as %3F and %23")
    check_escapes(path)
    try:
        decoded = unquote_to_bytes(path)
    except UnicodeEncodeError:
        raise malformed("has a character that is not Unicode") from None
    if b"\x00" in decoded:
        raise malformed("has a NUL byte")
    return decoded
