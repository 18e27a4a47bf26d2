"""What the log says of a job that has ended, whoever came upon it."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from structlog.testing import capture_logs

from control_plane.core.detections import DetectionAnswer, DetectionRequest
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Delivery
from control_plane.services.jobs.ends import MOST_WORDS
from tests.unit.services.jobs.site import DAY_S, FakeDetection, Site, submission
from tests.unit.virtual_time import run_virtually

DEAD = "a job is a dead letter"


class Talkative(FakeDetection):
    """Keeps what would be in every line that is logged while it works."""

    bound: dict[str, Any]

    async def detect(self, request: DetectionRequest) -> DetectionAnswer:
        self.bound = structlog.contextvars.get_contextvars()
        return await super().detect(request)


def told(logs: Any, event: str) -> dict[str, Any]:
    (line,) = [one for one in logs if one["event"] == event]
    return {key: value for key, value in line.items() if key != "event"}


def test_a_job_that_is_done_is_told_with_its_times() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 2.5
        job = await site.intake().submit(submission())
        await asyncio.sleep(4.0)
        with capture_logs() as logs:
            await site.work()
        assert told(logs, "a job is done") == {
            "log_level": "info",
            "job_id": job.job_id,
            "correlation_id": "roof-7",
            "status": "completed",
            "attempts": 1,
            "waited_s": 4.0,
            "worked_s": 2.5,
        }
        assert not [one for one in logs if one["event"] == DEAD]

    run_virtually(main())


def test_a_dead_letter_is_told_once_and_its_words_are_bounded() -> None:
    async def main() -> None:
        site = Site()
        words = "bad\x1b[2J" + "x" * 1_000
        site.detection.refusals = [ControlPlaneError(ErrorCode.INVALID_ARGUMENT, words)]
        job = await site.intake().submit(submission())
        with capture_logs() as logs:
            await site.work()
        line = told(logs, DEAD)
        assert line.pop("words") == ("bad?[2J" + "x" * 1_000)[:MOST_WORDS]
        assert line == {
            "log_level": "warning",
            "job_id": job.job_id,
            "correlation_id": "roof-7",
            "reason": "unprocessable",
            "code": "invalid_argument",
            "attempts": 1,
        }
        assert not [one for one in logs if one["event"] == "a job is done"]

    run_virtually(main())


def test_what_the_queue_gives_up_is_told() -> None:
    async def main() -> None:
        site = Site()
        job = await site.intake().submit(submission())
        (taken,) = await site.take()
        given_up = Delivery(taken.priority, taken.body, deliveries=9, is_dead=True)
        with capture_logs() as logs:
            await site.worker().handle(given_up)
        line = told(logs, DEAD)
        assert (line["job_id"], line["code"]) == (job.job_id, "internal")
        assert "9 deliveries" in line["words"]

    run_virtually(main())


def test_what_upkeep_ends_is_told() -> None:
    async def main() -> None:
        site = Site()
        job = await site.intake().submit(submission())
        await asyncio.sleep(DAY_S + 60.0)
        with capture_logs() as logs:
            assert await site.upkeep().end_overdue() == 1
        line = told(logs, DEAD)
        assert (line["job_id"], line["reason"], line["code"]) == (
            job.job_id,
            "failed",
            "deadline_exceeded",
        )

    run_virtually(main())


def test_what_is_logged_while_a_job_is_worked_on_has_its_ids_and_nothing_after_it() -> None:
    async def main() -> None:
        site = Site()
        site.detection = Talkative()
        job = await site.intake().submit(submission())
        await site.work()
        assert site.detection.bound == {"job_id": job.job_id, "correlation_id": "roof-7"}
        assert structlog.contextvars.get_contextvars() == {}

    run_virtually(main())
