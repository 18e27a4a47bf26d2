"""Where jobs are kept, what carries the order to look at one, and where results go.

The store has the word: a job is what is stored of it. The queue only wakes somebody up, and may
do so twice, late, or, after a disaster, not at all; upkeep finds what was forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from control_plane.core.detections import Priority
from control_plane.core.jobs import Job, JobFigures, JobFilter
from control_plane.errors import ControlPlaneError, ErrorCode


class JobStore(Protocol):
    """All jobs. Time is the store's own. Raises StoreUnavailable, all of it."""

    async def add(self, make: Callable[[float], Job]) -> tuple[Job, bool]:
        """The job that ``make`` makes of the time, stored; and whether it is new.

        One with the same id or the same idempotency key that is there already is answered
        instead, whoever stored it and however many try at once.
        """
        ...

    async def change(self, job_id: str, decide: Callable[[Job, float], Job]) -> Job:
        """What ``decide`` makes of a job and the time, stored; changes follow one another.

        What ``decide`` raises is raised, and nothing is changed. Raises NOT_FOUND.
        """
        ...

    async def get(self, job_id: str) -> Job | None:
        """A job with everything."""
        ...

    async def find(self, wanted: JobFilter, *, limit: int = 50) -> tuple[Job, ...]:
        """The latest first. Without ``answer`` and ``raw``, which may be large."""
        ...


class Due(StrEnum):
    """What upkeep asks for."""

    UNPUBLISHED = "unpublished"
    """Queued, and the queue has not confirmed the order to look at it."""
    STRANDED = "stranded"
    """Processing, with a claim that has run out."""
    OVERDUE = "overdue"
    """Not finished by its deadline."""
    FORGOTTEN = "forgotten"
    """Queued and published, and due for so long that its order must have been lost."""
    UNDELIVERED = "undelivered"
    """Finished, with a result that is to be sent now."""


class JobUpkeep(Protocol):
    """What is to be seen to of many jobs at once. Raises StoreUnavailable."""

    async def due(self, what: Due, *, since_s: float, limit: int) -> tuple[str, ...]:
        """The ids of jobs of which this has been true for ``since_s``; the longest first."""
        ...

    async def states_of(self, job_ids: Sequence[str]) -> Mapping[str, tuple[str, float]]:
        """State and last change of jobs, by id: cheap, for who watches them."""
        ...

    async def forget(self, *, finished_s: float, dead_s: float, limit: int) -> tuple[str, ...]:
        """Deletes what was finished so long ago, dead letters by a time of their own; their ids."""
        ...

    async def figures(self) -> JobFigures: ...


class QueueUnavailable(Exception):
    """The queue does not answer, or not in time; the words say why. It may come back."""


MAX_MESSAGE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """An order to the workers. body: JSON. Raises MESSAGE_TOO_LARGE over MAX_MESSAGE_BYTES."""

    message_id: str
    priority: Priority
    body: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.body) > MAX_MESSAGE_BYTES:
            raise ControlPlaneError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"a message has at most {MAX_MESSAGE_BYTES} bytes; this one has {len(self.body)}",
            )


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message in a worker's hands, until it is settled or the worker is gone.

    message_id: as its sender gave it, or as the broker did; None where neither has.
    body: not more than MAX_MESSAGE_BYTES of it. is_cut: whether there was more.
    deliveries: how often it was handed out, this time included, as far as the queue knows.
    is_dead: whether the queue itself has given it up, after too many of them.
    carried: the headers of its sender's trace, by their names in lower case.
    receipt: the queue's own.
    """

    priority: Priority
    body: bytes = field(repr=False)
    message_id: str | None = None
    deliveries: int = 1
    is_dead: bool = False
    is_cut: bool = False
    carried: Mapping[str, str] = field(default_factory=dict)
    receipt: object = field(default=None, repr=False, compare=False)


class JobQueue(Protocol):
    """Carries messages, at least once, most urgent first as far as it is asked to."""

    async def publish(self, message: Message) -> None:
        """Returns once the queue has confirmed that it keeps it. Raises QueueUnavailable.

        After QueueUnavailable it may be kept nevertheless.
        """
        ...

    async def take(self, wanted: Mapping[Priority, int], *, wait_s: float) -> tuple[Delivery, ...]:
        """At most as many messages as are wanted in all, and of each priority the wanted number.

        Where one has fewer, others are taken in their place, the most urgent first; but none of a
        priority of which 0 are wanted. With none at all it waits for some, at most ``wait_s``.
        What is taken is nobody else's, however long the work takes, until it is settled.
        Cancelled, it loses nothing.
        Raises QueueUnavailable.
        """
        ...

    async def settle(self, delivery: Delivery, *, retry_in_s: float | None = None) -> None:
        """Done with it; or, with a time, to be delivered again after about so long.

        Raises QueueUnavailable; then it is delivered again, some time.
        """
        ...

    async def depths(self) -> Mapping[Priority, int]:
        """How many messages wait, those for a later time too. Raises QueueUnavailable."""
        ...


class Uploads(Protocol):
    """Photos that came with their jobs, kept until these are over. Raises PHOTO_UNAVAILABLE."""

    async def put(self, job_id: str, photo: bytes) -> None:
        """Kept for good when this returns."""
        ...

    async def get(self, job_id: str) -> bytes:
        """Raises PHOTO_NOT_FOUND."""
        ...

    async def remove(self, job_id: str) -> None:
        """One that is not there is no error."""
        ...

    async def old(self, *, after: str, age_s: float, limit: int) -> tuple[str, ...]:
        """The jobs of those that were put so long ago, by their ids and only greater ones than
        ``after``: for finding what a crash has left without a job."""
        ...


class ResultRefused(Exception):
    """The receiver does not want this result, and will not want it later: the words say why."""


class ResultUnsent(Exception):
    """The receiver did not confirm. retry_after_s: when it asked to be tried again."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ResultSink(Protocol):
    """Where results are sent, for instance the metadata service."""

    async def send(
        self, result_id: str, body: bytes, *, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Returns once the receiver has confirmed.

        result_id: the same for every try of one result, and never for two contents. headers: that
        go along, of the trace that it belongs to.
        Raises ResultUnsent, and ResultRefused.
        """
        ...


class ResultCache(Protocol):
    """What engines found on photos, for a while. It never raises: a broken one finds nothing."""

    @property
    def failures(self) -> int:
        """How many gets and puts have failed so far."""
        ...

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes) -> None: ...
