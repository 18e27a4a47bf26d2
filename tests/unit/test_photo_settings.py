"""The settings of photos, S3, uploads and the result cache: what they take and what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from control_plane.errors import ConfigurationError
from control_plane.settings import (
    CacheSettings,
    PhotoSettings,
    S3Settings,
    Settings,
    UploadSettings,
    load_settings,
)

SECRET = "correct-horse"


def refusal_of(section: Any, **values: object) -> str:
    with pytest.raises(ValidationError) as caught:
        section(**values)
    return str(caught.value.errors(include_url=False)[0]["msg"])


def test_by_default_no_photo_comes_from_anywhere_and_results_stay_in_memory() -> None:
    settings = Settings()
    assert settings.photos.allowed_roots == settings.photos.buckets == ()
    assert settings.photos.https_hosts == settings.photos.https_networks == ()
    assert settings.uploads.place is None
    assert settings.uploads_folder == Path("state/uploads")
    assert (settings.cache.kind, settings.cache.ttl_s) == ("memory", 300)


def test_hosts_are_kept_in_lower_case() -> None:
    photos = PhotoSettings(https_hosts=("Photos.Example", "cdn.example:8443", "10.1.2.3"))
    assert photos.https_hosts == ("photos.example", "cdn.example:8443", "10.1.2.3")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "https://photos.example",
        "*.photos.example",
        "photos.example/",
        "photos.example.",
        ".photos.example",
        "user@photos.example",
        "photos.example:0",
        "photos.example:65536",
        "photos.example:",
        "[::1]",
        "bücher.example",
        "photos example",
        "-a.example",
    ],
)
def test_a_host_is_a_whole_name_and_nothing_else(host: str) -> None:
    assert "whole name" in refusal_of(PhotoSettings, https_hosts=(host,))


@pytest.mark.parametrize("bucket", ["", "ab", "Roofs", "s3://roofs", "roofs/", "a_b_c", "a" * 64])
def test_a_bucket_is_a_bare_name(bucket: str) -> None:
    assert PhotoSettings(buckets=("roofs.2025",)).buckets == ("roofs.2025",)
    assert refusal_of(PhotoSettings, buckets=(bucket,))


@pytest.mark.parametrize("block", ["10.1.2.3/16", "inner", "10.0.0.0/33", ""])
def test_a_network_is_a_block_of_addresses(block: str) -> None:
    assert PhotoSettings(https_networks=("10.1.0.0/16", "fd12::/16")).https_networks
    assert "block" in refusal_of(PhotoSettings, https_networks=(block,))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://roofs", ("roofs", "")),
        ("s3://roofs/", ("roofs", "")),
        ("s3://roofs/waiting", ("roofs", "waiting/")),
        ("s3://roofs/a/b/", ("roofs", "a/b/")),
    ],
)
def test_where_uploads_are_kept(url: str, place: tuple[str, str]) -> None:
    assert UploadSettings(url=url).place == place


@pytest.mark.parametrize(
    "url",
    ["", "roofs", "/var/uploads", "s3://", "s3://Roofs/a", "s3://roofs/../b", "s3://roofs/a?b"],
)
def test_uploads_are_kept_in_the_folder_or_in_s3(url: str) -> None:
    assert "s3://bucket/prefix" in refusal_of(UploadSettings, url=url)


@pytest.mark.parametrize(
    "url",
    [
        *("minio:9000", "ftp://minio", "http://minio:9000/?a", f"http://u:{SECRET}@minio:9000"),
        *("http://", "http://minio:s3", "http://minio:65536", "http://[::1", "http://:9000"),
    ],
)
def test_an_endpoint_is_an_address_without_credentials(url: str) -> None:
    assert SECRET not in refusal_of(S3Settings, endpoint_url=url)


def test_a_key_has_its_secret() -> None:
    S3Settings(access_key_id="AKIA", secret_access_key=SecretStr(SECRET))
    for values in ({"access_key_id": "AKIA"}, {"secret_access_key": SECRET}):
        assert "neither" in refusal_of(S3Settings, **values)


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache",
        "rediss://cache:6380/1",
        f"redis://:{SECRET}@cache/0",
        f"redis://u:{SECRET}@h",
        "redis://[::1]:6379/0",
    ],
)
def test_a_redis(url: str) -> None:
    assert CacheSettings(kind="redis", url=SecretStr(url)).url is not None


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "cache:6379",
            f"http://:{SECRET}@cache",
            f"redis://:{SECRET}@cache/0?db=1",
            "redis://",
        ),
        *(f"redis://cache?password={SECRET}", f"redis://u:{SECRET}?@cache", "redis://cache#a/0"),
        *("redis://cache:six/0", "redis://cache:65536", "redis://cache:0", "redis://[::1/0"),
    ],
)
def test_what_is_no_redis(url: str) -> None:
    words = refusal_of(CacheSettings, kind="redis", url=url)
    assert "redis://" in words
    assert SECRET not in words


def test_a_redis_needs_its_url() -> None:
    assert "should be given" in refusal_of(CacheSettings, kind="redis")


def test_no_secret_is_shown() -> None:
    environ = {
        "TIDEGATE_CACHE__KIND": "redis",
        "TIDEGATE_CACHE__URL": f"redis://tidegate:{SECRET}@cache:6379/0",
        "TIDEGATE_S3__ACCESS_KEY_ID": "AKIA",
        "TIDEGATE_S3__SECRET_ACCESS_KEY": SECRET,
        "TIDEGATE_PHOTOS__BUCKETS": "roofs,more-roofs",
    }
    settings = load_settings(None, {}, environ).settings
    assert settings.photos.buckets == ("roofs", "more-roofs")
    shown = settings.model_dump(mode="json")
    assert shown["cache"]["url"] == "redis://tidegate:***@cache:6379/0"
    assert SECRET not in repr(settings) + str(shown)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CACHE__URL", f"redis://u:{SECRET}@cache/x"),
        ("S3__ENDPOINT_URL", f"http://u:{SECRET}@minio"),
        ("S3__ENDPOINT_URL", f"u:{SECRET}@minio"),
        ("UPLOADS__URL", f"s3://AKIA:{SECRET}@roofs"),
        ("PHOTOS__HTTPS_HOSTS", f"u:{SECRET}@photos.example"),
    ],
)
def test_a_wrong_url_is_not_shown_with_its_password(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {}, {f"TIDEGATE_{name}": value})
    assert SECRET not in str(caught.value)
