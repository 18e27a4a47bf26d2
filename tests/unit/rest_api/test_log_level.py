"""The level of the log over REST."""

from __future__ import annotations

from tests.unit.fake_logs import FakeLevels, make_log_level
from tests.unit.rest_api.fakes import Edge

PATH = "/api/v1/log-level"


async def test_the_level_is_shown_and_changed() -> None:
    levels = FakeLevels()
    async with Edge(log_level=make_log_level(levels)).client() as client:
        shown = await client.get(PATH)
        changed = await client.put(PATH, json={"level": "debug", "who": "ada"})
        back = await client.put(PATH, json={"level": "info"})

    expected = {"plane": "gate-1", "level": "info", "configured": "info", "until": None}
    assert shown.json() == back.json() == expected
    assert changed.json() == {**expected, "level": "debug"}
    assert levels.seen == ["info", "debug", "info"]


async def test_with_a_duration_the_answer_says_when_it_goes_back() -> None:
    async with Edge().client() as client:
        changed = await client.put(PATH, json={"level": "debug", "for_s": 600})

    assert changed.json()["until"].startswith("2025-")


async def test_what_cannot_be_is_refused_and_changes_nothing() -> None:
    levels = FakeLevels()
    async with Edge(log_level=make_log_level(levels)).client() as client:
        for body in (
            {"level": "loud"},
            {"level": "debug", "for_s": 0},
            {"level": "debug", "for_s": 1e9},
            {"level": "debug", "who": "a\nb"},
            {"level": "debug", "logger": "x"},
            {},
        ):
            refused = await client.put(PATH, json=body)
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_argument")
        page = await client.put(PATH, content=b'{"level": "debug"}')
        assert page.status_code == 415

    assert levels.seen == ["info"]
