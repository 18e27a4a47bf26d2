"""Which names a server answers to: what asks for another one is refused, whatever it asks.

A web page can make its own name lead to this address (DNS rebinding). Its browser then takes
what is here for the page's own origin, and lets the page read and act; but it still says in
``Host`` by which name it came. Answered always, because no page can be behind it:
- an address, for it was looked up nowhere. Probes and load balancers ask by one;
- ``localhost`` and what ends in it, which browsers look up nowhere either (RFC 6761);
- no ``Host`` at all, which no browser leaves out and a probe by HTTP/1.0 may.

Nothing is exempt: a page could read metrics as well as it could drain an instance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from control_plane.errors import ErrorCode
from control_plane.rest_api.problems import HttpRefusal, problem_of

ANY = "*"
LOCAL = ".localhost"

# Whole: of "[::1].example.com" or "10.1.2.3:80@example.com" the beginning says nothing.
_HOST = re.compile(r"(?:\[(?P<address>[^]]*)\]|(?P<name>[^][:@]*))(?::[0-9]*)?")


class AllowedHosts:
    """What ``Host`` may say.

    names: in lower case and without port; ``.example.com`` is that name and all below it,
        ``*.example.com`` all below it, ``*`` any.
    setting: the name of the one that gave them, for who has to add to it.
    """

    def __init__(self, names: Iterable[str], setting: str = "http.allowed_hosts") -> None:
        self.setting = setting
        given = {*names, LOCAL}
        self._is_any = ANY in given
        self._names = frozenset(name.removeprefix(".") for name in given)
        self._endings = tuple(name.removeprefix(ANY) for name in given if name[:1] in (".", ANY))

    def has(self, host: str) -> bool:
        """Whether a request is answered whose ``Host`` says this, with or without a port."""
        if self._is_any or not host:
            return True
        matched = _HOST.fullmatch(host.lower())
        if matched is None:
            return False
        if matched["address"] is not None:
            return _is_address(matched["address"])
        name = matched["name"].removesuffix(".")
        return name in self._names or name.endswith(self._endings) or _is_address(name)


class HostMiddleware:
    """Wraps an ASGI application."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # All of them, for the next reader may take another one than the first.
        if scope["type"] != "http" or all(
            self._hosts.has(value.decode("latin-1"))
            for name, value in scope["headers"]
            if name == b"host"
        ):
            await self._app(scope, receive, send)
            return
        refusal = HttpRefusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            ErrorCode.PERMISSION_DENIED,
            "this server is not asked by that name; ask by its address or localhost, "
            f"or add the name to {self._hosts.setting}",
            field="Host",
        )
        correlation_id = scope["state"]["correlation_id"]
        await problem_of(refusal, correlation_id)(scope, receive, send)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
