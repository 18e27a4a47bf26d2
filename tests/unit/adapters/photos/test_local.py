"""LocalPhotos on real files: what is below a root is read, what is not is never touched."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.adapters.photos import LocalPhotos
from control_plane.adapters.photos import local as photos_module
from control_plane.errors import ControlPlaneError, ErrorCode

MAX_BYTES = 1000
SECRET = b"not for you"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An allowed folder with photos in it, beside a secret that is not below it."""
    root = tmp_path / "photos"
    (root / "roofs").mkdir(parents=True)
    (root / "a.jpg").write_bytes(b"a photo")
    (root / "roofs" / "ü 1?#%.jpg").write_bytes(b"a roof")
    (tmp_path / "secret.jpg").write_bytes(SECRET)
    (tmp_path / "photos-private").mkdir()
    (tmp_path / "photos-private" / "b.jpg").write_bytes(SECRET)
    return root


@pytest.fixture
def photos(root: Path) -> LocalPhotos:
    return LocalPhotos([root], MAX_BYTES)


async def refusal_of(photos: LocalPhotos, url: str) -> ControlPlaneError:
    """The refusal, after which a good photo must still come."""
    with pytest.raises(ControlPlaneError) as refusal:
        await photos.fetch(url)
    assert refusal.value.field == "photo_url"
    return refusal.value


@pytest.mark.parametrize("prefix", ["file://", "file://localhost", "FILE://LocalHost", "file:"])
async def test_a_photo_below_the_root_is_read(photos: LocalPhotos, root: Path, prefix: str) -> None:
    assert await photos.fetch(f"{prefix}{root}/a.jpg") == b"a photo"


async def test_percent_encoding_is_decoded_once(photos: LocalPhotos, root: Path) -> None:
    url = f"file://{quote(str(root))}/./roofs//{quote('ü 1?#%.jpg')}"
    assert await photos.fetch(url) == b"a roof"
    twice = f"file://{root}/roofs/{quote(quote('ü 1?#%.jpg'))}"
    assert (await refusal_of(photos, twice)).code is ErrorCode.PHOTO_NOT_FOUND


async def test_a_root_that_is_a_link_works_under_both_its_names(root: Path, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(root)
    photos = LocalPhotos([alias], MAX_BYTES)
    assert await photos.fetch(f"file://{alias}/a.jpg") == b"a photo"
    assert await photos.fetch(f"file://{root}/a.jpg") == b"a photo"


async def test_nested_roots_and_the_whole_machine_work(root: Path) -> None:
    for roots in ([root, root / "roofs"], ["/"]):
        assert await LocalPhotos(roots, MAX_BYTES).fetch(f"file://{root}/a.jpg") == b"a photo"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://example.com/a.jpg", "allowed: file://"),
        ("s3://bucket/a.jpg", "allowed: file://"),
        ("data:image/jpeg;base64,AAAA", "allowed: file://"),
        ("/etc/passwd", "allowed: file://"),
        ("", "allowed: file://"),
        ("file://example.com/a.jpg", "names a host"),
        ("file://user@localhost/a.jpg", "names a host"),
        ("file:///a.jpg?x=1", "query or a fragment"),
        ("file:///a.jpg?", "query or a fragment"),
        ("file:///a.jpg#x", "query or a fragment"),
        ("file:a.jpg", "absolute path"),
        ("file://", "absolute path"),
        ("file:///a%2", "percent-encoding"),
        ("file:///a%zz.jpg", "percent-encoding"),
        ("file:///a%00.jpg", "NUL"),
        ("file:///a\x00.jpg", "control character"),
        ("file:///a\n.jpg", "control character"),
        ("fi\tle:///a.jpg", "control character"),
        ("file:///a b.jpg", "space"),
        ("file:///\ud800.jpg", "not Unicode"),
        ("file://[::1/a.jpg", "not a URL"),
        ("file:///" + "a" * 5000, "4096"),
    ],
)
async def test_a_malformed_url_is_named(photos: LocalPhotos, url: str, words: str) -> None:
    refusal = await refusal_of(photos, url)
    assert refusal.code is ErrorCode.INVALID_ARGUMENT
    assert words in refusal.message


async def test_outside_the_roots_is_forbidden_whether_or_not_it_exists(
    photos: LocalPhotos, root: Path, tmp_path: Path
) -> None:
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "dangling.jpg").symlink_to(tmp_path / "nothing.jpg")
    (root / "out").symlink_to(tmp_path)
    (root / "inward.jpg").symlink_to(root / "a.jpg")
    (root / "loop").symlink_to(root / "loop")
    paths = [
        f"{tmp_path}/secret.jpg",
        f"{tmp_path}/nothing.jpg",
        f"{tmp_path}/photos-private/b.jpg",
        "/etc/passwd",
        "/",
        f"{root}",
        f"{root}/",
        f"{root}/../secret.jpg",
        f"{root}/%2e%2e/secret.jpg",
        f"{root}%2f..%2fsecret.jpg",
        f"{root}/../nothing.jpg",
        f"{root}/roofs/../a.jpg",
        f"{root}/link.jpg",
        f"{root}/dangling.jpg",
        f"{root}/out/secret.jpg",
        f"{root}/out/nothing.jpg",
        f"{root}/inward.jpg",
        f"{root}/loop",
        f"{root}/loop/a.jpg",
    ]
    refusals = [await refusal_of(photos, f"file://{path}") for path in paths]
    assert {refusal.code for refusal in refusals} == {ErrorCode.PHOTO_FORBIDDEN}
    assert len({refusal.message for refusal in refusals}) == 1
    assert "photos.allowed_roots" in refusals[0].message
    assert await photos.fetch(f"file://{root}/a.jpg") == b"a photo"


async def test_without_roots_the_refusal_names_the_setting(root: Path) -> None:
    refusal = await refusal_of(LocalPhotos([], MAX_BYTES), f"file://{root}/a.jpg")
    assert refusal.code is ErrorCode.PHOTO_FORBIDDEN
    assert "photos.allowed_roots" in refusal.message


@pytest.mark.parametrize("name", ["missing.jpg", "a.jpg/b.jpg", "none/a.jpg", "n" * 300, "a%ff"])
async def test_a_missing_file_below_the_root_is_not_found(
    photos: LocalPhotos, root: Path, name: str
) -> None:
    refusal = await refusal_of(photos, f"file://{root}/{name}")
    assert refusal.code is ErrorCode.PHOTO_NOT_FOUND
    assert str(root) not in refusal.message


async def test_a_root_that_is_gone_is_not_found(tmp_path: Path) -> None:
    photos = LocalPhotos([tmp_path / "gone"], MAX_BYTES)
    refusal = await refusal_of(photos, f"file://{tmp_path}/gone/a.jpg")
    assert refusal.code is ErrorCode.PHOTO_NOT_FOUND


async def test_what_is_no_regular_file_is_refused_without_waiting(
    photos: LocalPhotos, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(root / "fifo.jpg")
    monkeypatch.chdir(root)  # a socket's name has a short limit
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        async with asyncio.timeout(5):
            for name in ("fifo.jpg", "socket.jpg", "roofs"):
                refusal = await refusal_of(photos, f"file://{root}/{name}")
                assert refusal.code is ErrorCode.PHOTO_FORBIDDEN
        device = await refusal_of(LocalPhotos(["/dev"], MAX_BYTES), "file:///dev/zero")
        assert device.code is ErrorCode.PHOTO_FORBIDDEN
        assert "not a regular file" in device.message


async def test_the_byte_limit_is_named_and_exact(photos: LocalPhotos, root: Path) -> None:
    (root / "fits.jpg").write_bytes(b"x" * MAX_BYTES)
    (root / "large.jpg").write_bytes(b"x" * (MAX_BYTES + 1))
    assert len(await photos.fetch(f"file://{root}/fits.jpg")) == MAX_BYTES
    refusal = await refusal_of(photos, f"file://{root}/large.jpg")
    assert refusal.code is ErrorCode.PHOTO_TOO_LARGE
    assert "1001" in refusal.message
    assert "1000" in refusal.message


async def test_a_file_that_hides_its_size_is_read_to_the_limit_only() -> None:
    """Files of /proc say 0 bytes and hold more."""
    photos = LocalPhotos(["/proc/self"], 10)
    refusal = await refusal_of(photos, "file:///proc/self/maps")
    assert refusal.code is ErrorCode.PHOTO_TOO_LARGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(13, "denied"), ErrorCode.PHOTO_FORBIDDEN),
        (OSError(24, "too many open files"), ErrorCode.OVERLOADED),
        (OSError(5, "the disk's own words"), ErrorCode.PHOTO_FORBIDDEN),
    ],
)
def test_the_machines_own_words_are_not_passed_on(error: OSError, code: ErrorCode) -> None:
    explained = photos_module._explain(error)
    assert explained.code is code
    assert str(error.strerror) not in explained.message


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_no_descriptor_is_left_open(photos: LocalPhotos, root: Path) -> None:
    await photos.fetch(f"file://{root}/a.jpg")
    before = open_descriptors()
    for name in ("a.jpg", "roofs", "none/a.jpg", "missing.jpg"):
        for _ in range(5):
            try:
                await photos.fetch(f"file://{root}/{name}")
            except ControlPlaneError:
                continue
    assert open_descriptors() == before


async def test_a_folder_swapped_for_a_link_while_it_is_opened_gives_nothing_away(
    photos: LocalPhotos, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The swap happens between the opening of the root and that of the folder below it."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "a.jpg").write_bytes(SECRET)
    real_open = os.open

    def swap_then_open(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if path == "roofs":
            (root / "roofs").rename(root / "was-roofs")
            (root / "roofs").symlink_to(tmp_path / "private")
        return real_open(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(photos_module.os, "open", swap_then_open)
    refusal = await refusal_of(photos, f"file://{root}/roofs/a.jpg")
    assert refusal.code is ErrorCode.PHOTO_FORBIDDEN


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "..",
                ".",
                "",
                "%2e%2e",
                "a.jpg",
                "roofs",
                "out",
                "secret.jpg",
                "%2f",
                "\\",
                "~",
                "%00",
            ]
        ),
        st.text(max_size=5),
    ),
    max_size=8,
)


@given(pieces=PIECES, prefix=st.sampled_from(["file://", "file:", "file://localhost", ""]))
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_url_reaches_what_is_outside(
    photos: LocalPhotos, root: Path, tmp_path: Path, pieces: list[str], prefix: str
) -> None:
    out = root / "out"
    if not out.is_symlink():
        out.symlink_to(tmp_path)
    try:
        photo = asyncio.run(photos.fetch(f"{prefix}{root}/{'/'.join(pieces)}"))
    except ControlPlaneError as refusal:
        assert refusal.is_callers_mistake  # noqa: PT017 - either ending is a pass
    else:
        assert photo in (b"a photo", b"a roof")
