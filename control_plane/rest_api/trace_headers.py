"""The headers of a request that carry a trace."""

from __future__ import annotations

from starlette.requests import Request

from control_plane.core.tracing import CARRIERS


def carried_by(request: Request) -> dict[str, str]:
    """By their names in lower case. Several of one name are one list, as HTTP has it."""
    found: dict[str, str] = {}
    for raw_name, raw_value in request.scope["headers"]:
        name = raw_name.decode("latin-1")
        if name in CARRIERS:
            value = raw_value.decode("latin-1")
            found[name] = f"{found[name]},{value}" if name in found else value
    return found
