"""Which requests ask the same."""

from dataclasses import replace

import pytest

from control_plane.core.jobs import JobRequest
from control_plane.core.jobs.fingerprint import fingerprint

REQUEST = JobRequest(
    ("damage", "volume"),
    "roof-7",
    photo_url="s3://roofs/1.jpg",
    photo_id="photo-1",
    releases={"damage": "1.0.0", "volume": "stable"},
    metadata={"project_id": "p"},
    routing_key="caller",
)


def test_the_order_of_names_and_the_correlation_id_do_not_matter() -> None:
    same = replace(
        REQUEST,
        engines=("volume", "damage"),
        releases={"volume": "stable", "damage": "1.0.0"},
        correlation_id="another one",
    )
    assert fingerprint(same) == fingerprint(REQUEST)


@pytest.mark.parametrize(
    "other",
    [
        {"engines": ("damage",)},
        {"photo_url": "s3://roofs/2.jpg"},
        {"photo_id": None},
        {"releases": {}},
        {"metadata": {"project_id": "\ud800"}},
        {"routing_key": None},
    ],
)
def test_whatever_else_is_asked_does(other: dict[str, object]) -> None:
    assert fingerprint(replace(REQUEST, **other)) != fingerprint(REQUEST)  # type: ignore[arg-type]


def test_so_does_the_photo() -> None:
    assert len({fingerprint(REQUEST, photo) for photo in (None, "a", "b")}) == 3
