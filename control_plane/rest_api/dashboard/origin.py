"""Whose requests may act: only those that a page of this dashboard has sent.

Until there are credentials, a web page of another origin that somebody has open must not be
able to act here. A browser says where a request comes from, in ``Sec-Fetch-Site`` (W3C, Fetch
Metadata) or, where the dashboard is reached over plain HTTP by a name, in ``Origin``; and no
other origin can set ``HX-Request`` without asking first, which nobody here allows.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from control_plane.errors import ControlPlaneError, ErrorCode


def check_same_origin(request: Request) -> None:
    """Raises ControlPlaneError(PERMISSION_DENIED)."""
    headers = request.headers
    if headers.get("hx-request") != "true":
        raise _refused("HX-Request", "it was not sent by a page of the dashboard")
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site != "same-origin":
            raise _refused("Sec-Fetch-Site", "it comes from another origin")
        return
    origin, host = headers.get("origin"), headers.get("host")
    if not origin or not host or urlsplit(origin).netloc.lower() != host.lower():
        raise _refused("Origin", "nothing proves that it comes from this origin")


def _refused(header: str, why: str) -> ControlPlaneError:
    return ControlPlaneError(
        ErrorCode.PERMISSION_DENIED,
        f"the dashboard takes orders from its own pages only, and of this one {why}; "
        "programs use /api/v1",
        field=header,
    )
