"""Scripts, styles and the mark, held in memory and named by what is in them.

An address carries the beginning of the file's digest, so that a browser may keep the file for
good and asks anew when Tidegate was replaced by another version.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fastapi import Request
from starlette.responses import Response

from control_plane.errors import ControlPlaneError, ErrorCode

FOLDER = Path(__file__).with_name("static")
PREFIX = "/dashboard/static/"
MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOR_GOOD = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str
    digest: str


class Assets:
    """The files of a folder whose kind a browser is to be told."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            path.name: _read(path)
            for path in sorted(folder.iterdir())
            if path.suffix in MEDIA_TYPES
        }
        whole = "".join(asset.digest for asset in self._files.values())
        self.version = sha256(whole.encode()).hexdigest()[:12]

    def url(self, name: str) -> str:
        """Raises KeyError."""
        return f"{PREFIX}{name}?v={self._files[name].digest}"

    def answer(self, name: str, request: Request) -> Response:
        """Raises ControlPlaneError(NOT_FOUND)."""
        asset = self._files.get(name)
        if asset is None:
            raise ControlPlaneError(
                ErrorCode.NOT_FOUND, f"the dashboard has no file {name[:80]!r}", field="path"
            )
        is_pinned = request.query_params.get("v") == asset.digest
        headers = {
            "ETag": f'"{asset.digest}"',
            # Under an address without the digest there will be another file one day.
            "Cache-Control": FOR_GOOD if is_pinned else "no-cache",
        }
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(asset.content, media_type=asset.media_type, headers=headers)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, MEDIA_TYPES[path.suffix], sha256(content).hexdigest()[:16])
