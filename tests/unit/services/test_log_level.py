"""The level of the log goes back by itself, and each change is a line that is written."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from structlog.testing import capture_logs

from tests.unit.fake_logs import NOON, FakeLevels, make_log_level
from tests.unit.virtual_time import run_virtually


async def test_it_holds_until_the_process_ends() -> None:
    levels = FakeLevels()
    level = make_log_level(levels)

    view = level.set("debug", who="ada")

    assert levels.level() == "debug"
    assert (view.plane, view.level, view.configured, view.until) == (
        "gate-1", "debug", "info", None,
    )  # fmt: skip
    assert level.now() == view


def test_it_goes_back_by_itself() -> None:
    levels = FakeLevels("warning")

    async def story() -> None:
        level = make_log_level(levels)
        view = level.set("debug", for_s=600, who="ada")
        assert view.until == NOON + timedelta(seconds=600)
        await asyncio.sleep(599)
        assert levels.level() == "debug"
        await asyncio.sleep(2)
        assert levels.level() == "warning"
        assert level.now().until is None

    run_virtually(story())


def test_whoever_asks_last_is_obeyed() -> None:
    levels = FakeLevels()

    async def story() -> None:
        level = make_log_level(levels)
        level.set("debug", for_s=10, who="ada")
        level.set("error", for_s=100, who="bob")
        await asyncio.sleep(50)
        assert levels.level() == "error"
        level.set("warning", who="cid")
        await asyncio.sleep(500)
        assert levels.level() == "warning"

    run_virtually(story())


async def test_the_level_of_the_settings_needs_no_end() -> None:
    level = make_log_level(FakeLevels("info"))
    level.set("debug", for_s=10, who="ada")

    assert level.set("info", for_s=10, who="ada").until is None


async def test_each_change_says_who_and_why() -> None:
    level = make_log_level()

    with capture_logs() as lines:
        view = level.set("debug", for_s=60, who="ada", reason="hail is missed")

    (line,) = lines
    assert view.until is not None
    assert line["event"] == "log level changed"
    assert line["log_level"] == "warning"
    assert (line["level_before"], line["level_now"]) == ("info", "debug")
    assert (line["who"], line["reason"], line["plane"]) == ("ada", "hail is missed", "gate-1")
    assert line["until"] == view.until.isoformat()
