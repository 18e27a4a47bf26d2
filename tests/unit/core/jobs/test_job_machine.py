"""Any history of one job, two workers that may crash or hang, upkeep and a person."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import (
    AlreadyFinished,
    Bury,
    Claim,
    ClaimedElsewhere,
    ClaimLost,
    DeadReason,
    Finish,
    IllegalJobEvent,
    Job,
    JobRetryOptions,
    NotDue,
    Outcome,
    Retry,
    settle_answer,
    settle_claim,
    settle_error,
)
from control_plane.core.jobs.transitions import (
    bury,
    claim,
    discard,
    finish,
    give_back,
    publish,
    renew,
    replay,
    retry,
    strand,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.unit.core.jobs.making import (
    ENGINES,
    NOW_S,
    a_job,
    a_result,
    an_answer,
    an_error,
    failing,
)

OPTIONS = JobRetryOptions(max_attempts=3, first_s=1.0, most_s=8.0, pause_s=0.5)
TTL_S = 30.0
WORKERS = st.sampled_from(["w-1", "w-2"])
CODES = st.sampled_from([ErrorCode.OVERLOADED, ErrorCode.BACKEND_FAULT, ErrorCode.PHOTO_NOT_FOUND])
REFUSALS = (AlreadyFinished, ClaimedElsewhere, ClaimLost, NotDue, IllegalJobEvent)


class JobMachine(RuleBasedStateMachine):
    """What always holds:

    1. A run is finished once at most, and a finished job changes only by a person's word.
    2. Only who holds the claim moves the job on; a worker that lost it changes nothing.
    3. A claim is taken over only after it has run out.
    4. Attempts exceed the limit only by crashes of who was to say that it is over.
    5. What any attempt found is never lost, through retries, crashes and replays.
    6. What is refused changes nothing.
    7. Work that is left to do is always reachable: queued, or claimed until a known time.
    8. Nothing is given up for want of attempts before they were used up.
    """

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now_s = NOW_S
        self.job = a_job()
        self.held: dict[str, tuple[Claim, Job]] = {}
        self.ends: list[int] = []
        self.found: set[str] = set()
        self.crashed = 0

    def change(self, decide: Callable[[Job], Job]) -> bool:
        """As the store does: what is decided is stored; what is refused changes nothing."""
        before = self.job
        try:
            after = decide(before)
        except REFUSALS:
            return False
        if before.is_finished and after.run == before.run:
            assert after.answer == before.answer
            assert after.state is before.state
        if after.is_finished and not before.is_finished:
            self.ends.append(after.run)
        self.job = after
        return True

    def is_holder(self, worker: str) -> bool:
        return worker in self.held and self.held[worker][0].is_same(self.job.claim)

    @rule(worker=WORKERS)
    def take(self, worker: str) -> None:
        before = self.job
        if not self.change(lambda job: claim(job, self.now_s, worker=worker, ttl_s=TTL_S)):
            return
        assert not before.is_finished
        assert before.claim is None or before.claim.expires_at_s <= self.now_s
        assert before.due_at_s <= self.now_s
        assert self.job.attempts == before.attempts + 1
        assert self.job.claim is not None
        self.held[worker] = (self.job.claim, self.job)
        over = settle_claim(self.job, now_s=self.now_s, options=OPTIONS)
        if over is not None:
            assert self.job.attempts > 3 or self.job.deadline_at_s <= self.now_s
            self.settle(worker, over)

    @rule(worker=WORKERS, found=st.sets(st.sampled_from(ENGINES)), code=CODES)
    def answer(self, worker: str, found: set[str], code: ErrorCode) -> None:
        """Asks only what is left, as it was when the job was claimed."""
        if worker not in self.held:
            return
        _, job = self.held[worker]
        left = job.engines_left
        if not left:
            return
        results = {engine: a_result(engine) for engine in left if engine in found}
        errors = {engine: failing(code) for engine in left if engine not in found}
        said = an_answer(*results, errors=errors, results=results)
        outcome = settle_answer(job, said, now_s=self.now_s, options=OPTIONS, rng=self.rng)
        was_holder = self.is_holder(worker)
        self.settle(worker, outcome)
        if was_holder:
            self.found |= set(results)

    @rule(worker=WORKERS, code=CODES)
    def fail(self, worker: str, code: ErrorCode) -> None:
        if worker in self.held:
            _, job = self.held[worker]
            refusal = ControlPlaneError(code, "no")
            self.settle(
                worker,
                settle_error(job, refusal, now_s=self.now_s, options=OPTIONS, rng=self.rng),
            )

    def settle(self, worker: str, outcome: Outcome) -> None:
        mine, seen = self.held.pop(worker)
        is_holder = mine.is_same(self.job.claim)
        before = self.job

        def decide(job: Job) -> Job:
            match outcome:
                case Finish(answer):
                    return finish(job, self.now_s, claim=mine, answer=answer, is_sent=True)
                case Retry(wait_s, error, answer):
                    assert seen.attempts < 3
                    return retry(
                        job, self.now_s, claim=mine, wait_s=wait_s, error=error, answer=answer
                    )
                case Bury(reason, error, answer):
                    return bury(
                        job,
                        self.now_s,
                        reason=reason,
                        error=error,
                        is_sent=True,
                        claim=mine,
                        answer=answer,
                    )
                case _:
                    return give_back(
                        job, self.now_s, claim=mine, wait_s=outcome.wait_s, error=outcome.error
                    )

        assert self.change(decide) == is_holder
        if not is_holder:
            assert self.job == before
        elif self.job.state is DetectionStatus.QUEUED:
            assert self.job.due_at_s < self.job.deadline_at_s

    @rule(worker=WORKERS)
    def renew(self, worker: str) -> None:
        if worker in self.held:
            is_holder, (mine, _) = self.is_holder(worker), self.held[worker]
            renewed = self.change(lambda job: renew(job, self.now_s, claim=mine, ttl_s=TTL_S))
            assert renewed == is_holder

    @rule(worker=WORKERS)
    def crash(self, worker: str) -> None:
        """Whatever it had in hand, nobody settles it."""
        if self.is_holder(worker) and self.job.attempts > 3:
            self.crashed += 1
        self.held.pop(worker, None)

    @rule(worker=WORKERS)
    def crash_before_it_says_that_it_is_over(self, worker: str) -> None:
        if self.change(lambda job: claim(job, self.now_s, worker=worker, ttl_s=TTL_S)):
            self.held.pop(worker, None)
            self.crashed += self.job.attempts > 3

    @rule(seconds=st.sampled_from([0.1, 1.0, 8.0, 29.0, 30.0, 120.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def upkeep_strands(self) -> None:
        before = self.job
        if self.change(lambda job: strand(job, self.now_s)) and before.claim is not None:
            assert before.claim.expires_at_s <= self.now_s
            assert self.job.published_at_s is None

    @rule()
    def upkeep_publishes(self) -> None:
        self.change(lambda job: publish(job, self.now_s))

    @rule()
    def queue_gives_up(self) -> None:
        """A broker's own limit was reached: the job is buried unless somebody works on it."""
        before = self.job
        error = an_error(message="delivered too often")
        is_buried = self.change(
            lambda job: bury(job, self.now_s, reason=DeadReason.FAILED, error=error, is_sent=True)
        )
        is_free = before.claim is None or before.claim.expires_at_s <= self.now_s
        assert is_buried == (is_free and not before.is_finished)

    @precondition(lambda self: self.job.is_finished)
    @rule(deadline_s=st.sampled_from([5.0, 1000.0]))
    def person_replays(self, deadline_s: float) -> None:
        was_dead, run = self.job.dead is not None, self.job.run
        is_replayed = self.change(lambda job: replay(job, self.now_s, deadline_s=deadline_s))
        assert is_replayed == was_dead
        assert self.job.run == run + is_replayed
        if is_replayed:
            self.crashed = 0

    @precondition(lambda self: self.job.is_finished)
    @rule()
    def person_discards(self) -> None:
        was_dead = self.job.dead is not None
        assert self.change(lambda job: discard(job, self.now_s)) == was_dead
        assert self.job.is_finished

    @invariant()
    def a_run_is_finished_once(self) -> None:
        assert len(self.ends) == len(set(self.ends))
        assert self.job.is_finished == (self.job.run in self.ends)

    @invariant()
    def attempts_are_within_their_limit_but_for_crashes_found(self) -> None:
        assert 0 <= self.job.attempts <= 4 + self.crashed

    @invariant()
    def what_was_found_is_kept(self) -> None:
        if self.found:
            assert self.job.answer is not None
            assert self.found == set(self.job.answer.results)

    @invariant()
    def work_is_reachable(self) -> None:
        job = self.job
        assert (job.claim is not None) == (job.state is DetectionStatus.PROCESSING)
        assert (job.handover is not None) == job.is_finished
        assert job.dead is None or job.state is DetectionStatus.FAILED
        if job.claim is not None:
            assert job.claim.expires_at_s <= self.now_s + 4 * TTL_S


TestJobMachine = JobMachine.TestCase
TestJobMachine.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
