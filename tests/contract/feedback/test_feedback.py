"""What was said of answers: the last word holds, in its order, within its bounds."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.core.accuracy import (
    ClassMatches,
    Counted,
    Feedback,
    Judged,
    Measured,
    Score,
)
from tests.contract.feedback.conftest import MOST_JUDGED, Stage, Stores

WHOLE = Judged(
    matches=(ClassMatches("hail", 2, (0.75, 0.5), (True, False)),),
    counted=Counted(1, -1, 3),
    measured=Measured(2.5, 3.0),
    is_right=False,
)
RIGHT, WRONG = Judged(is_right=True), Judged(is_right=False)


def said(
    name: str = "a", judged: Judged = RIGHT, *, engine: str = "damage", release: str = "1.0.0"
) -> Feedback:
    return Feedback(f"r-{name}", f"d-{name}", engine, release, judged, "ada", "seen on site")


async def scores(feedback: Stores, score: Score = Score.RIGHT) -> tuple[float, ...]:
    return await feedback.scores("damage", "1.0.0", score, limit=100)


async def test_what_was_said_is_read_as_it_was(feedback: Stores) -> None:
    assert await feedback.put(said(judged=WHOLE)) is False
    assert await feedback.judged("damage", "1.0.0", limit=10) == (WHOLE,)
    for score, value in WHOLE.scores().items():
        assert await scores(feedback, score) == (value,)


async def test_each_release_of_each_engine_has_its_own(feedback: Stores) -> None:
    await feedback.put(said("a"))
    await feedback.put(said("b", release="1.1.0"))
    await feedback.put(said("a", engine="volume"))
    for engine, release, number in (
        ("damage", "1.0.0", 1),
        ("damage", "1.1.0", 1),
        ("volume", "1.0.0", 1),
        ("volume", "1.1.0", 0),
        ("a\0", "1.0.0", 0),
    ):
        assert len(await feedback.judged(engine, release, limit=10)) == number
        assert len(await feedback.scores(engine, release, Score.RIGHT, limit=10)) == number
    assert set(await feedback.versions()) == {
        ("damage", "1.0.0"),
        ("damage", "1.1.0"),
        ("volume", "1.0.0"),
    }


async def test_the_last_word_holds_and_counts_as_the_latest(feedback: Stores) -> None:
    await feedback.put(said("a", WRONG))
    await feedback.put(said("b", RIGHT))
    assert await scores(feedback) == (0.0, 1.0)
    assert await feedback.put(said("a", RIGHT)) is True
    await feedback.put(said("c", WRONG))
    assert await scores(feedback) == (1.0, 1.0, 0.0)
    assert await feedback.judged("damage", "1.0.0", limit=2) == (RIGHT, WRONG)


async def test_what_is_said_again_keeps_its_place_and_time(feedback: Stores) -> None:
    """A script that sends all of it once more gives a rollout's test no other pairs."""
    await feedback.put(said("a", WRONG))
    await asyncio.sleep(0.005)  # databases count in milliseconds
    await feedback.put(said("b", RIGHT))
    assert await feedback.put(said("a", WRONG)) is True
    assert await scores(feedback) == (0.0, 1.0)
    # Answered anew by another release, it is another answer.
    assert await feedback.put(said("a", RIGHT, release="1.1.0")) is True
    assert await scores(feedback) == (1.0,)
    assert await feedback.put(said("a", WRONG)) is True
    assert await scores(feedback) == (1.0, 0.0)


async def test_a_version_differs_with_every_change(feedback: Stores) -> None:
    assert await feedback.versions() == {}
    seen = []
    for judged in (RIGHT, WRONG, WRONG):
        await feedback.put(said("a", judged))
        version = (await feedback.versions())["damage", "1.0.0"]
        assert version[0] == 1
        seen.append(version)
    assert len(set(seen)) == 3
    assert await feedback.versions() == {("damage", "1.0.0"): seen[-1]}


async def test_of_a_release_the_latest_are_kept(feedback: Stores) -> None:
    await feedback.put(said("other", release="1.1.0"))
    for number in range(MOST_JUDGED + 2):
        await feedback.put(said(str(number), WRONG if number < 2 else RIGHT))
    assert await scores(feedback) == (1.0,) * MOST_JUDGED
    assert len(await feedback.judged("damage", "1.1.0", limit=10)) == 1


async def test_judgements_are_the_latest_and_scores_the_earliest(feedback: Stores) -> None:
    for name, judged in (("a", WRONG), ("b", RIGHT), ("c", RIGHT)):
        await feedback.put(said(name, judged))
    assert await feedback.judged("damage", "1.0.0", limit=2) == (RIGHT, RIGHT)
    assert await feedback.scores("damage", "1.0.0", Score.RIGHT, limit=2) == (0.0, 1.0)


async def test_what_has_no_such_score_is_left_out(feedback: Stores) -> None:
    await feedback.put(said("a", RIGHT))
    await feedback.put(said("b", Judged(measured=Measured(1.0, 2.0))))
    assert await scores(feedback, Score.VOLUME) == (0.5,)
    assert await scores(feedback, Score.F1) == ()


async def test_what_was_said_before_a_time_is_left_out(feedback: Stores) -> None:
    await feedback.put(said("a"))
    assert await feedback.judged("damage", "1.0.0", after_s=1.0, limit=10) == (RIGHT,)
    assert await feedback.judged("damage", "1.0.0", after_s=1e12, limit=10) == ()
    assert await feedback.scores("damage", "1.0.0", Score.RIGHT, after_s=1e12, limit=10) == ()


async def test_what_cannot_be_stored_is_refused_and_nothing_is(feedback: Stores) -> None:
    with pytest.raises(ValueError, match="cannot be stored"):
        await feedback.put(said("a\0"))
    with pytest.raises(ValueError, match="finite"):
        await feedback.put(said("b", Judged(measured=Measured(float("inf"), 1.0))))
    assert await feedback.versions() == {}


async def test_two_planes_that_say_it_at_once_leave_one_word(stage: Stage) -> None:
    async with stage.again() as other:
        for _ in range(5):
            await asyncio.gather(stage.feedback.put(said("a", RIGHT)), other.put(said("a", WRONG)))
    assert len(await scores(stage.feedback)) == 1
