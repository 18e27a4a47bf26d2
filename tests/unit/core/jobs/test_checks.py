"""What a job may hold of what its caller wrote."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.core.jobs import JobRequest
from control_plane.core.jobs.checks import MAX_PHOTO_URL_CHARACTERS, check_request
from control_plane.errors import InvalidArgument

LONGEST = "s3://b/".ljust(MAX_PHOTO_URL_CHARACTERS, "é")


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"photo_url": LONGEST},
        {"routing_key": "Straße 7, №1 \U0001f3e0"},
        {"releases": {"damage": "1.0.0"}},
    ],
)
def test_what_can_be_stored_stays_as_it_is(good: dict[str, Any]) -> None:
    request = JobRequest(("damage",), "c-1", **good)
    assert check_request(request) is request


@pytest.mark.parametrize("bad", ["\x00", "a\nb", "\x7f", "\x85", "\x9f", "\ud800", chr(0xDFFF)])
@pytest.mark.parametrize("field", ["photo_url", "routing_key", "releases"])
def test_control_characters_are_refused_by_field(field: str, bad: str) -> None:
    value: Any = {"damage": bad} if field == "releases" else bad
    with pytest.raises(InvalidArgument) as refusal:
        check_request(JobRequest(("damage",), "c-1", **{field: value}))
    assert refusal.value.field == field
    assert refusal.value.message == f"{field} has control characters"


def test_a_photo_url_is_bounded() -> None:
    with pytest.raises(InvalidArgument) as refusal:
        check_request(JobRequest(("damage",), "c-1", photo_url=LONGEST + "x"))
    assert refusal.value.message == "photo_url has 4097 characters; the limit is 4096"
