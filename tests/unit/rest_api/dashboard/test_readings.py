"""What has to be asked for is remembered, and who is away is not waited for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.dashboard.readings import (
    EVERY_S,
    GIVE_UP_S,
    MOST_KEPT,
    PATIENCE_S,
    Reading,
    Readings,
)
from tests.unit.virtual_time import run_virtually

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)


class Store:
    """Answers with the number of the question, after a while or not at all."""

    def __init__(self) -> None:
        self.asked = 0
        self.takes_s = 0.0
        self.error: Exception | None = None

    async def ask(self) -> int:
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        return self.asked


def make_readings() -> Readings:
    loop = asyncio.get_running_loop()
    return Readings(loop.time, lambda: NOON + timedelta(seconds=loop.time()))


def test_it_is_asked_every_few_seconds_for_all() -> None:
    async def main() -> None:
        store, readings = Store(), make_readings()
        first = await asyncio.gather(*(readings.read("audit", store.ask) for _ in range(5)))
        assert first == [Reading(1)] * 5
        assert await readings.read("audit", store.ask) == Reading(1)
        await asyncio.sleep(EVERY_S)
        assert await readings.read("audit", store.ask) == Reading(2)
        assert await readings.read("jobs", store.ask) == Reading(3)
        readings.expire()
        assert await readings.read("audit", store.ask) == Reading(4)

    run_virtually(main())


def test_a_slow_answer_is_waited_for_a_moment_and_comes_later() -> None:
    async def main() -> None:
        store, readings = Store(), make_readings()
        store.takes_s = PATIENCE_S + 0.5
        assert await readings.read("audit", store.ask) == Reading()
        assert asyncio.get_running_loop().time() == PATIENCE_S
        assert await readings.read("audit", store.ask) == Reading(1)
        assert store.asked == 1

    run_virtually(main())


def test_what_was_known_stays_with_what_is_wrong_and_since_when() -> None:
    async def main() -> None:
        store, readings = Store(), make_readings()
        await readings.read("audit", store.ask)
        store.error = ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "the store is away")
        await asyncio.sleep(EVERY_S)
        gone = await readings.read("audit", store.ask)
        since = NOON + timedelta(seconds=EVERY_S)
        assert gone == Reading(1, "the store is away", since)
        await asyncio.sleep(EVERY_S)
        await readings.read("audit", store.ask)
        await asyncio.sleep(0)
        assert await readings.read("audit", store.ask) == Reading(1, "the store is away", since)
        store.error = None
        await asyncio.sleep(EVERY_S)
        await readings.read("audit", store.ask)
        await asyncio.sleep(0.1)
        assert await readings.read("audit", store.ask) == Reading(store.asked)

    run_virtually(main())


def test_who_never_answers_is_given_up_and_not_waited_for_again() -> None:
    async def main() -> None:
        store, readings, loop = Store(), make_readings(), asyncio.get_running_loop()
        store.takes_s = 1e6
        await readings.read("audit", store.ask)
        await asyncio.sleep(GIVE_UP_S)
        before_s = loop.time()
        found = await readings.read("audit", store.ask)
        assert loop.time() == before_s
        assert (found.value, found.problem) == (None, f"no answer within {GIVE_UP_S:g} s")

    run_virtually(main())


def test_an_unexpected_error_is_logged_and_told_without_its_words() -> None:
    async def main() -> None:
        store, readings = Store(), make_readings()
        store.error = RuntimeError("a secret")
        with capture_logs() as logs:
            found = await readings.read("audit", store.ask)
        assert found.problem == "something went wrong here; the log has it"
        assert [line["key"] for line in logs] == ["audit"]

    run_virtually(main())


def test_only_so_many_answers_are_kept() -> None:
    async def main() -> None:
        store, readings = Store(), make_readings()
        for number in range(MOST_KEPT + 10):
            await readings.read(f"engine {number}", store.ask)
            await asyncio.sleep(0.001)
        assert len(readings._known) == MOST_KEPT
        assert await readings.read("engine 0", store.ask) == Reading(MOST_KEPT + 11)

    run_virtually(main())
