"""One run: jobs are accepted and worked on while something goes wrong, and then all is counted."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from tests.integration.faults.shown import Figure, Shown
from tests.integration.queue_faults.checking import Expected, check, wait_settled
from tests.integration.queue_faults.notes import Notes
from tests.integration.queue_faults.plan import Planned, plan
from tests.integration.queue_faults.processes import Supervised, supervised
from tests.integration.queue_faults.programs import put, submit, work
from tests.integration.queue_faults.receiver import GOOD, Manners, receive
from tests.integration.queue_faults.stage import Stage
from tests.integration.running import wait_until
from tests.servers.ports import free_port

SEED = 20261
WORKERS = 2

Death = tuple[str, int]
"""A step, and at which passing of it the process kills itself."""

StraightMessage = tuple[str, bytes, bool]
"""What another service puts on the queue: id, body, whether it is an order."""


@dataclass(frozen=True, slots=True)
class Script:
    """What a run consists of.

    deaths: of workers; intake_deaths: of who accepts jobs. deadly: jobs that kill their workers.
    per_s: jobs submitted in a second; 0: as many as go.
    """

    jobs: int
    deaths: Sequence[Death] = ()
    intake_deaths: Sequence[Death] = ()
    deadly: int = 0
    messages: Sequence[StraightMessage] = ()
    manners: Manners = GOOD
    per_s: float = 0.0
    workers: int = WORKERS
    is_sent: bool = True
    seed: int = SEED


@dataclass(frozen=True, slots=True)
class Run:
    """What a fault has its hands on while jobs are under way."""

    stage: Stage
    script: Script
    notes: Notes
    workers: Supervised
    submitter: Supervised

    def wait_accepted(self, share: float) -> None:
        """Until so much of all jobs is accepted."""
        wait_until(
            lambda: len(self.notes.accepted()) >= share * self.script.jobs,
            timeout_s=self.patience_s,
            what=f"{share:.0%} of the jobs accepted",
        )

    @property
    def patience_s(self) -> float:
        return 90.0 + 0.2 * self.script.jobs


def nothing(run: Run) -> None:
    """No fault from outside."""


def ledger(
    stage: Stage, script: Script, what: str, inject: Callable[[Run], None] = nothing
) -> Shown:
    """Does a run and says what it has shown. inject: does harm while jobs are under way."""
    notes = Notes(stage.place.folder)
    jobs = plan(script.jobs, seed=script.seed, deadly=script.deadly)
    place = stage.place
    with ExitStack() as stack:
        if script.is_sent:
            port = free_port()
            place = replace(place, webhook=f"http://127.0.0.1:{port}/results")
            arguments = (port, place.folder, script.manners, script.seed)
            stack.enter_context(supervised(receive, then=arguments))
            wait_until(lambda: _listens(port), what="the receiver of results")
        started_s = time.monotonic()
        submitter = stack.enter_context(
            supervised(
                submit,
                arguments=[(place, jobs, script.per_s, *death) for death in script.intake_deaths],
                then=(place, jobs, script.per_s, "", 0),
            )
        )
        if script.messages:
            other = stack.enter_context(supervised(put, then=(place, script.messages)))
        workers = stack.enter_context(
            supervised(
                work,
                count=script.workers,
                arguments=[(place, *death) for death in script.deaths],
                then=(place,),
            )
        )
        run = Run(stage, script, notes, workers, submitter)
        inject(run)
        wait_until(lambda: submitter.is_done, timeout_s=run.patience_s, what="all accepted")
        if script.messages:
            wait_until(lambda: other.is_done, timeout_s=run.patience_s, what="all messages put")
        expected = _expected(notes, jobs)
        count = len(expected.ids)
        asyncio.run(
            wait_settled(stage.place, count, is_sent=script.is_sent, timeout_s=run.patience_s)
        )
        took_s = time.monotonic() - started_s
    figures = asyncio.run(check(stage.place, expected, is_sent=script.is_sent))
    killed = submitter.deaths + workers.deaths
    failed = [code for one in (submitter, workers) for code in one.failures]
    return Shown(
        f"{stage.backend.value}: {what}",
        (
            *figures,
            Figure("killed", killed),
            Figure("not killed and yet ended", len(failed), at_most=0),
            Figure("took", took_s, "s"),
        ),
        notes.refused() + Counter(f"exit status {code}" for code in failed),
    )


def _expected(notes: Notes, jobs: Sequence[Planned]) -> Expected:
    accepted = notes.accepted()
    return Expected(
        {accepted[one.number]: one for one in jobs if one.number in accepted},
        notes.sent(),
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
