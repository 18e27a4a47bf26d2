"""What a job may hold of what its caller wrote: text that every store and terminal can bear."""

from __future__ import annotations

from collections.abc import Iterator

from control_plane.core.jobs.job import JobRequest
from control_plane.errors import InvalidArgument

MAX_PHOTO_URL_CHARACTERS = 4096


def check_request(request: JobRequest) -> JobRequest:
    """The request. Raises InvalidArgument for what could not be stored or shown.

    A live request is answered and forgotten; this one is written down, and PostgreSQL for one
    keeps no NUL.
    """
    for name, text in _texts(request):
        if any(_is_control(character) for character in text):
            raise InvalidArgument(f"{name} has control characters", field=name)
    url = request.photo_url
    if url is not None and len(url) > MAX_PHOTO_URL_CHARACTERS:
        raise InvalidArgument(
            f"photo_url has {len(url)} characters; the limit is {MAX_PHOTO_URL_CHARACTERS}",
            field="photo_url",
        )
    return request


def _texts(request: JobRequest) -> Iterator[tuple[str, str]]:
    if request.photo_url is not None:
        yield "photo_url", request.photo_url
    if request.routing_key is not None:
        yield "routing_key", request.routing_key
    for release in request.releases.values():
        yield "releases", release


def _is_control(character: str) -> bool:
    """C0 and C1 controls, DEL, and halves of surrogate pairs."""
    return character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff"
