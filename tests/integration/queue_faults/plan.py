"""The jobs of one run: how each is asked for, how it fares, and how it has to end.

The correlation id of a job says what the stand-in of the fleet is to do with it, so that any
process knows, also after a crash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import DeadReason

ENGINES = ("damage", "materials", "volume")


class Kind(StrEnum):
    """What happens to a job in the fleet."""

    PLAIN = "plain"
    SLOW = "slow"
    """It takes SLOW_S."""
    FLAKY = "flaky"
    """Each engine fails in the first FAILURES attempts."""
    PARTLY = "partly"
    """One engine fails for ever."""
    FAILING = "failing"
    """All of them do."""
    UNPROCESSABLE = "unprocessable"
    """The photo is none."""
    DEADLY = "deadly"
    """Whoever asks about it is killed."""


SLOW_S = 0.3
FAILURES = 2

End = tuple[DetectionStatus, DeadReason | None]

ENDS: dict[Kind, End] = {
    Kind.PLAIN: (DetectionStatus.COMPLETED, None),
    Kind.SLOW: (DetectionStatus.COMPLETED, None),
    Kind.FLAKY: (DetectionStatus.COMPLETED, None),
    Kind.PARTLY: (DetectionStatus.PARTIAL, None),
    Kind.FAILING: (DetectionStatus.FAILED, DeadReason.FAILED),
    Kind.UNPROCESSABLE: (DetectionStatus.FAILED, DeadReason.UNPROCESSABLE),
    Kind.DEADLY: (DetectionStatus.FAILED, DeadReason.FAILED),
}

MIX = {
    Kind.PLAIN: 76,
    Kind.SLOW: 4,
    Kind.FLAKY: 8,
    Kind.PARTLY: 4,
    Kind.FAILING: 4,
    Kind.UNPROCESSABLE: 4,
}
"""Shares of a hundred; of what is deadly a run says itself how many there are."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One job. is_uploaded: its photo comes with it. is_repeated: it is asked for twice."""

    number: int
    kind: Kind
    priority: Priority
    is_uploaded: bool
    is_repeated: bool

    @property
    def correlation_id(self) -> str:
        return f"{self.kind.value}.{self.number}"

    @property
    def key(self) -> str:
        return f"key-{self.number}"


def plan(jobs: int, *, seed: int, deadly: int = 0) -> tuple[Planned, ...]:
    """So many jobs in a random order, each kind among them."""
    rng = Random(seed)
    kinds = [Kind.DEADLY] * deadly + list(MIX)
    kinds += rng.choices(list(MIX), list(MIX.values()), k=max(0, jobs - len(kinds)))
    rng.shuffle(kinds)
    return tuple(
        Planned(
            number=number,
            kind=kind,
            priority=rng.choice(list(Priority)),
            is_uploaded=rng.random() < 0.1,
            is_repeated=rng.random() < 0.1,
        )
        for number, kind in enumerate(kinds)
    )


def plain_jobs(shares: dict[Priority, int], jobs: int, *, seed: int) -> tuple[Planned, ...]:
    """Jobs that all fare well, of the priorities in these shares."""
    rng = Random(seed)
    drawn = rng.choices(list(shares), list(shares.values()), k=jobs)
    return tuple(
        Planned(number, Kind.PLAIN, priority, is_uploaded=False, is_repeated=False)
        for number, priority in enumerate(drawn)
    )


def kind_of(correlation_id: str) -> Kind:
    return Kind(correlation_id.partition(".")[0])


def findings(job_id: str, engine: str) -> dict[str, object]:
    """What an engine finds: the same in every attempt, and another for every job."""
    return {"mark": hashlib.sha256(f"{job_id} {engine}".encode()).hexdigest()[:16]}


def expected_results(kind: Kind, job_id: str) -> dict[str, dict[str, object]]:
    """By engine, of a job that has come to its end."""
    if ENDS[kind][0] is DetectionStatus.FAILED:
        return {}
    found: Sequence[str] = ENGINES[1:] if kind is Kind.PARTLY else ENGINES
    return {engine: findings(job_id, engine) for engine in found}
