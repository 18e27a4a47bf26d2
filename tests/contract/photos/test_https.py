"""HttpsPhotos against real TLS servers on the loopback; a resolver of the tests names them."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from control_plane.adapters.photos.https import HttpsPhotos, open_https_photos
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.servers.certificates import Authority
from tests.servers.scripted import Answer, Asked, ScriptedServer, head_of, scripted

MAX_BYTES = 1000
PHOTO = b"a photo" * 100
MIB = 1024 * 1024
HOST = "photos.example"
LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    return authority.server_context(HOST)


async def answer_photo(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(head_of(Content_Length=len(PHOTO)) + PHOTO)


class Dns:
    """Answers ``addresses`` for every name, and remembers who was asked for."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if not self._addresses:
            raise OSError("no such name")
        return self._addresses


@asynccontextmanager
async def reading(
    authority: Authority | None,
    tls: ssl.SSLContext,
    answer: Answer = answer_photo,
    *,
    networks: Sequence[str] = LOOPBACK,
    dns: Dns | None = None,
    max_bytes: int = MAX_BYTES,
    timeout_s: float = 20,
) -> AsyncIterator[tuple[HttpsPhotos, str, ScriptedServer]]:
    """A source that may ask one server, the beginning of its URLs, and the server."""
    async with scripted(answer, tls=tls) as server:
        place = f"{HOST}:{server.port}"
        async with open_https_photos(
            [place],
            networks=networks,
            ca_file=authority.ca_file if authority else None,
            max_bytes=max_bytes,
            timeout_s=timeout_s,
            resolver=dns or Dns("127.0.0.1"),
        ) as source:
            yield source, f"https://{place}", server


async def refusal_of(photos: HttpsPhotos, url: str) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as caught:
        await photos.fetch(url)
    assert caught.value.field == "photo_url"
    assert "127.0.0.1" not in caught.value.message
    return caught.value


async def test_a_photo_is_read(authority: Authority, tls: ssl.SSLContext) -> None:
    async with reading(authority, tls) as (source, url, server):
        assert await source.fetch(f"{url}/a%20b.jpg?signature=x%2Fy&part=1") == PHOTO
        assert await source.fetch(url.upper().replace("HTTPS", "https")) == PHOTO
        assert [asked.target for asked in server.asked] == [
            "/a%20b.jpg?signature=x%2Fy&part=1",
            "/",
        ]
        assert server.asked[0].headers["host"] == f"{HOST}:{server.port}"
        assert server.asked[0].headers["accept-encoding"] == "identity"


async def test_the_proxies_of_the_environment_are_not_used(
    authority: Authority, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with reading(authority, tls) as (source, url, _server):
        assert await source.fetch(f"{url}/a.jpg") == PHOTO


async def test_no_connection_is_made_before_every_address_was_checked(
    authority: Authority, tls: ssl.SSLContext
) -> None:
    async with reading(authority, tls, networks=()) as (source, url, server):
        refusal = await refusal_of(source, f"{url}/a.jpg")
        assert server.asked == []
    assert refusal.code is ErrorCode.PHOTO_FORBIDDEN
    assert "photos.https_networks" in refusal.message


@pytest.mark.parametrize("order", [("93.184.216.34", "127.0.0.1"), ("127.0.0.1", "93.184.216.34")])
async def test_one_private_address_among_public_ones_is_refused(
    authority: Authority, tls: ssl.SSLContext, order: tuple[str, str]
) -> None:
    async with reading(authority, tls, networks=(), dns=Dns(*order)) as (source, url, server):
        assert (await refusal_of(source, url)).code is ErrorCode.PHOTO_FORBIDDEN
        assert server.asked == []


async def test_a_name_is_resolved_once(authority: Authority, tls: ssl.SSLContext) -> None:
    """A second answer could be another one than what was checked."""
    dns = Dns("127.0.0.1")
    async with reading(authority, tls, dns=dns) as (source, url, _server):
        await source.fetch(url)
    assert dns.asked == [HOST]


async def test_the_next_address_is_tried_where_one_does_not_listen(
    authority: Authority, tls: ssl.SSLContext
) -> None:
    async with reading(authority, tls, dns=Dns("127.0.0.9", "127.0.0.1")) as (source, url, _):
        assert await source.fetch(url) == PHOTO


@pytest.mark.parametrize("addresses", [(), ("127.0.0.9",)])
async def test_a_host_that_is_away(
    authority: Authority, tls: ssl.SSLContext, addresses: tuple[str, ...]
) -> None:
    async with reading(authority, tls, dns=Dns(*addresses)) as (source, url, _server):
        assert (await refusal_of(source, url)).code is ErrorCode.PHOTO_UNAVAILABLE


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost"])
async def test_an_allowed_name_that_is_an_inner_address_in_disguise_is_refused(host: str) -> None:
    """As this machine resolves it: what the setting allows by mistake, the check does not."""
    async with open_https_photos([host], max_bytes=MAX_BYTES, timeout_s=20) as source:
        assert (await refusal_of(source, f"https://{host}/")).code is ErrorCode.PHOTO_FORBIDDEN


async def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    other = authority.server_context("elsewhere.example")
    async with reading(authority, other) as (source, url, server):
        refusal = await refusal_of(source, url)
        assert server.asked == []
    assert refusal.code is ErrorCode.PHOTO_UNAVAILABLE
    assert "certificate" in refusal.message


async def test_a_certificate_of_nobody_we_trust_is_refused(tls: ssl.SSLContext) -> None:
    async with reading(None, tls) as (source, url, server):
        assert "certificate" in (await refusal_of(source, url)).message
        assert server.asked == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, ErrorCode.PHOTO_FORBIDDEN),
        (302, ErrorCode.PHOTO_FORBIDDEN),
        (307, ErrorCode.PHOTO_FORBIDDEN),
        (401, ErrorCode.PHOTO_FORBIDDEN),
        (403, ErrorCode.PHOTO_FORBIDDEN),
        (404, ErrorCode.PHOTO_NOT_FOUND),
        (410, ErrorCode.PHOTO_NOT_FOUND),
        (204, ErrorCode.PHOTO_FORBIDDEN),
        (206, ErrorCode.PHOTO_FORBIDDEN),
        (418, ErrorCode.PHOTO_FORBIDDEN),
        (408, ErrorCode.PHOTO_UNAVAILABLE),
        (429, ErrorCode.PHOTO_UNAVAILABLE),
        (500, ErrorCode.PHOTO_UNAVAILABLE),
        (503, ErrorCode.PHOTO_UNAVAILABLE),
    ],
)
async def test_what_a_status_means(
    authority: Authority, tls: ssl.SSLContext, status: int, code: ErrorCode
) -> None:
    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(status, Content_Length=0, Location=f"https://{HOST}/elsewhere"))

    async with reading(authority, tls, answer) as (source, url, server):
        refusal = await refusal_of(source, url)
        assert (refusal.code, len(server.asked)) == (code, 1)
    assert str(status) in refusal.message


async def test_what_is_compressed_is_refused(authority: Authority, tls: ssl.SSLContext) -> None:
    async def bomb(_: Asked, writer: asyncio.StreamWriter) -> None:
        body = gzip.compress(bytes(MIB))
        writer.write(head_of(Content_Length=len(body), Content_Encoding="gzip") + body)

    async with reading(authority, tls, bomb, max_bytes=MIB) as (source, url, _server):
        refusal = await refusal_of(source, url)
    assert (refusal.code, "compressed" in refusal.message) == (ErrorCode.PHOTO_FORBIDDEN, True)


@pytest.mark.parametrize("length", [{"Content_Length": 300 * MIB}, {}])
async def test_a_body_of_300_mb_is_not_held(
    authority: Authority, tls: ssl.SSLContext, length: dict[str, int]
) -> None:
    async def huge(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(**length))
        for _ in range(300):
            writer.write(bytes(MIB))
            await writer.drain()

    async with reading(authority, tls, huge, max_bytes=2 * MIB) as (source, url, _server):
        tracemalloc.start()
        refusal = await refusal_of(source, url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert refusal.code is ErrorCode.PHOTO_TOO_LARGE
    assert peak < 20 * MIB


async def test_a_body_shorter_than_it_says(authority: Authority, tls: ssl.SSLContext) -> None:
    async def short(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(Content_Length=len(PHOTO)) + PHOTO[:50])

    async with reading(authority, tls, short) as (source, url, _server):
        assert (await refusal_of(source, url)).code is ErrorCode.PHOTO_UNAVAILABLE


async def test_a_slow_server_is_left_when_the_time_is_up(
    authority: Authority, tls: ssl.SSLContext
) -> None:
    async def slow(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(Content_Length=len(PHOTO)))
        for byte in PHOTO:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with reading(authority, tls, slow, timeout_s=0.5) as (source, url, _server):
        refusal = await refusal_of(source, url)
    assert (refusal.code, "in time" in refusal.message) == (ErrorCode.PHOTO_UNAVAILABLE, True)


async def test_one_who_speaks_no_http(authority: Authority, tls: ssl.SSLContext) -> None:
    async def noise(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    async with reading(authority, tls, noise) as (source, url, _server):
        assert (await refusal_of(source, url)).code is ErrorCode.PHOTO_UNAVAILABLE


async def test_an_authority_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        async with open_https_photos(
            [HOST], ca_file=tmp_path / "none.pem", max_bytes=MAX_BYTES, timeout_s=1
        ):
            pass
