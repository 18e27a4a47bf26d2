"""A photo is fetched inside the request's deadline, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.core.deadline import Deadline
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.photo_fetch import fetch_photo
from tests.unit.fakes import FakeClock, FakePhotos


class HangingPhotos:
    """A source that never answers, and remembers that it was given up."""

    def __init__(self) -> None:
        self.was_given_up = False

    async def fetch(self, url: str) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            self.was_given_up = True
        raise AssertionError(url)


async def test_a_photo_within_the_deadline() -> None:
    clock = FakeClock()
    photos = FakePhotos({"file:///roof.jpg": b"photo"})
    deadline = Deadline.after(clock.now_s(), 5)
    assert await fetch_photo(photos, "file:///roof.jpg", deadline, clock) == b"photo"


async def test_what_the_source_refuses_is_passed_on() -> None:
    clock = FakeClock()
    with pytest.raises(ControlPlaneError) as caught:
        await fetch_photo(FakePhotos(), "file:///x", Deadline.after(clock.now_s(), 5), clock)
    assert caught.value.code is ErrorCode.PHOTO_NOT_FOUND


async def test_a_source_that_hangs_is_given_up_at_the_deadline() -> None:
    clock, photos = FakeClock(), HangingPhotos()
    with pytest.raises(ControlPlaneError) as caught:
        await fetch_photo(photos, "file:///x", Deadline.after(clock.now_s(), 0.01), clock)
    assert (caught.value.code, caught.value.field) == (ErrorCode.DEADLINE_EXCEEDED, "photo_url")
    assert photos.was_given_up
