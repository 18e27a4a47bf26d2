"""Connections that go where the check looked: a name is resolved once, and for both.

If the check resolved a name and the connection resolved it again, whoever runs the name's DNS
could answer the one with a public address and the other with 127.0.0.1 (DNS rebinding). Here the
addresses are resolved, all of them checked, and connected to as they are; TLS still asks for the
certificate of the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpcore

from control_plane.adapters.photo_refusals import forbidden, unavailable
from control_plane.adapters.photos.addresses import Network, is_allowed

NETWORKS_SETTING = "photos.https_networks"
MAX_ADDRESSES_TRIED = 4
RESOLVER_THREADS = 4

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, in the order of preference. Raises OSError."""


class SystemResolver:
    """Resolves as this machine does, in threads of its own.

    They may hang for half a minute each when no DNS answers, and in the threads that all share
    they would take the reading of files with them.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
        return [str(sockaddr[0]) for *_, sockaddr in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """A network backend of httpcore that connects to checked addresses only."""

    def __init__(self, networks: Iterable[Network], resolver: Resolve) -> None:
        self._networks = tuple(networks)
        self._resolver = resolver
        self._below = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises ControlPlaneError PHOTO_FORBIDDEN, PHOTO_UNAVAILABLE; httpcore's errors."""
        addresses = await self._addresses(host, port)
        last: Exception | None = None
        for address in addresses[:MAX_ADDRESSES_TRIED]:
            try:
                return await self._below.connect_tcp(
                    address,
                    port,
                    timeout=timeout,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last or unavailable("the host of photo_url has no address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        """All of them, if all of them may be asked: one that may not casts doubt on the others."""
        try:
            addresses = tuple(dict.fromkeys(await self._resolver(host, port)))
        except (OSError, UnicodeError):
            raise unavailable("the host of photo_url cannot be resolved") from None
        if not all(is_allowed(address, self._networks) for address in addresses):
            raise forbidden(
                "the host of photo_url has an address that is not public "
                f"({NETWORKS_SETTING} allows networks)"
            )
        return addresses
