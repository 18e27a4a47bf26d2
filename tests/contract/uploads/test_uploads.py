"""Uploads in a folder and in a bucket: kept whole or not at all, under the job's id alone."""

from __future__ import annotations

import asyncio
import errno
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.adapters.s3.client import S3Options
from control_plane.adapters.uploads import FileUploads, S3Uploads, open_s3_uploads
from control_plane.adapters.uploads import files as files_module
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.servers.aws import AwsServer
from tests.servers.scripted import Asked, head_of, scripted
from tests.unit.fakes import FakeClock

MAX_BYTES = 100_000
PHOTO = bytes(range(256)) * 10


def s3_options(endpoint_url: str) -> S3Options:
    return S3Options(
        endpoint_url=endpoint_url,
        region=AwsServer.region,
        is_path_style=True,
        access_key_id=AwsServer.access_key_id,
        secret_access_key=AwsServer.secret_access_key,
    )


@pytest.fixture(params=["files", "s3"])
async def uploads(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[FileUploads | S3Uploads]:
    if request.param == "files":
        yield FileUploads(tmp_path / "state" / "uploads", max_bytes=MAX_BYTES, clock=FakeClock())
        return
    aws: AwsServer = request.getfixturevalue("aws")
    async with open_s3_uploads(
        aws.new_bucket(),
        "waiting/",
        s3_options(aws.endpoint_url),
        max_bytes=MAX_BYTES,
        timeout_s=20,
    ) as opened:
        yield opened


def job_id() -> str:
    return str(uuid.uuid4())


async def refusal_of(call: object) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as caught:
        await call  # type: ignore[misc]
    return caught.value


async def test_what_is_put_can_be_got_until_it_is_removed(uploads: FileUploads | S3Uploads) -> None:
    one, other = job_id(), job_id()
    await uploads.put(one, PHOTO)
    await uploads.put(other, b"another")
    assert await uploads.get(one) == PHOTO
    await uploads.remove(one)
    assert (await refusal_of(uploads.get(one))).code is ErrorCode.PHOTO_NOT_FOUND
    assert await uploads.get(other) == b"another"


async def test_putting_again_is_the_same_upload(uploads: FileUploads | S3Uploads) -> None:
    one = job_id()
    await asyncio.gather(*(uploads.put(one, PHOTO) for _ in range(3)))
    assert await uploads.get(one.upper()) == PHOTO


async def test_one_that_is_not_there_is_removed_without_an_error(
    uploads: FileUploads | S3Uploads,
) -> None:
    await uploads.remove(job_id())
    assert (await refusal_of(uploads.get(job_id()))).code is ErrorCode.PHOTO_NOT_FOUND


@pytest.mark.parametrize(
    "name", ["../a", "a", "", "a/b", f"{uuid.UUID(int=1)}/..", f"{uuid.UUID(int=1)}\n"]
)
async def test_what_is_no_jobs_id_is_never_a_name(
    uploads: FileUploads | S3Uploads, name: str
) -> None:
    for call in (uploads.put(name, PHOTO), uploads.get(name), uploads.remove(name)):
        with pytest.raises(ValueError, match="not the id of a job"):
            await call


async def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    one = job_id()
    await FileUploads(folder, max_bytes=MAX_BYTES, clock=FakeClock()).put(one, PHOTO)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / one).stat().st_mode & 0o777 == 0o600
    assert os.listdir(folder) == [one]


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EIO, "does not take it")]
)
@pytest.mark.parametrize("step", ["write", "fsync"])
async def test_a_disk_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, words: str
) -> None:
    real_write = os.write

    def fail(descriptor: int, data: bytes = b"") -> int:
        if step == "write":
            real_write(descriptor, data[:100])
        raise OSError(number, "the disk's own words")

    (tmp_path / "uploads").mkdir()
    uploads = FileUploads(tmp_path / "uploads", max_bytes=MAX_BYTES, clock=FakeClock())
    monkeypatch.setattr(files_module.os, step, fail)
    one = job_id()
    refusal = await refusal_of(uploads.put(one, PHOTO))
    monkeypatch.undo()
    assert (refusal.code, refusal.is_retryable) == (ErrorCode.PHOTO_UNAVAILABLE, True)
    assert words in refusal.message
    assert os.listdir(tmp_path / "uploads") == []
    await uploads.put(one, PHOTO)
    assert await uploads.get(one) == PHOTO


async def test_more_than_may_wait_is_refused_until_some_is_removed(tmp_path: Path) -> None:
    clock = FakeClock()
    uploads = FileUploads(tmp_path / "uploads", max_bytes=3 * len(PHOTO), clock=clock)
    kept = [job_id() for _ in range(3)]
    for one in kept:
        await uploads.put(one, PHOTO)
    refusal = await refusal_of(uploads.put(job_id(), PHOTO))
    assert (refusal.code, "uploads.max_bytes" in refusal.message) == (
        ErrorCode.PHOTO_UNAVAILABLE,
        True,
    )
    await uploads.remove(kept[0])
    await uploads.put(job_id(), PHOTO)
    # What another process removed is seen at the next look.
    (tmp_path / "uploads" / kept[1]).unlink()
    await refusal_of(uploads.put(job_id(), PHOTO))
    clock.advance(files_module.COUNT_EVERY_S + 1)
    await uploads.put(job_id(), PHOTO)


async def test_what_a_crash_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    old, young = folder / ".a.part", folder / ".b.part"
    for path in (old, young):
        path.write_bytes(PHOTO)
    os.utime(old, (1.0, young.stat().st_mtime - files_module.ABANDONED_AFTER_S - 1))
    one = job_id()
    await FileUploads(folder, max_bytes=MAX_BYTES, clock=FakeClock()).put(one, PHOTO)
    assert sorted(os.listdir(folder)) == [".b.part", one]


async def test_a_folder_that_cannot_be_read_is_no_missing_photo(tmp_path: Path) -> None:
    (tmp_path / "uploads").write_bytes(b"not a folder")
    uploads = FileUploads(tmp_path / "uploads", max_bytes=MAX_BYTES, clock=FakeClock())
    for call in (
        uploads.put(job_id(), PHOTO),
        uploads.get(job_id()),
        uploads.remove(job_id()),
    ):
        assert (await refusal_of(call)).code is ErrorCode.PHOTO_UNAVAILABLE


async def test_a_bucket_that_is_not_there_is_our_own_fault(aws: AwsServer) -> None:
    async with open_s3_uploads(
        "not-there", "", s3_options(aws.endpoint_url), max_bytes=MAX_BYTES, timeout_s=20
    ) as uploads:
        for call in (uploads.put(job_id(), PHOTO), uploads.get(job_id())):
            refusal = await refusal_of(call)
            assert refusal.code is ErrorCode.PHOTO_UNAVAILABLE
            assert "NoSuchBucket" in refusal.message


@pytest.mark.parametrize(
    ("status", "attempts"), [(500, 3), (503, 3), (403, 1)], ids=["fault", "busy", "denied"]
)
async def test_an_s3_that_does_not_confirm_keeps_nothing(status: int, attempts: int) -> None:
    async def refuse(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(status, Content_Length=0))

    async with (
        scripted(refuse) as server,
        open_s3_uploads(
            "roofs",
            "",
            s3_options(f"http://127.0.0.1:{server.port}"),
            max_bytes=MAX_BYTES,
            timeout_s=20,
        ) as uploads,
    ):
        refusal = await refusal_of(uploads.put(job_id(), PHOTO))
        assert refusal.code is ErrorCode.PHOTO_UNAVAILABLE
        assert len(server.asked) == attempts
        assert (await refusal_of(uploads.remove(job_id()))).code is ErrorCode.PHOTO_UNAVAILABLE


async def test_old_ones_are_found_page_by_page(uploads: FileUploads | S3Uploads) -> None:
    ids = sorted(job_id() for _ in range(5))
    for one in ids:
        await uploads.put(one, PHOTO)
    assert await uploads.old(after="", age_s=60.0, limit=10) == ()
    # Of now, by clocks that may differ a little.
    first = await uploads.old(after="", age_s=-60.0, limit=3)
    assert first == tuple(ids[:3])
    assert await uploads.old(after=first[-1], age_s=-60.0, limit=3) == tuple(ids[3:])
    assert await uploads.old(after=ids[-1], age_s=-60.0, limit=3) == ()
