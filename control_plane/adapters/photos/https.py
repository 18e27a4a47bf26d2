"""Photos by ``https://``, from allowed hosts only, at addresses that were checked.

The host must be one of the setting's, spelled in ASCII (``xn--`` for others): upper case is the
same, anything else (a dot behind it, another spelling of an address, a percent-encoding, user
information) is not. The port is 443 or the one that the setting names with the host. Redirects are
not followed, no proxy of the environment is used, and nothing but the plain bytes is accepted:
what unpacks to a thousand times its size would pass a limit on what is sent.

Each photo has a connection of its own, because its address was checked for it.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import SplitResult

import httpcore

from control_plane.adapters.photo_refusals import (
    forbidden,
    malformed,
    not_found,
    switched_off,
    too_large,
    unavailable,
)
from control_plane.adapters.photos.addresses import read_networks
from control_plane.adapters.photos.pinning import PinnedBackend, Resolve, SystemResolver
from control_plane.adapters.photos.urls import check_escapes, split_url, wrong_scheme
from control_plane.adapters.timeouts import within
from control_plane.errors import ControlPlaneError

SCHEME = "https"
HOSTS_SETTING = "photos.https_hosts"
PORT = 443
CONNECT_TIMEOUT_S = 5.0
MAX_CONNECTIONS = 64

_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _GONE = 200, 401, 403, 404, 410
_REDIRECTS = range(300, 400)
_PASSING = frozenset({408, 425, 429})
_SERVER_FAULT = 500
_ASKED = (
    (b"Accept", b"image/jpeg, image/png, image/webp, */*;q=0.1"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"tidegate"),
)


class HttpsPhotos:
    """A PhotoSource for ``https://`` URLs. hosts: ``name`` or ``name:port``, in lower case."""

    def __init__(
        self,
        pool: httpcore.AsyncConnectionPool,
        hosts: Collection[str],
        *,
        max_bytes: int,
        timeout_s: float,
    ) -> None:
        self._pool = pool
        self._hosts = frozenset(_place_of(host) for host in hosts)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    @property
    def is_on(self) -> bool:
        return bool(self._hosts)

    def check(self, url: str) -> None:
        """What the spelling alone tells. Raises INVALID_ARGUMENT, PHOTO_FORBIDDEN."""
        self._find(url)

    async def fetch(self, url: str) -> bytes:
        """The body of a plain 200.

        Raises ControlPlaneError: INVALID_ARGUMENT, PHOTO_FORBIDDEN, PHOTO_NOT_FOUND,
        PHOTO_TOO_LARGE, PHOTO_UNAVAILABLE.
        """
        target = self._find(url)
        late = unavailable("the host of photo_url did not send the photo in time")
        try:
            async with within(self._timeout_s, late), self._answer(target) as answer:
                _check_answer(answer, self._max_bytes)
                return await self._read(answer)
        except httpcore.TimeoutException:
            raise late from None
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
            raise _broken(error) from None

    @asynccontextmanager
    async def _answer(self, target: httpcore.URL) -> AsyncIterator[httpcore.Response]:
        times = {"connect": CONNECT_TIMEOUT_S, "read": self._timeout_s, "pool": self._timeout_s}
        async with self._pool.stream(
            "GET", target, headers=list(_ASKED), extensions={"timeout": times}
        ) as answer:
            yield answer

    async def _read(self, answer: httpcore.Response) -> bytes:
        content = bytearray()
        async for chunk in answer.aiter_stream():
            content += chunk
            if len(content) > self._max_bytes:
                raise too_large(len(content), self._max_bytes)
        return bytes(content)

    def _find(self, url: str) -> httpcore.URL:
        parts = split_url(url)
        if parts.scheme != SCHEME:
            raise wrong_scheme(parts, (SCHEME,))
        _check_spelling(url, parts)
        if not self._hosts:
            raise switched_off(SCHEME, HOSTS_SETTING, "hosts")
        try:
            host, port = parts.hostname or "", PORT if parts.port is None else parts.port
        except ValueError:
            raise malformed("has a port that is none") from None
        if not host:
            raise malformed("names no host")
        if (host, port) not in self._hosts:
            raise forbidden(
                f"photo_url names a host, or a port of it, that is not allowed ({HOSTS_SETTING})"
            )
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return httpcore.URL(
            scheme=SCHEME, host=host.encode(), port=port, target=target.encode("ascii")
        )


def _check_spelling(url: str, parts: SplitResult) -> None:
    """What different programs read differently is refused. Raises InvalidArgument."""
    if not url.isascii():
        raise malformed("is not ASCII; percent-encode its path, and write its host as xn--")
    if "\\" in url:
        raise malformed("has a backslash; write it as %5C")
    if "@" in parts.netloc:
        raise malformed("has user information before its host")
    if "#" in url:
        raise malformed("has a fragment; write # as %23")
    check_escapes(parts.path)
    check_escapes(parts.query)


def _place_of(host: str) -> tuple[str, int]:
    name, colon, port = host.partition(":")
    return name.lower(), int(port) if colon else PORT


def _check_answer(answer: httpcore.Response, max_bytes: int) -> None:
    """Raises ControlPlaneError unless what comes is the photo itself, and no larger than may be."""
    if answer.status != _OK:
        raise _explain(answer.status)
    headers = _headers_of(answer)
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise forbidden("the host of photo_url sends the photo compressed, which was not asked for")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > max_bytes:
        raise too_large(int(length), max_bytes)


def _headers_of(answer: httpcore.Response) -> Mapping[bytes, bytes]:
    return {name.lower(): value for name, value in answer.headers}


def _explain(status: int) -> ControlPlaneError:
    if status in _REDIRECTS:
        return forbidden(f"the host of photo_url redirects ({status}); redirects are not followed")
    if status in (_NOT_FOUND, _GONE):
        return not_found(f"no photo is at photo_url ({status})")
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        return forbidden(f"the host of photo_url does not give the photo out ({status})")
    if status in _PASSING or status >= _SERVER_FAULT:
        return unavailable(f"the host of photo_url cannot answer now ({status})")
    return forbidden(f"the host of photo_url answers with status {status} instead of a photo")


def _broken(error: Exception) -> ControlPlaneError:
    if isinstance(error, httpcore.ConnectError | ssl.SSLError) and "certificate" in str(error):
        return unavailable("the host of photo_url has a certificate that is not trusted")
    return unavailable("the host of photo_url did not answer, or broke off")


@asynccontextmanager
async def open_https_photos(
    hosts: Collection[str],
    *,
    networks: Iterable[str] = (),
    ca_file: Path | None = None,
    max_bytes: int,
    timeout_s: float,
    resolver: Resolve | None = None,
) -> AsyncIterator[HttpsPhotos]:
    """networks: CIDR blocks that are allowed though not public.

    ca_file: certificates that are trusted besides the system's. Raises OSError, ssl.SSLError.
    resolver: this machine's if not given.
    """
    trust = ssl.create_default_context()
    if ca_file is not None:
        trust.load_verify_locations(cafile=ca_file)
    with closing(SystemResolver()) as system:
        async with httpcore.AsyncConnectionPool(
            ssl_context=trust,
            network_backend=PinnedBackend(read_networks(networks), resolver or system),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=0,
        ) as pool:
            yield HttpsPhotos(pool, hosts, max_bytes=max_bytes, timeout_s=timeout_s)
