"""Photo URLs as somebody would write them who wants in: refused before anything is asked."""

from __future__ import annotations

from pathlib import Path

import httpcore
import pytest

from control_plane.adapters.photos import HttpsPhotos, LocalPhotos, PhotosByScheme, S3Photos
from control_plane.adapters.photos.urls import MAX_URL_CHARACTERS
from control_plane.errors import ControlPlaneError, ErrorCode

FORBIDDEN, MALFORMED = ErrorCode.PHOTO_FORBIDDEN, ErrorCode.INVALID_ARGUMENT


def https(*hosts: str) -> HttpsPhotos:
    return HttpsPhotos(httpcore.AsyncConnectionPool(), hosts, max_bytes=1000, timeout_s=1)


def s3(*buckets: str) -> S3Photos:
    return S3Photos(None, buckets, max_bytes=1000, timeout_s=1)


def refusal_of(photos: HttpsPhotos | S3Photos | PhotosByScheme, url: str) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as caught:
        photos.check(url)
    assert caught.value.field == "photo_url"
    return caught.value


HTTPS_URLS = [
    ("https://elsewhere.example/a.jpg", FORBIDDEN),
    ("https://sub.photos.example/a.jpg", FORBIDDEN),
    ("https://photos.example.evil.example/a.jpg", FORBIDDEN),
    ("https://photos.example./a.jpg", FORBIDDEN),
    ("https://photos.example:444/a.jpg", FORBIDDEN),
    ("https://photos.example:80/a.jpg", FORBIDDEN),
    ("https://photos.example:0/a.jpg", FORBIDDEN),
    ("https://cdn.example/a.jpg", FORBIDDEN),  # only its port 8443 is allowed
    ("https://127.0.0.1/", FORBIDDEN),
    ("https://127.1/", FORBIDDEN),
    ("https://2130706433/", FORBIDDEN),
    ("https://0x7f000001/", FORBIDDEN),
    ("https://0x7f.0.0.1/", FORBIDDEN),
    ("https://0177.0.0.1/", FORBIDDEN),
    ("https://017700000001/", FORBIDDEN),
    ("https://[::1]/", FORBIDDEN),
    ("https://[::ffff:127.0.0.1]/", FORBIDDEN),
    ("https://[0:0:0:0:0:ffff:7f00:1]/", FORBIDDEN),
    ("https://169.254.169.254/latest/meta-data/", FORBIDDEN),
    ("https://localhost/", FORBIDDEN),
    ("https://LOCALHOST/", FORBIDDEN),
    ("https://localhost./", FORBIDDEN),
    ("https://%31%32%37.0.0.1/", FORBIDDEN),
    ("https://photos%2Eexample/", FORBIDDEN),
    ("https://xn--bcher-kva.elsewhere/", FORBIDDEN),
    ("https://\uff11\uff12\uff17.0.0.1/", MALFORMED),  # full-width digits
    ("https://127\u30020\u30020\u30021/", MALFORMED),  # ideographic full stops
    ("https://b\u00fccher.example/a.jpg", MALFORMED),
    ("https://photos.example/b\u00fccher.jpg", MALFORMED),
    ("https://photos.example@127.0.0.1/", MALFORMED),
    ("https://user:secret@photos.example/a.jpg", MALFORMED),
    ("https://127.0.0.1\\@photos.example/", MALFORMED),
    ("https://photos.example\\.evil.example/", MALFORMED),
    ("https://photos.example/a.jpg#b", MALFORMED),
    ("https://photos.example/%zz", MALFORMED),
    ("https://photos.example/?a=%2", MALFORMED),
    ("https://photos.example/%4?1", MALFORMED),
    ("https://photos.example:x/", MALFORMED),
    ("https://photos.example:99999/", MALFORMED),
    ("https://[::1/", MALFORMED),
    ("https:///a.jpg", MALFORMED),
    ("https:a.jpg", MALFORMED),
    ("https://photos.example/a b.jpg", MALFORMED),
    ("https://photos.example/\r\nHost: evil", MALFORMED),
    ("https://photos.example/" + "a" * MAX_URL_CHARACTERS, MALFORMED),
    ("http://photos.example/a.jpg", MALFORMED),
]


@pytest.mark.parametrize(("url", "code"), HTTPS_URLS)
def test_an_https_url_that_does_not_name_an_allowed_host(url: str, code: ErrorCode) -> None:
    photos = https("photos.example", "cdn.example:8443", "xn--bcher-kva.example")
    refusal = refusal_of(photos, url)
    assert refusal.code is code
    assert "secret" not in refusal.message


@pytest.mark.parametrize(
    "url",
    [
        "https://photos.example/a.jpg",
        "https://photos.example",
        "https://photos.example:443/a.jpg?signature=a/b",
        "HTTPS://Photos.EXAMPLE/a.jpg",
        "https://cdn.example:8443/a.jpg",
        "https://xn--bcher-kva.example/a.jpg",
        "https://XN--BCHER-KVA.example/a.jpg",
    ],
)
def test_an_https_url_that_names_one(url: str) -> None:
    https("photos.example", "cdn.example:8443", "xn--bcher-kva.example").check(url)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("s3://other/a.jpg", FORBIDDEN),
        ("s3://Roofs/a.jpg", FORBIDDEN),
        ("s3://roofs:443/a.jpg", FORBIDDEN),
        ("s3://user@roofs/a.jpg", FORBIDDEN),
        ("s3://roofs%2Fx/a.jpg", FORBIDDEN),
        ("s3://roofs/../other/a.jpg", FORBIDDEN),
        ("s3://roofs/a/%2e%2E/b.jpg", FORBIDDEN),
        ("s3://roofs/./a.jpg", FORBIDDEN),
        ("s3://roofs/a%2F..%2Fb.jpg", FORBIDDEN),
        ("s3://roofs", MALFORMED),
        ("s3://roofs/", MALFORMED),
        ("s3:///a.jpg", MALFORMED),
        ("s3:roofs/a.jpg", MALFORMED),
        ("s3://roofs/a.jpg?versionId=1", MALFORMED),
        ("s3://roofs/a.jpg#1", MALFORMED),
        ("s3://roofs/a b.jpg", MALFORMED),
        ("s3://roofs/a%00.jpg", MALFORMED),
        ("s3://roofs/a%ff.jpg", MALFORMED),
        ("s3://roofs/a%2.jpg", MALFORMED),
        ("s3://roofs/\ud800.jpg", MALFORMED),
        ("s3://roofs/" + "a" * 1025, MALFORMED),
        ("https://roofs/a.jpg", MALFORMED),
    ],
)
def test_an_s3_url_that_names_no_object_of_an_allowed_bucket(url: str, code: ErrorCode) -> None:
    assert refusal_of(s3("roofs"), url).code is code


@pytest.mark.parametrize(
    "key", ["a.jpg", "/a", "..a/b..", "a" * 1024, "%C3%BC.jpg", "ü.jpg", "a+b"]
)
def test_an_s3_url_that_names_one(key: str) -> None:
    s3("roofs").check(f"s3://roofs/{key}")


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("file:///a.jpg", "photos.allowed_roots"),
        ("s3://roofs/a.jpg", "photos.buckets"),
        ("https://photos.example/a.jpg", "photos.https_hosts"),
    ],
)
async def test_a_scheme_that_is_switched_off_names_its_setting(url: str, setting: str) -> None:
    photos = PhotosByScheme({"file": LocalPhotos([], 1000), "s3": s3(), "https": https()})
    refusal = refusal_of(photos, url)
    assert (refusal.code, setting in refusal.message) == (FORBIDDEN, True)
    with pytest.raises(ControlPlaneError, match="switched off"):
        await photos.fetch(url)


@pytest.mark.parametrize(
    "url", ["ftp://a/b", "http://photos.example/a.jpg", "data:,a", "/a.jpg", ""]
)
def test_another_scheme_is_told_which_are_switched_on(url: str) -> None:
    some = PhotosByScheme({"file": LocalPhotos([], 9), "s3": s3("a"), "https": https("b")})
    assert "allowed: s3://, https://" in refusal_of(some, url).message
    none = PhotosByScheme({"file": LocalPhotos([], 9), "s3": s3(), "https": https()})
    assert "allowed: none" in refusal_of(none, url).message


async def test_a_url_goes_to_the_source_of_its_scheme(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a photo")
    photos = PhotosByScheme({"file": LocalPhotos([str(tmp_path)], 1000), "s3": s3("roofs")})
    assert await photos.fetch(f"file://{tmp_path}/a.jpg") == b"a photo"
    photos.check("s3://roofs/a.jpg")
