"""Answers that are kept for feedback: found by either id, and forgotten by number and age."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.core.accuracy import KeptDetection, KeptResult
from tests.contract.feedback.conftest import Stage, Stores

BOX = {"x_min": 1.0, "y_min": 2.0, "x_max": 3.5, "y_max": 4.0}
FOUND = {"detections": [{"class": "hail", "confidence": 0.75, "box": BOX}]}
FOREVER_S = 1e6


def kept(
    name: str, *, request: str = "", volume_m3: float = 2.5, correlation: str = "c"
) -> KeptDetection:
    results = {
        "damage": KeptResult("1.1.0", FOUND),
        "volume": KeptResult("1.0.0", {"volume_m3": volume_m3}),
        "other": KeptResult("1.0.0", {}),
    }
    return KeptDetection(request or f"request-{name}", f"detection-{name}", results, correlation)


async def test_one_is_found_by_the_id_of_the_request_and_of_the_detection(
    feedback: Stores,
) -> None:
    await feedback.keep([kept("a"), kept("b")])
    assert await feedback.find("request-a") == kept("a")
    assert await feedback.find("detection-a") == kept("a")
    assert await feedback.find("detection-b") == kept("b")


async def test_what_was_never_kept_is_not_found(feedback: Stores) -> None:
    assert await feedback.find("request-a") is None
    await feedback.keep([])
    await feedback.keep([kept("a")])
    for name in ("request-b", "", "a\0b", "\ud800"):
        assert await feedback.find(name) is None


async def test_of_several_under_one_request_the_latest_is_found(feedback: Stores) -> None:
    await feedback.keep([kept("a", request="r", volume_m3=1.0)])
    await feedback.keep([kept("b", request="r", volume_m3=2.0)])
    assert await feedback.find("r") == kept("b", request="r", volume_m3=2.0)
    assert await feedback.find("detection-a") == kept("a", request="r", volume_m3=1.0)


async def test_the_requests_of_a_correlation_id_are_found_the_latest_first(
    feedback: Stores,
) -> None:
    await feedback.keep([kept("a", request="r"), kept("b", correlation="other"), kept("d")])
    await feedback.keep([kept("e", request="r"), kept("f", correlation="")])
    assert await feedback.requests_of("c", limit=9) == ("r", "request-d")
    assert await feedback.requests_of("c", limit=1) == ("r",)
    assert await feedback.requests_of("other", limit=9) == ("request-b",)
    for unknown in ("request-a", "", "a\0b", "\ud800"):
        assert await feedback.requests_of(unknown, limit=9) == ()
    await feedback.forget(most=2, keep_s=FOREVER_S, limit=100)
    assert await feedback.requests_of("c", limit=9) == ("r",)
    assert await feedback.find("request-f") == kept("f", correlation="")


async def test_another_plane_finds_it_too(stage: Stage) -> None:
    await stage.feedback.keep([kept("a")])
    async with stage.again() as other:
        assert await other.find("detection-a") == kept("a")


async def test_one_whose_id_cannot_be_stored_costs_the_others_nothing(feedback: Stores) -> None:
    await feedback.keep([kept("a\0"), kept("b"), kept("\ud800"), kept("c", correlation="\0")])
    assert await feedback.find("detection-b") == kept("b")


async def test_what_is_more_than_is_to_be_kept_is_dropped_the_oldest_first(
    feedback: Stores,
) -> None:
    await feedback.keep([kept(str(number)) for number in range(10)])
    assert await feedback.forget(most=4, keep_s=FOREVER_S, limit=100) == 6
    assert await feedback.find("detection-5") is None
    assert await feedback.find("detection-6") == kept("6")
    assert await feedback.forget(most=4, keep_s=FOREVER_S, limit=100) == 0


async def test_so_many_are_dropped_at_once(feedback: Stores) -> None:
    await feedback.keep([kept(str(number)) for number in range(10)])
    assert await feedback.forget(most=1, keep_s=FOREVER_S, limit=3) == 3
    assert await feedback.find("detection-2") is None
    assert await feedback.find("detection-3") == kept("3")


async def test_what_is_older_than_it_is_to_be_kept_is_dropped(feedback: Stores) -> None:
    assert await feedback.forget(most=100, keep_s=0.0, limit=100) == 0
    await feedback.keep([kept("a"), kept("b")])
    assert await feedback.forget(most=100, keep_s=FOREVER_S, limit=100) == 0
    async with asyncio.timeout(10):
        while await feedback.find("request-b"):
            await feedback.forget(most=100, keep_s=0.0, limit=100)
    assert await feedback.find("request-a") is None


async def test_what_was_dropped_under_an_id_does_not_hide_what_is_there(feedback: Stores) -> None:
    await feedback.keep([kept("a", request="r"), kept("b", request="r")])
    await feedback.forget(most=1, keep_s=FOREVER_S, limit=100)
    assert await feedback.find("r") == kept("b", request="r")


async def test_what_cannot_be_written_is_refused_and_nothing_is_kept(feedback: Stores) -> None:
    odd = KeptDetection("r", "d", {"damage": KeptResult("1.0.0", {"detections": [object()]})})
    with pytest.raises(TypeError):
        await feedback.keep([kept("a"), odd])
    assert await feedback.find("request-a") is None
