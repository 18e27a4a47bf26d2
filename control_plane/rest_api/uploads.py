"""A multipart body with one large file, which goes to the disk as it comes.

All else in the body stays in memory and is bounded by itself: a body of fields only must not be
as large as a file may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import BinaryIO

from starlette.requests import Request

from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.bodies import MultipartReader, read_chunks

MAX_FIELD_BYTES = 64 * 1024
"""For all that is not the file's content: fields, their heads and the boundaries."""


class UploadReader(MultipartReader):
    """Takes a body chunk by chunk; the content of the part named ``file_field`` goes to a file.

    on_file: called with the fields so far when the file begins, which may refuse the rest.
    """

    def __init__(
        self,
        content_type: str,
        file_field: str,
        file: BinaryIO,
        on_file: Callable[[dict[str, str]], None],
    ) -> None:
        super().__init__(content_type)
        self._file_field = file_field
        self._file = file
        self._on_file = on_file
        self._field_bytes = 0
        self._is_in_file = False
        self.file_bytes = 0
        self.has_file = False

    def fields(self) -> dict[str, str]:
        """The fields so far. Raises InvalidArgument for one that is no text, or given twice."""
        fields: dict[str, str] = {}
        for part in self.parts:
            name = part.name[:80]
            if part.name in fields:
                raise InvalidArgument(f"{name} is given twice", field=name)
            try:
                fields[part.name] = part.content.decode("utf-8")
            except UnicodeDecodeError:
                raise InvalidArgument(f"{name} is not UTF-8 text", field=name) from None
        return fields

    def _end_headers(self) -> None:
        super()._end_headers()
        self._is_in_file = self._name == self._file_field
        if self._is_in_file:
            if self.has_file:
                raise InvalidArgument(f"{self._name} is given twice", field=self._name)
            self.has_file = True
            self._on_file(self.fields())

    def _take(self, data: bytes) -> None:
        if self._is_in_file:
            self._file.write(data)
            self.file_bytes += len(data)
            return
        self._field_bytes += len(data)
        if self._field_bytes > MAX_FIELD_BYTES:
            raise ControlPlaneError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"the fields of the form have more than {MAX_FIELD_BYTES} bytes",
                field="body",
            )
        super()._take(data)

    def _end_part(self) -> None:
        if not self._is_in_file:
            super()._end_part()
        self._is_in_file = False


async def receive_upload(
    request: Request, reader: UploadReader, *, max_bytes: int, timeout_s: float
) -> dict[str, str]:
    """Reads the body to its end; its fields.

    Raises ControlPlaneError: MESSAGE_TOO_LARGE, INVALID_ARGUMENT, CANCELLED; HttpRefusal (408).
    """

    def refuse(size: int) -> ControlPlaneError:
        return ControlPlaneError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"the upload has {size} bytes or more; the limit of a file is {max_bytes}",
            field="onnx",
        )

    chunks = read_chunks(
        request, limit_bytes=max_bytes + MAX_FIELD_BYTES, timeout_s=timeout_s, refuse=refuse
    )
    async for chunk in chunks:
        # A disk that is behind would hold up every other request.
        await asyncio.to_thread(reader.feed, chunk)
    reader.finish()
    if reader.file_bytes > max_bytes:
        raise refuse(reader.file_bytes)
    return reader.fields()
