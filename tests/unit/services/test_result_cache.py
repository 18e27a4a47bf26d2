"""Results for photos that come again: shared while under way, kept afterwards, failures never."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import orjson
import pytest

from control_plane.core.catalogue import Release
from control_plane.core.deadline import Deadline
from control_plane.core.detections import EngineFailure, EngineResult, Priority
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services import result_cache as module
from control_plane.services.result_cache import (
    Outcome,
    Question,
    ResultReuse,
    digest_of,
    read_result,
    write_result,
)
from tests.unit.fakes import FakeResultCache
from tests.unit.samples import DAMAGE, DAMAGE_NEXT
from tests.unit.virtual_time import run_virtually

FOUND = EngineResult({"counts": {"hail": 1}, "box": [0.1, 12.346]}, "1.0.0", "triton-0", 2)
KNOWN = replace(FOUND, attempts=0, is_cached=True)
FULL = EngineFailure(ErrorCode.OVERLOADED, "it is full")
QUESTION = Question("digest", DAMAGE, Priority.NORMAL, Deadline(60.0))

Result = TypeVar("Result")


class LoopClock:
    """The loop's own time, which the tests run virtually."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()


class Engine:
    """Answers ``outcomes`` one after the other, the last one again, each after ``takes_s``."""

    def __init__(self, *outcomes: Outcome | Exception, takes_s: float = 1.0) -> None:
        self._outcomes = list(outcomes) or [FOUND]
        self._takes_s = takes_s
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self) -> Outcome:
        self.asked += 1
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self._takes_s)
        finally:
            self.at_once -= 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def make_reuse() -> ResultReuse:
    return ResultReuse(FakeResultCache(), LoopClock())


def counts(reuse: ResultReuse) -> tuple[int, int, int]:
    told = reuse.statistics()
    return told.hits, told.misses, told.shared


def virtually(main: Coroutine[Any, Any, Result]) -> Result:
    return run_virtually(main)


def test_what_was_found_is_not_asked_for_again() -> None:
    async def main() -> None:
        reuse, engine = make_reuse(), Engine()
        assert await reuse.answer(QUESTION, engine) == FOUND
        assert await reuse.answer(QUESTION, engine) == KNOWN
        other = replace(QUESTION, priority=Priority.HIGH, deadline=Deadline(90.0))
        assert await reuse.answer(other, engine) == KNOWN
        assert (engine.asked, counts(reuse)) == (1, (2, 1, 0))

    virtually(main())


@pytest.mark.parametrize(
    "other",
    [
        replace(QUESTION, photo_digest="another"),
        replace(QUESTION, release=DAMAGE_NEXT),
        replace(QUESTION, release=replace(DAMAGE, engine="volume")),
        # A release that was taken back and made anew of other models under its old name.
        replace(QUESTION, release=replace(DAMAGE, pins={**DAMAGE.pins, "preprocess": 2})),
    ],
)
def test_another_photo_engine_release_or_model_is_another_question(other: Question) -> None:
    async def main() -> None:
        reuse, engine = make_reuse(), Engine()
        await reuse.answer(QUESTION, engine)
        assert not _is_cached(await reuse.answer(other, engine))
        assert engine.asked == 2

    virtually(main())


def _is_cached(outcome: Outcome) -> bool:
    assert isinstance(outcome, EngineResult)
    return outcome.is_cached


@pytest.mark.parametrize(
    "outcome",
    [
        FULL,
        replace(FOUND, fallback_from="1.0.0", release="0.9.0"),
        replace(FOUND, release="1.1.0"),  # the route was changed meanwhile
        replace(FOUND, findings={"boxes": "x" * module.MAX_VALUE_BYTES}),
    ],
)
def test_what_is_not_kept(outcome: Outcome) -> None:
    async def main() -> None:
        reuse, engine = make_reuse(), Engine(outcome)
        assert await reuse.answer(QUESTION, engine) == outcome
        assert await reuse.answer(QUESTION, engine) == outcome
        assert engine.asked == 2

    virtually(main())


def test_those_who_come_meanwhile_wait_for_the_first() -> None:
    async def main() -> None:
        reuse, engine = make_reuse(), Engine()
        outcomes = await asyncio.gather(*(reuse.answer(QUESTION, engine) for _ in range(10)))
        assert outcomes == [FOUND, *[KNOWN] * 9]
        assert (engine.asked, counts(reuse)) == (1, (0, 1, 9))
        assert reuse._flights == {}

    virtually(main())


def test_a_failure_is_not_shared_and_one_at_a_time_asks_again() -> None:
    async def main() -> None:
        reuse, engine = make_reuse(), Engine(FULL, FULL, FOUND)
        outcomes = await asyncio.gather(*(reuse.answer(QUESTION, engine) for _ in range(6)))
        assert outcomes == [FULL, FULL, FOUND, KNOWN, KNOWN, KNOWN]
        assert (engine.asked, engine.most_at_once) == (3, 1)

    virtually(main())


def test_what_is_raised_is_raised_to_who_asked_only() -> None:
    async def main() -> None:
        refusal = ControlPlaneError(ErrorCode.PHOTO_INVALID, "no image")
        reuse, engine = make_reuse(), Engine(refusal, FOUND)
        first, second = await asyncio.gather(
            *(reuse.answer(QUESTION, engine) for _ in range(2)), return_exceptions=True
        )
        assert (first, second) == (refusal, FOUND)
        assert reuse._flights == {}

    virtually(main())


def test_who_asked_and_was_cancelled_does_not_cancel_the_others() -> None:
    async def main() -> None:
        reuse, engine = make_reuse(), Engine()
        leader = asyncio.create_task(reuse.answer(QUESTION, engine))
        await asyncio.sleep(0.5)
        others = [asyncio.create_task(reuse.answer(QUESTION, engine)) for _ in range(3)]
        await asyncio.sleep(0)
        leader.cancel()
        assert await asyncio.gather(*others) == [FOUND, KNOWN, KNOWN]
        assert leader.cancelled()
        assert engine.asked == 2

    virtually(main())


def test_who_waits_and_is_cancelled_disturbs_nobody() -> None:
    async def main() -> None:
        reuse, engine = make_reuse(), Engine()
        tasks = [asyncio.create_task(reuse.answer(QUESTION, engine)) for _ in range(3)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes[0] == FOUND
        assert isinstance(outcomes[1], asyncio.CancelledError)
        assert outcomes[2] == KNOWN
        assert engine.asked == 1

    virtually(main())


def test_who_is_in_a_hurry_does_not_wait_for_who_is_not() -> None:
    async def main() -> None:
        reuse, slow, quick = make_reuse(), Engine(takes_s=30), Engine(takes_s=1)
        low = replace(QUESTION, priority=Priority.LOW)
        leader = asyncio.create_task(reuse.answer(low, slow))
        await asyncio.sleep(0)
        assert await reuse.answer(replace(QUESTION, priority=Priority.HIGH), quick) == FOUND
        assert LoopClock().now_s() == pytest.approx(1)
        await leader

    virtually(main())


def test_nobody_waits_for_another_longer_than_half_of_his_time() -> None:
    async def main() -> None:
        reuse, slow, quick = make_reuse(), Engine(takes_s=100), Engine(takes_s=1)
        leader = asyncio.create_task(reuse.answer(QUESTION, slow))
        await asyncio.sleep(0)
        hasty = replace(QUESTION, deadline=Deadline(10.0))
        assert await reuse.answer(hasty, quick) == FOUND
        assert LoopClock().now_s() == pytest.approx(6)
        # What he found is kept, and the first one's own answer is still his.
        assert await reuse.answer(hasty, quick) == KNOWN
        assert await leader == FOUND
        assert reuse._flights == {}

    virtually(main())


def test_a_time_that_is_over_is_not_waited_with() -> None:
    async def main() -> None:
        reuse, slow, quick = make_reuse(), Engine(takes_s=100), Engine(takes_s=0)
        leader = asyncio.create_task(reuse.answer(QUESTION, slow))
        await asyncio.sleep(0)
        assert await reuse.answer(replace(QUESTION, deadline=Deadline(0.0)), quick) == FOUND
        await leader

    virtually(main())


def test_a_cache_that_is_broken_is_counted_and_is_no_error() -> None:
    async def main() -> None:
        cache = FakeResultCache(is_broken=True)
        reuse, engine = ResultReuse(cache, LoopClock()), Engine()
        assert await reuse.answer(QUESTION, engine) == FOUND
        assert await reuse.answer(QUESTION, engine) == FOUND
        assert reuse.statistics().errors == 4

    virtually(main())


def kept(**changes: object) -> bytes:
    return orjson.dumps(orjson.loads(write_result(FOUND, "key")) | changes)


def test_a_result_is_read_back_as_it_was() -> None:
    assert read_result(write_result(FOUND, "key"), "key") == KNOWN


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\x00\xff",
        b"[]",
        b"7",
        b"{}",
        kept(key="another"),
        kept(format=module.FORMAT + 1),
        kept(findings=[]),
        kept(instance=None),
        kept(release=1),
        kept(findings={"much": "x" * module.MAX_VALUE_BYTES}),
    ],
)
def test_what_cannot_be_read_is_not_there(value: bytes | None) -> None:
    assert read_result(value, "key") is None


async def test_a_photo_is_known_by_its_bytes_however_many() -> None:
    large = bytes(module.HASHED_IN_A_THREAD_BYTES + 1)
    assert len({await digest_of(large), await digest_of(large + b"1"), await digest_of(b"1")}) == 3
    assert await digest_of(large) == await digest_of(bytes(large))


def test_a_key_says_nothing_of_the_photo_or_the_release() -> None:
    release = Release("damage", "1.0.0", {"damage": 1}, is_ensemble=False)
    assert len(replace(QUESTION, release=release).key) == 64
