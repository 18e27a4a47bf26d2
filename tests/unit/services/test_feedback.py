"""What somebody says of an answer: found, judged as a whole, written down, the last word first."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from control_plane.adapters.stores import MemoryFeedback, MemoryJobs
from control_plane.core import accuracy
from control_plane.core.accuracy import (
    Box,
    BoxTruth,
    CountTruth,
    Feedback,
    Found,
    Judged,
    RightTruth,
    Score,
    TrueBox,
    Truth,
    VolumeTruth,
)
from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import detection_id_of
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import StoreUnavailable
from control_plane.services import feedback
from control_plane.services.feedback import FeedbackDesk, SaidFeedback, TakenFeedback
from control_plane.services.keeping import Keeping
from tests.unit.answers import answer
from tests.unit.fake_jobs import JOB_ID, make_job

RIGHT, WRONG = RightTruth(is_right=True), RightTruth(is_right=False)
HAIL = BoxTruth((TrueBox("hail", Box(0, 0, 10, 10)),))


class Away(MemoryFeedback):
    async def put(self, feedback: Feedback) -> bool:
        raise StoreUnavailable(f"{feedback.engine} is away")


class Setup:
    def __init__(self, store: MemoryFeedback | None = None) -> None:
        self.store = store or MemoryFeedback(lambda: 0.0)
        self.jobs = MemoryJobs(lambda: 0.0)
        self.keeping = Keeping(self.store)
        self.keeping.take(answer("a"))
        self.desk = FeedbackDesk(self.store, self.jobs, self.keeping)

    async def give(self, request_id: str | None = "r-a", **fields: Any) -> TakenFeedback:
        return await self.desk.give(
            SaidFeedback(**({"truth": {"damage": RIGHT}, "request_id": request_id} | fields))
        )

    async def refusal(self, **fields: Any) -> ControlPlaneError:
        with pytest.raises(ControlPlaneError) as refused:
            await self.give(**fields)
        return refused.value

    async def judged(self, engine: str) -> tuple[Judged, ...]:
        return await self.store.judged(engine, "1.0.0", limit=10)


async def test_each_engines_part_is_judged_and_written_down() -> None:
    setup = Setup()
    taken = await setup.give(truth={"damage": HAIL, "volume": VolumeTruth(5.0)}, who="ada")
    assert (taken.request_id, taken.detection_id) == ("r-a", "d-a")
    damage, volume = taken.engines["damage"], taken.engines["volume"]
    assert (damage.release, damage.has_replaced) == ("1.0.0", False)
    assert damage.judged.scores() == {Score.F1: 1.0, Score.COUNT: 1.0}
    assert volume.judged.scores() == {Score.VOLUME: 0.8}
    assert await setup.judged("damage") == (damage.judged,)
    assert await setup.judged("volume") == (volume.judged,)


async def test_no_request_waits_for_a_judgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand boxes held against five hundred take a second."""
    threads = []

    def judge(found: Found, truth: Truth, field: str) -> Judged:
        threads.append(threading.current_thread())
        return accuracy.judge(found, truth, field)

    monkeypatch.setattr(feedback, "judge", judge)
    await Setup().give()
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


async def test_the_last_word_holds() -> None:
    setup = Setup()
    await setup.give()
    again = await setup.give(None, detection_id="d-a", truth={"damage": WRONG})
    assert again.engines["damage"].has_replaced
    assert await setup.judged("damage") == (Judged(is_right=False),)


async def test_an_engine_is_known_by_its_other_name_too() -> None:
    refused = await Setup().refusal(truth={"material": RIGHT})
    assert refused.code is ErrorCode.CONFLICT
    assert refused.field == "truth.materials"
    twice = await Setup().refusal(truth={"material": RIGHT, "materials": WRONG})
    assert (twice.code, twice.field) == (ErrorCode.INVALID_ARGUMENT, "truth.materials")


async def test_a_mistake_in_one_part_leaves_nothing_behind() -> None:
    setup = Setup()
    for wrong in ({"materials": RIGHT}, {"volume": CountTruth({})}, {"volume": VolumeTruth(-1)}):
        await setup.refusal(truth={"damage": RIGHT, **wrong})
    assert await setup.store.versions() == {}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"request_id": None}, "request_id"),
        ({"detection_id": "d-a"}, "request_id"),
        ({"correlation_id": "c"}, "request_id"),
        ({"request_id": None, "correlation_id": "c" * 201}, "correlation_id"),
        ({"request_id": "x" * 201}, "request_id"),
        ({"request_id": None, "detection_id": "a\nb"}, "detection_id"),
        ({"truth": {}}, "truth"),
        ({"truth": {"volume": VolumeTruth(-1)}}, "truth.volume.volume_m3"),
        ({"truth": {"volume": HAIL}}, "truth.volume.boxes"),
        ({"note": "x" * 501}, "note"),
        ({"note": "a\x1b[2J"}, "note"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_field(
    fields: dict[str, Any], field: str
) -> None:
    refused = await Setup().refusal(**fields)
    assert (refused.code, refused.field) == (ErrorCode.INVALID_ARGUMENT, field)


async def test_an_answer_that_is_not_known_is_not_found() -> None:
    setup = Setup()
    unknown = await setup.refusal(request_id="r-b")
    assert (unknown.code, unknown.field) == (ErrorCode.NOT_FOUND, "request_id")
    assert "the latest 100000 are kept, for 7 days" in unknown.message
    named = await setup.refusal(request_id=None, detection_id=JOB_ID)
    assert (named.code, named.field) == (ErrorCode.NOT_FOUND, "detection_id")
    assert "of a job, give its request_id" in named.message


async def test_the_answer_of_a_job_is_judged_by_the_jobs_id() -> None:
    setup = Setup()
    done = make_job(state=DetectionStatus.COMPLETED, answer=answer("of the job", "volume"))
    await setup.jobs.add(lambda _: done)
    # Without answers that are kept, too.
    setup.desk = FeedbackDesk(setup.store, setup.jobs, None)
    taken = await setup.give(JOB_ID, truth={"volume": VolumeTruth(4.0)})
    assert (taken.request_id, taken.detection_id) == (JOB_ID, detection_id_of(done))
    assert taken.engines["volume"].judged.scores() == {Score.VOLUME: 1.0}
    off = await setup.refusal(request_id="r-a")
    assert off.code is ErrorCode.NOT_FOUND
    assert "feedback.keep is off" in off.message


async def test_a_job_that_is_not_finished_has_no_answer_to_judge() -> None:
    setup = Setup()
    waiting = replace(make_job(), answer=answer("part of it"))
    await setup.jobs.add(lambda _: waiting)
    refused = await setup.refusal(request_id=JOB_ID)
    assert refused.code is ErrorCode.CONFLICT
    assert "queued" in refused.message


async def test_a_store_that_is_away_is_told_as_such() -> None:
    refused = await Setup(Away(lambda: 0.0)).refusal()
    assert refused.code is ErrorCode.STORE_UNAVAILABLE
    assert refused.retry_after_s


async def test_a_class_that_the_engine_does_not_know_worsens_no_release() -> None:
    setup = Setup()
    misspelt = BoxTruth((TrueBox("Hial", Box(0, 0, 10, 10)),))
    refused = await setup.refusal(truth={"damage": misspelt})
    assert (refused.code, refused.field) == (
        ErrorCode.INVALID_ARGUMENT,
        "truth.damage.boxes[0].class",
    )
    assert "hail, missing_shingle, wind" in refused.message
    assert await setup.judged("damage") == ()


async def test_an_answer_is_found_by_the_correlation_id_that_no_other_had() -> None:
    setup = Setup()
    setup.keeping.take(answer("b", correlation="other"))
    taken = await setup.give(None, correlation_id="c")
    assert (taken.request_id, taken.detection_id) == ("r-a", "d-a")
    await setup.keeping.flush()
    again = await setup.give(None, correlation_id="c")
    assert again.engines["damage"].has_replaced
    unknown = await setup.refusal(request_id=None, correlation_id="r-a")
    assert (unknown.code, unknown.field) == (ErrorCode.NOT_FOUND, "correlation_id")


async def test_of_a_correlation_id_that_several_had_some_requests_are_named() -> None:
    setup = Setup()
    setup.keeping.take(answer("b"))
    done = make_job(state=DetectionStatus.COMPLETED, answer=answer("of the job", "volume"))
    assert done.request is not None
    done = replace(done, request=replace(done.request, correlation_id="c"))
    await setup.jobs.add(lambda _: done)
    refused = await setup.refusal(request_id=None, correlation_id="c")
    assert (refused.code, refused.field) == (ErrorCode.CONFLICT, "correlation_id")
    assert refused.message.endswith(f"the request_id of one of them instead: {JOB_ID}, r-b, r-a")
    for name in "cdefghijkl":
        setup.keeping.take(answer(name))
    more = await setup.refusal(request_id=None, correlation_id="c")
    assert more.message.endswith(f"instead: {JOB_ID}, r-l, r-k, r-j, r-i and others")
    assert await setup.store.versions() == {}


async def test_a_job_is_found_by_its_correlation_id() -> None:
    setup = Setup()
    await setup.jobs.add(lambda _: make_job())
    waiting = await setup.refusal(request_id=None, correlation_id="c-1")
    assert waiting.code is ErrorCode.CONFLICT
    assert f"the job {JOB_ID} is queued" in waiting.message
    done = make_job(state=DetectionStatus.COMPLETED, answer=answer("of the job", "volume"))
    await setup.jobs.change(JOB_ID, lambda _, __: done)
    for keeping in (setup.keeping, None):
        setup.desk = FeedbackDesk(setup.store, setup.jobs, keeping)
        taken = await setup.give(None, correlation_id="c-1", truth={"volume": RIGHT})
        assert taken.request_id == JOB_ID


async def test_a_request_that_waits_hides_no_answer_of_the_same_correlation_id() -> None:
    setup = Setup()
    setup.keeping.take(answer("b", correlation="c-1"))
    await setup.jobs.add(lambda _: make_job())
    assert (await setup.give(None, correlation_id="c-1")).request_id == "r-b"


async def test_a_job_that_found_nothing_hides_no_answer_of_the_same_correlation_id() -> None:
    """As when a photo that could not be fetched is given once more."""
    setup = Setup()
    await setup.jobs.add(lambda _: make_job(state=DetectionStatus.FAILED))
    assert (await setup.refusal(request_id=None, correlation_id="c-1")).code is ErrorCode.CONFLICT
    setup.keeping.take(answer("b", correlation="c-1"))
    assert (await setup.give(None, correlation_id="c-1")).request_id == "r-b"


async def test_who_gives_a_correlation_id_as_another_is_told_how_to_give_it() -> None:
    refused = await Setup().refusal(request_id="c")
    assert refused.code is ErrorCode.NOT_FOUND
    assert "if it is the correlation id, give it as correlation_id" in refused.message
