"""The real parts of a worker and of who accepts jobs, put together for a run.

Only the fleet, photos behind URLs and what decides about room are stand-ins. All waits are short,
so that what a crash leaves is picked up within seconds.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from control_plane.adapters.clock import MonotonicClock
from control_plane.adapters.queues import SqlQueue
from control_plane.adapters.queues.rabbitmq import RabbitmqQueue
from control_plane.adapters.queues.rabbitmq_link import RabbitmqOptions
from control_plane.adapters.queues.sqs import SqsOptions, SqsQueue
from control_plane.adapters.stores import SqlJobs, open_store
from control_plane.adapters.uploads import FileUploads
from control_plane.core.jobs import JobRetryOptions
from control_plane.ports import JobQueue, PhotoSource

DAY_S = 86_400.0
LEASE_S = 3.0
CLAIM_S = 3.0
STORE_TIMEOUT_S = 5.0
MAX_ATTEMPTS = 10
PHOTO = b"the stand-in of the fleet does not look at it"
PHOTO_URL = "file:///photos/roof.jpg"
SECRET = "whsec_dGlkZWdhdGUtdGVzdHMtc2VjcmV0LTMyLWJ5dGVzISE="


@dataclass(frozen=True, slots=True)
class Place:
    """Where the processes of one run find everything. It can be sent to any of them.

    store: SQLite's file, or a URL. queue: sql, rabbitmq or sqs; queue_url: of the latter two.
    webhook: where results go; "" for nowhere. takes_s: how long a detection takes. copies: how
    often an order is published. is_noted: whether each message and detection is noted, which
    costs more than the stand-in of the fleet.
    """

    folder: Path
    store: str
    queue: str = "sql"
    queue_url: str = ""
    prefix: str = "tidegate"
    webhook: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    takes_s: float = 0.0
    concurrency: int = 8
    claim_s: float = CLAIM_S
    max_attempts: int = MAX_ATTEMPTS
    copies: int = 1
    is_noted: bool = True

    @property
    def retries(self) -> JobRetryOptions:
        return JobRetryOptions(self.max_attempts, first_s=0.05, most_s=0.5, pause_s=0.1)


@dataclass(frozen=True, slots=True)
class Parts:
    """What is behind the ports."""

    jobs: SqlJobs
    queue: JobQueue
    uploads: FileUploads
    clock: MonotonicClock


class AnyPhoto:
    """PhotoSource: every photo is there, and is the same."""

    def check(self, url: str) -> None:
        """All are allowed."""

    async def fetch(self, url: str) -> bytes:
        return PHOTO

    def inspect(self, photo: bytes) -> None:
        """PhotoInspector: all are photos."""


PHOTOS: PhotoSource = AnyPhoto()


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Parts]:
    """Store, queue and uploads of a run, in the process that asks."""
    os.environ.update(place.environment)
    clock = MonotonicClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(place.store, timeout_s=STORE_TIMEOUT_S))
        queue: JobQueue
        match place.queue:
            case "sql":
                queue = await stack.enter_async_context(
                    SqlQueue(store.database, lease_s=LEASE_S, max_deliveries=200)
                )
            case "rabbitmq":
                options = RabbitmqOptions(
                    place.queue_url, prefix=place.prefix, delivery_limit=200, longest_retry_s=8.0
                )
                queue = await stack.enter_async_context(RabbitmqQueue(options, Random()))
            case _:
                sqs = SqsOptions(
                    prefix=place.prefix,
                    endpoint_url=place.queue_url,
                    create=True,
                    delivery_limit=200,
                    visibility_s=round(LEASE_S),
                )
                queue = await stack.enter_async_context(SqsQueue(sqs, Random()))
        uploads = FileUploads(place.folder / "uploads", max_bytes=2**30, clock=clock)
        yield Parts(SqlJobs(store.database), queue, uploads, clock)
