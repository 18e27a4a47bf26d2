"""Jobs through everything that can go wrong, in any order, by a seeded machine.

What holds throughout:
- a job that was accepted is in the store, and one that was completed, in whole or in part, stays
  as it is;
- no result is sent with two contents under one id;
- no job has more attempts than it may;
- the photo of a job that is not over, or is a dead letter, is kept.

And once everything is well again: every job is finished or a dead letter, every result has been
sent, no message is left, and of the photos only those that a crash left behind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from control_plane.core.detections import DetectionStatus, EngineFailure, Priority
from control_plane.core.jobs import Job, JobFilter
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Message, QueueUnavailable, StoreUnavailable
from control_plane.services.jobs import attempt, intake
from control_plane.services.jobs.publishing import order_for
from tests.unit.services.jobs.site import (
    PHOTO,
    REFUSED,
    UNSENT,
    URL,
    Crash,
    FaultyQueue,
    Site,
    crash_at,
    submission,
)
from tests.unit.virtual_time import VirtualTimeLoop

Result = TypeVar("Result")

FAILURES = (
    None,
    EngineFailure(ErrorCode.BACKEND_FAULT, "it broke"),
    EngineFailure(ErrorCode.OVERLOADED, "no room", 1.0),
)
KEYS = st.sampled_from([None, None, "one", "two"])
STEPS = st.sampled_from([None, None, None, *attempt.STEPS])
FAULTS = st.none() | st.tuples(st.integers(1, 5), st.booleans())


class Jobs(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.site = Site(is_sent=True)
        self.accepted: set[str] = set()
        self.over: dict[str, Job] = {}
        self.workers = 0
        # Photos that a crash, or a fault, may have left to be swept.
        self.may_leak = False

    def run(self, doing: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(doing)

    @rule(
        key=KEYS,
        is_uploaded=st.booleans(),
        at=st.sampled_from([None, None, None, *intake.STEPS]),
        priority=st.sampled_from(list(Priority)),
        deadline_s=st.sampled_from([5.0, 86_400.0]),
    )
    def submit(
        self,
        key: str | None,
        is_uploaded: bool,
        at: str | None,
        priority: Priority,
        deadline_s: float,
    ) -> None:
        asked = submission(
            photo=PHOTO if is_uploaded else None,
            key=key,
            priority=priority,
            deadline_s=deadline_s,
        )
        step = None if at is None else crash_at(at)
        try:
            job = self.run(self.site.intake(step=step).submit(asked))
        except ControlPlaneError as error:
            self.check(error, is_expected=error.code is ErrorCode.CONFLICT)
            return
        except Crash:
            self.may_leak |= at == "kept"
            return
        self.accepted.add(job.job_id)

    def check(self, error: ControlPlaneError, *, is_expected: bool = False) -> None:
        """Anything else would be a refusal for no reason."""
        assert is_expected or self.is_something_away, error

    @property
    def is_something_away(self) -> bool:
        return self.site.store.faults.is_away or self.site.queue.faults.is_away

    @rule(message_id=st.sampled_from(["m-1", "m-2"]), is_poison=st.booleans())
    def send(self, message_id: str, is_poison: bool) -> None:
        order = {"engines": ["damage", "volume"], "url": URL}
        body = b"{" if is_poison else json.dumps(order).encode()
        self.run(self.site.messages.publish(Message(message_id, Priority.LOW, body)))

    @rule(
        at=STEPS,
        fault=FAULTS,
        settles=st.booleans(),
        comes_back=st.booleans(),
        failures=st.tuples(st.sampled_from(FAILURES), st.sampled_from(FAILURES)),
    )
    def work(
        self,
        at: str | None,
        fault: tuple[int, bool] | None,
        settles: bool,
        comes_back: bool,
        failures: tuple[EngineFailure | None, EngineFailure | None],
    ) -> None:
        """A worker with what there is for it; at the end it is gone, and the broker may notice."""
        self.site.detection.failures = {
            engine: [failure]
            for engine, failure in zip(("damage", "volume"), failures, strict=True)
            if failure is not None
        }
        store, theirs = self.site.store.faults, FaultyQueue(self.site.messages.another())
        theirs.faults.is_away = not settles
        store.calls, store.fails_at = 0, fault
        self.workers += 1
        name = f"worker-{self.workers}"
        step = None if at is None else crash_at(at)
        worker = self.site.worker(name, queue=theirs, step=step)
        try:
            for delivery in self.run(self.site.take(queue=theirs)):
                self.run(worker.handle(delivery))
        except Crash:
            self.may_leak |= at == "stored"
        store.fails_at = None
        if comes_back:
            self.run(theirs.queue.aclose())

    @rule(seconds=st.sampled_from([0.5, 5.0, 45.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule()
    def see_to(self) -> None:
        self.run(self._see_to())

    async def _see_to(self) -> None:
        upkeep = self.site.upkeep()
        for act in (
            upkeep.order_unpublished,
            upkeep.take_back,
            upkeep.order_forgotten,
            upkeep.end_overdue,
        ):
            try:
                await act()
            except (StoreUnavailable, QueueUnavailable):
                assert self.is_something_away

    @rule(is_store=st.booleans())
    def go_away(self, is_store: bool) -> None:
        (self.site.store if is_store else self.site.queue).faults.is_away = True

    @precondition(lambda self: self.is_something_away)
    @rule()
    def come_back(self) -> None:
        self.site.store.faults.is_away = self.site.queue.faults.is_away = False

    @rule()
    def lose_messages(self) -> None:
        self.run(self.site.take())

    @precondition(lambda self: self.accepted)
    @rule(number=st.integers(0, 20))
    def repeat_an_order(self, number: int) -> None:
        ids = sorted(self.accepted)
        job = self.run(self.site.job(ids[number % len(ids)]))
        self.run(self.site.messages.publish(order_for(job)))

    @rule(is_replayed=st.booleans())
    def mend(self, is_replayed: bool) -> None:
        desk = self.site.desk()
        act = desk.replay_all if is_replayed else desk.discard_all
        try:
            self.run(act(JobFilter(), limit=2, who="ada"))
        except ControlPlaneError as error:
            self.check(error)

    @rule(answer=st.sampled_from([None, None, UNSENT, REFUSED]), is_resent=st.booleans())
    def deliver(self, answer: Exception | None, is_resent: bool) -> None:
        self.site.sink.answers = [answer]
        self.run(self._deliver(is_resent=is_resent))

    async def _deliver(self, *, is_resent: bool) -> None:
        delivering, desk = self.site.delivering(), self.site.desk()
        try:
            if is_resent:
                for job in await desk.find(JobFilter(is_undelivered=True), limit=100):
                    await desk.resend(job.job_id, who="ada")
            for job_id in await delivering.due(limit=100):
                await delivering.deliver(job_id)
        except (StoreUnavailable, ControlPlaneError):
            assert self.is_something_away

    @invariant()
    def holds(self) -> None:
        jobs = {job.job_id: job for job in self.run(self._whole())}
        assert self.accepted <= set(jobs)
        for job_id, before in self.over.items():
            now = jobs[job_id]
            assert (now.state, now.answer, now.run) == (before.state, before.answer, before.run)
        for job in jobs.values():
            assert job.attempts <= self.site.retries.max_attempts + 1
            if job.state in {DetectionStatus.COMPLETED, DetectionStatus.PARTIAL}:
                self.over[job.job_id] = job
            if job.is_uploaded and (not job.is_finished or job.dead is not None):
                assert job.job_id in self.site.uploads.photos
        assert all(len(bodies) == 1 for bodies in self.site.sink.received.values())

    async def _whole(self) -> list[Job]:
        return [await self.site.job(job.job_id) for job in await self.site.all_jobs()]

    def teardown(self) -> None:
        try:
            self.come_back_and_end()
        finally:
            self.loop.close()

    def come_back_and_end(self) -> None:
        self.come_back()
        site = self.site
        site.detection.failures, site.sink.answers = {}, []
        for _ in range(4):
            self.run(asyncio.sleep(1000.0))
            self.run(self._see_to())
            self.run(site.work(site.worker("last"), wait_s=500.0))
            self.run(self._deliver(is_resent=True))
        self.holds()
        jobs = self.run(self._whole())
        for job in jobs:
            assert job.is_finished
            assert (job.dead is None) or (job.state is DetectionStatus.FAILED)
            if job.request is not None:
                assert f"{job.job_id}.{job.run}" in site.sink.received
                assert job.handover is not None
                assert job.handover.delivered_at_s is not None
        kept = {job.job_id for job in jobs if job.dead is not None}
        assert self.may_leak or set(site.uploads.photos) <= kept
        assert not any(self.run(site.messages.depths()).values())
        assert self.loop.complaints == []


TestJobs = Jobs.TestCase
TestJobs.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
