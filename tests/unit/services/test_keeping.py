"""Answers on their way to where they are kept: bounded, found meanwhile, never in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from structlog.testing import capture_logs

from control_plane.adapters.stores import MemoryFeedback
from control_plane.core.accuracy import KeptDetection, keep
from control_plane.ports import StoreUnavailable
from control_plane.services.keeping import BATCH, FORGOTTEN_AT_ONCE, Keeping, KeepingOptions
from tests.unit.answers import answer


class Faulty(MemoryFeedback):
    """failure: what the next writes raise."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.failure: Exception | None = None
        self.batches: list[int] = []

    async def keep(self, detections: Sequence[KeptDetection]) -> None:
        if self.failure is not None:
            raise self.failure
        self.batches.append(len(detections))
        await super().keep(detections)

    async def forget(self, *, most: int, keep_s: float, limit: int) -> int:
        if self.failure is not None:
            raise self.failure
        return await super().forget(most=most, keep_s=keep_s, limit=limit)


async def test_an_answer_is_found_before_it_is_stored_and_after() -> None:
    store = Faulty()
    keeping = Keeping(store)
    keeping.take(answer("a"))
    kept = keep(answer("a"))
    for _ in range(2):
        assert await keeping.find("r-a") == kept
        assert await keeping.find("d-a") == kept
        await keeping.flush()
    assert keeping.waiting == 0
    assert store.batches == [1]
    assert await keeping.find("r-b") is None


async def test_of_several_answers_to_one_request_the_latest_is_found() -> None:
    keeping = Keeping(Faulty())
    keeping.take(answer("a", request="r"))
    keeping.take(answer("b", request="r"))
    assert await keeping.find("r") == keep(answer("b", request="r"))
    await keeping.flush()
    assert await keeping.find("r") == keep(answer("b", request="r"))
    assert await keeping.find("d-a") == keep(answer("a", request="r"))


async def test_the_requests_of_a_correlation_id_are_found_before_they_are_stored_and_after() -> (
    None
):
    keeping = Keeping(Faulty())
    for name in ("a", "b"):
        keeping.take(answer(name))
    keeping.take(answer("other", correlation="other"))
    await keeping.flush()
    keeping.take(answer("c"))
    keeping.take(answer("d"))
    for _ in range(2):
        assert await keeping.requests_of("c", limit=9) == ("r-d", "r-c", "r-b", "r-a")
        assert await keeping.requests_of("c", limit=3) == ("r-d", "r-c", "r-b")
        await keeping.flush()
    assert await keeping.requests_of("r-a", limit=9) == ()


async def test_an_answer_without_results_is_not_kept() -> None:
    keeping = Keeping(Faulty())
    keeping.take(replace(answer("a"), results={}))
    assert (keeping.waiting, keeping.dropped) == (0, 0)


async def test_what_finds_no_room_is_dropped_and_counted() -> None:
    keeping = Keeping(Faulty(), KeepingOptions(most_waiting=2))
    for name in "abc":
        keeping.take(answer(name))
    assert (keeping.waiting, keeping.dropped) == (2, 1)
    assert await keeping.find("r-a") is not None
    assert await keeping.find("r-c") is None


async def test_a_store_that_is_away_gets_it_later_and_is_told_of_once() -> None:
    store = Faulty()
    keeping = Keeping(store)
    keeping.take(answer("a"))
    store.failure = StoreUnavailable("away")
    with capture_logs() as logs:
        await keeping.flush()
        await keeping.flush()
    assert [line["event"] for line in logs] == ["answers are not kept for feedback"]
    assert keeping.waiting == 1
    store.failure = None
    await keeping.flush()
    assert (keeping.waiting, keeping.dropped) == (0, 0)
    assert await store.find("d-a") is not None


async def test_an_oddity_of_the_store_costs_those_answers_and_nothing_else() -> None:
    store = Faulty()
    keeping = Keeping(store)
    keeping.take(answer("a"))
    store.failure = RuntimeError("odd")
    await keeping.flush()
    assert (keeping.waiting, keeping.dropped) == (0, 1)
    assert await keeping.find("r-a") is None


async def test_many_are_written_in_parts() -> None:
    store = Faulty()
    keeping = Keeping(store)
    for number in range(BATCH + 1):
        keeping.take(answer(str(number)))
    await keeping.flush()
    assert store.batches == [BATCH, 1]


async def test_what_is_too_much_is_forgotten_and_a_failure_of_that_is_survived() -> None:
    store = Faulty()
    keeping = Keeping(store, KeepingOptions(most=1, keep_s=10.0))
    for name in "ab":
        keeping.take(answer(name))
    await keeping.flush()
    store.failure = StoreUnavailable("away")
    with capture_logs() as logs:
        await keeping.forget()
    assert [line["event"] for line in logs] == ["old answers were not dropped"]
    store.failure = None
    await keeping.forget()
    assert await keeping.find("d-a") is None
    assert await keeping.find("d-b") is not None


async def test_a_busy_plane_forgets_as_much_as_it_keeps() -> None:
    store = Faulty()
    keeping = Keeping(store, KeepingOptions(most=10, most_waiting=10_000))
    for number in range(3 * FORGOTTEN_AT_ONCE):
        keeping.take(answer(str(number)))
    await keeping.flush()
    await keeping.forget()
    oldest_kept = 3 * FORGOTTEN_AT_ONCE - 10
    assert await keeping.find(f"d-{oldest_kept - 1}") is None
    assert await keeping.find(f"d-{oldest_kept}") is not None
