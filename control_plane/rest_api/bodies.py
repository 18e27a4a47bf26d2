"""Reads request bodies within a size and a time, into memory and never further.

A body is refused by its Content-Length before a byte of it is read, and by counting
where that is missing or a lie. What a refused caller still sends is the server's to
drop (:mod:`control_plane.rest_api.server`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.problems import HttpRefusal

MAX_PARTS = 128

Refuse = Callable[[int], ControlPlaneError]
"""Makes the refusal of a body that has (at least) so many bytes."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body."""

    name: str
    content: bytes


async def read_chunks(
    request: Request, *, limit_bytes: int, timeout_s: float, refuse: Refuse
) -> AsyncIterator[bytes]:
    """The body's chunks as they come.

    Raises what ``refuse`` makes when the body is larger than ``limit_bytes``, HttpRefusal
    (408) when it takes longer than ``timeout_s``, ControlPlaneError(CANCELLED) when the
    caller leaves.
    """
    _refuse_by_length(request, limit_bytes, refuse)
    size = 0
    loop = asyncio.get_running_loop()
    ends_at_s = loop.time() + timeout_s
    while True:
        try:
            async with asyncio.timeout_at(ends_at_s):
                message = await request.receive()
        except TimeoutError:
            raise HttpRefusal(
                HTTPStatus.REQUEST_TIMEOUT,
                ErrorCode.DEADLINE_EXCEEDED,
                f"the request's body took longer than {timeout_s:g} s to arrive",
                field="body",
            ) from None
        if message["type"] == "http.disconnect":
            raise ControlPlaneError(ErrorCode.CANCELLED, "the caller left before the body ended")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit_bytes:
            raise refuse(size)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


async def read_whole(
    request: Request, *, limit_bytes: int, timeout_s: float, refuse: Refuse
) -> bytes:
    """The whole body; raises as :func:`read_chunks` does."""
    chunks = read_chunks(request, limit_bytes=limit_bytes, timeout_s=timeout_s, refuse=refuse)
    return b"".join([chunk async for chunk in chunks])


def _refuse_by_length(request: Request, limit_bytes: int, refuse: Refuse) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit_bytes:
        raise refuse(int(declared[:20]))


class MultipartReader:
    """Takes a multipart/form-data body chunk by chunk; its parts stay in memory.

    Starlette's own parser spools files of more than 1 MB to the disk and bounds each
    text, not their sum; here the whole is bounded before it is parsed.
    """

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise _malformed("its Content-Type has no boundary")
        self.parts: list[Part] = []
        self._name = ""
        self._header: list[bytes] = []
        self._value: list[bytes] = []
        self._disposition = b""
        # A list of slices would let a body of tiny chunks cost many times its size.
        self._content = bytearray()
        self._is_complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._header.append(
                        data[start:end]
                    ),
                    "on_header_value": lambda data, start, end: self._value.append(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": lambda data, start, end: self._take(data[start:end]),
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def feed(self, chunk: bytes) -> None:
        """Raises InvalidArgument where the body is no multipart/form-data."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)[:200]) from None

    def finish(self) -> list[Part]:
        """The parts. Raises InvalidArgument when the last boundary has not come."""
        if not self._is_complete:
            raise _malformed("it ends before its last boundary; it is truncated")
        return self.parts

    def _begin_part(self) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise _malformed(f"it has more than {MAX_PARTS} parts")
        self._disposition = b""
        self._content = bytearray()

    def _end_header(self) -> None:
        if b"".join(self._header).lower() == b"content-disposition":
            self._disposition = b"".join(self._value)
        self._header = []
        self._value = []

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name")
        if not name:
            raise _malformed("a part has no name in its Content-Disposition")
        self._name = name.decode("utf-8", "replace")

    def _take(self, data: bytes) -> None:
        self._content.extend(data)

    def _end_part(self) -> None:
        self.parts.append(Part(self._name, bytes(self._content)))
        self._content = bytearray()

    def _end(self) -> None:
        self._is_complete = True


def _malformed(why: str) -> InvalidArgument:
    return InvalidArgument(f"the body is not valid multipart/form-data: {why}", field="body")
