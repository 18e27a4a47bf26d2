"""S3Photos against moto, and against servers that behave as S3 should not."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from control_plane.adapters.photos.s3 import S3Photos, open_s3_photos
from control_plane.adapters.s3.client import S3Options
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.servers.aws import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, AwsServer
from tests.servers.scripted import Answer, Asked, ScriptedServer, head_of, scripted

MAX_BYTES = 1000
PHOTO = bytes(range(200)) * 4
MIB = 1024 * 1024


def options(endpoint_url: str, **changes: float) -> S3Options:
    return S3Options(
        endpoint_url=endpoint_url,
        region=REGION,
        is_path_style=True,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
        **changes,
    )


@asynccontextmanager
async def reading(
    answer: Answer, *, max_bytes: int = MAX_BYTES, timeout_s: float = 20
) -> AsyncIterator[tuple[S3Photos, ScriptedServer]]:
    """A source in front of a scripted server, and the server."""
    async with (
        scripted(answer) as server,
        open_s3_photos(
            ["roofs"],
            options(f"http://127.0.0.1:{server.port}", read_timeout_s=5.0),
            max_bytes=max_bytes,
            timeout_s=timeout_s,
        ) as source,
    ):
        yield source, server


@pytest.fixture
async def photos(aws: AwsServer) -> AsyncIterator[tuple[S3Photos, str]]:
    """A source, and the bucket that it may read."""
    bucket = aws.new_bucket()
    async with open_s3_photos(
        [bucket, "not-there"], options(aws.endpoint_url), max_bytes=MAX_BYTES, timeout_s=20
    ) as source:
        yield source, bucket


async def refusal_of(photos: S3Photos, url: str) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as caught:
        await photos.fetch(url)
    assert caught.value.field == "photo_url"
    for secret in (SECRET_ACCESS_KEY, ACCESS_KEY_ID, "127.0.0.1"):
        assert secret not in caught.value.message
    return caught.value


async def test_an_object_is_read_whole(aws: AwsServer, photos: tuple[S3Photos, str]) -> None:
    source, bucket = photos
    aws.put_object(bucket, "roofs/a.jpg", PHOTO)
    assert await source.fetch(f"s3://{bucket}/roofs/a.jpg") == PHOTO
    assert await source.fetch(f"S3://{bucket}/roofs/a.jpg") == PHOTO


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("%C3%BC%201%3F%23%25.jpg", "%C3%BC%201%3F%23%25.jpg"),
        ("a%2Bb.jpg", "a+b.jpg"),
        ("a//b.jpg", "a//b.jpg"),
        ("A.JPG", "A.JPG"),
    ],
)
async def test_a_key_is_decoded_once_and_taken_literally(
    aws: AwsServer, photos: tuple[S3Photos, str], key: str, written: str
) -> None:
    source, bucket = photos
    aws.put_object(bucket, key, PHOTO)
    assert await source.fetch(f"s3://{bucket}/{written}") == PHOTO
    assert (await refusal_of(source, f"s3://{bucket}/%2525")).code is ErrorCode.PHOTO_NOT_FOUND


async def test_what_is_not_there(aws: AwsServer, photos: tuple[S3Photos, str]) -> None:
    source, bucket = photos
    missing = await refusal_of(source, f"s3://{bucket}/none.jpg")
    assert (missing.code, "NoSuchKey" in missing.message) == (ErrorCode.PHOTO_NOT_FOUND, True)
    gone = await refusal_of(source, "s3://not-there/a.jpg")
    assert gone.code is ErrorCode.PHOTO_NOT_FOUND


async def test_a_bucket_that_is_not_allowed_is_never_asked_for(
    aws: AwsServer, photos: tuple[S3Photos, str]
) -> None:
    other = aws.new_bucket()
    aws.put_object(other, "a.jpg", PHOTO)
    refusal = await refusal_of(photos[0], f"s3://{other}/a.jpg")
    assert refusal.code is ErrorCode.PHOTO_FORBIDDEN
    assert "photos.buckets" in refusal.message


async def test_an_object_of_300_mb_is_refused_by_its_length() -> None:
    async def huge(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(Content_Length=300 * MIB, ETag='"1"'))
        for _ in range(300):
            writer.write(bytes(MIB))
            await writer.drain()

    async with reading(huge, max_bytes=2 * MIB) as (source, _server):
        tracemalloc.start()
        refusal = await refusal_of(source, "s3://roofs/huge.jpg")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert refusal.code is ErrorCode.PHOTO_TOO_LARGE
    assert str(300 * MIB) in refusal.message
    assert peak < 20 * MIB


async def test_an_object_without_a_length_is_refused_by_the_count() -> None:
    async def endless(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(ETag='"1"'))
        while True:
            writer.write(bytes(MIB))
            await writer.drain()

    async with reading(endless, max_bytes=2 * MIB) as (source, _server):
        tracemalloc.start()
        refusal = await refusal_of(source, "s3://roofs/growing.jpg")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert refusal.code is ErrorCode.PHOTO_TOO_LARGE
    assert peak < 20 * MIB


async def test_a_read_that_breaks_off_goes_on_with_the_same_version() -> None:
    async def breaking(asked: Asked, writer: asyncio.StreamWriter) -> None:
        start = int(asked.headers.get("range", "bytes=0-")[6:-1])
        if start:
            assert asked.headers["if-match"] == '"v1"'
            size = f"bytes {start}-{len(PHOTO) - 1}/{len(PHOTO)}"
            left = len(PHOTO) - start
            writer.write(head_of(206, Content_Length=left, Content_Range=size, ETag='"v1"'))
            writer.write(PHOTO[start:])
        else:
            writer.write(head_of(Content_Length=len(PHOTO), ETag='"v1"') + PHOTO[:300])

    async with reading(breaking) as (source, server):
        assert await source.fetch("s3://roofs/a.jpg") == PHOTO
        assert [asked.headers.get("range") for asked in server.asked] == [None, "bytes=300-"]


@pytest.mark.parametrize("honours_if_match", [True, False])
async def test_no_mixture_of_two_versions_is_read(honours_if_match: bool) -> None:
    async def replaced(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if "range" not in asked.headers:
            writer.write(head_of(Content_Length=len(PHOTO), ETag='"v1"') + PHOTO[:300])
        elif honours_if_match:
            writer.write(head_of(412, Content_Length=0))
        else:
            size = f"bytes 300-{len(PHOTO) - 1}/{len(PHOTO)}"
            writer.write(head_of(206, Content_Length=500, Content_Range=size, ETag='"v2"'))
            writer.write(bytes(500))

    async with reading(replaced) as (source, _server):
        refusal = await refusal_of(source, "s3://roofs/a.jpg")
    assert (refusal.code, refusal.is_retryable) == (ErrorCode.PHOTO_UNAVAILABLE, True)
    assert "replaced" in refusal.message


async def test_a_server_that_knows_no_ranges_is_read_from_the_start() -> None:
    async def whole(_: Asked, writer: asyncio.StreamWriter) -> None:
        sent = PHOTO if len(server.asked) > 1 else PHOTO[:300]
        writer.write(head_of(Content_Length=len(PHOTO), ETag='"v1"') + sent)

    async with reading(whole) as (source, server):
        assert await source.fetch("s3://roofs/a.jpg") == PHOTO


async def test_one_that_always_breaks_off_is_given_up() -> None:
    async def breaking(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(Content_Length=len(PHOTO)) + PHOTO[:300])

    async with reading(breaking) as (source, server):
        assert (await refusal_of(source, "s3://roofs/a.jpg")).is_retryable
        assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "code", "meaning", "attempts"),
    [
        (403, "AccessDenied", ErrorCode.PHOTO_FORBIDDEN, 1),
        (403, "InvalidAccessKeyId", ErrorCode.PHOTO_UNAVAILABLE, 3),
        (403, "SignatureDoesNotMatch", ErrorCode.PHOTO_UNAVAILABLE, 3),
        (400, "ExpiredToken", ErrorCode.PHOTO_UNAVAILABLE, 3),
        (403, "RequestTimeTooSkewed", ErrorCode.PHOTO_UNAVAILABLE, 3),
        (400, "InvalidRequest", ErrorCode.PHOTO_FORBIDDEN, 1),
        (429, "TooManyRequests", ErrorCode.PHOTO_UNAVAILABLE, 3),
        (503, "SlowDown", ErrorCode.PHOTO_UNAVAILABLE, 3),
        (500, "InternalError", ErrorCode.PHOTO_UNAVAILABLE, 3),
    ],
)
async def test_whose_fault_a_refusal_is(
    status: int, code: str, meaning: ErrorCode, attempts: int
) -> None:
    async def refuse(_: Asked, writer: asyncio.StreamWriter) -> None:
        body = f"<Error><Code>{code}</Code><Message>{ACCESS_KEY_ID}</Message></Error>".encode()
        writer.write(head_of(status, Content_Length=len(body)) + body)

    async with reading(refuse) as (source, server):
        refusal = await refusal_of(source, "s3://roofs/a.jpg")
        assert (refusal.code, len(server.asked)) == (meaning, attempts)
    assert code in refusal.message


async def test_a_slow_server_is_left_when_the_time_is_up() -> None:
    async def slow(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(Content_Length=len(PHOTO), ETag='"1"'))
        for byte in PHOTO:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with reading(slow, timeout_s=0.5) as (source, _server):
        refusal = await refusal_of(source, "s3://roofs/a.jpg")
    assert (refusal.code, "in time" in refusal.message) == (ErrorCode.PHOTO_UNAVAILABLE, True)


async def test_one_who_does_not_listen_is_away() -> None:
    async with open_s3_photos(
        ["roofs"], options("http://127.0.0.1:1"), max_bytes=MAX_BYTES, timeout_s=20
    ) as source:
        refusal = await refusal_of(source, "s3://roofs/a.jpg")
    assert refusal.code is ErrorCode.PHOTO_UNAVAILABLE


async def test_no_credentials_are_our_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    without = S3Options(endpoint_url="http://127.0.0.1:1", region=REGION)
    async with open_s3_photos(["roofs"], without, max_bytes=MAX_BYTES, timeout_s=20) as source:
        refusal = await refusal_of(source, "s3://roofs/a.jpg")
    assert refusal.code is ErrorCode.PHOTO_UNAVAILABLE
    assert "credentials" in refusal.message
