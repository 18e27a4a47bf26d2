"""Photos, uploads and the cache as the settings say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from control_plane.adapters.caches import MemoryCache, RedisCache
from control_plane.adapters.uploads import FileUploads, S3Uploads
from control_plane.bootstrap.cache import open_reuse
from control_plane.bootstrap.photos import open_photos, open_uploads
from control_plane.errors import ConfigurationError, ControlPlaneError
from control_plane.settings import (
    CacheSettings,
    PhotoSettings,
    S3Settings,
    Settings,
    UploadSettings,
)
from tests.unit.fakes import FakeClock

HERE = S3Settings(
    endpoint_url="http://127.0.0.1:1",
    region="eu-west-1",
    path_style=True,
    access_key_id="AKIA",
    secret_access_key=SecretStr("correct-horse"),
)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def test_each_scheme_opens_what_its_setting_says(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    photos = PhotoSettings(
        allowed_roots=(tmp_path,), buckets=("roofs",), https_hosts=("photos.example",)
    )
    opened = await open_photos(Settings(photos=photos, s3=HERE), stack)
    for url in (f"file://{tmp_path}/a", "s3://roofs/a", "https://photos.example/a"):
        opened.check(url)
    for url in ("file:///a", "s3://others/a", "https://elsewhere.example/a"):
        with pytest.raises(ControlPlaneError, match="not"):
            opened.check(url)


async def test_by_default_every_scheme_is_switched_off(stack: AsyncExitStack) -> None:
    opened = await open_photos(Settings(), stack)
    for url in ("file:///a", "s3://roofs/a", "https://photos.example/a"):
        with pytest.raises(ControlPlaneError, match="switched off"):
            opened.check(url)


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_file_of_no_certificates_is_a_mistake_in_the_settings(
    stack: AsyncExitStack, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match="https_ca_file"):
        await open_photos(Settings(photos=PhotoSettings(https_ca_file=file)), stack)


async def test_an_environment_of_aws_that_is_wrong_is_told_as_a_setting_is(
    stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match="config profile"):
        await open_photos(Settings(photos=PhotoSettings(buckets=("roofs",)), s3=HERE), stack)


async def test_uploads_wait_in_the_folder_or_in_the_bucket(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    settings = Settings(state_dir=tmp_path, s3=HERE)
    assert isinstance(await open_uploads(settings, stack, FakeClock()), FileUploads)
    settings = Settings(uploads=UploadSettings(url="s3://roofs/waiting"), s3=HERE)
    assert isinstance(await open_uploads(settings, stack, FakeClock()), S3Uploads)


async def test_the_cache_that_is_named(stack: AsyncExitStack) -> None:
    async def opened(**values: object) -> object:
        settings = Settings(cache=CacheSettings(**values))  # type: ignore[arg-type]
        reuse = await open_reuse(settings, stack, FakeClock())
        return None if reuse is None else type(reuse.cache)

    assert await opened() is MemoryCache
    assert await opened(kind="redis", url=SecretStr("redis://127.0.0.1:1")) is RedisCache
    assert await opened(kind="off") is None
