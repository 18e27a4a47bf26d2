"""From a message to the job that it is about, one made of it where it is another service's.

A message that cannot be read becomes a job as well, a dead one: it was accepted by the queue, so
it ends where a person finds it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

import structlog

from control_plane.core.jobs import (
    DeadReason,
    ForeignOrder,
    Job,
    JobError,
    JobReference,
    OrderMessage,
)
from control_plane.core.jobs.fingerprint import fingerprint
from control_plane.core.jobs.transitions import bury
from control_plane.core.tracing import Propagation, read_context
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.ports import MAX_MESSAGE_BYTES, Delivery, JobStore

log = structlog.get_logger(__name__)

NAMESPACE = uuid.UUID("5f0f2a0e-3f3c-5d0b-9a55-6a2f0f7f7d1e")
"""Of the ids of jobs that are made of messages."""


class Origin(Enum):
    """How a message and its job came together."""

    REFERRED = auto()
    """The store had the job before, or so the message says."""
    ADOPTED = auto()
    ENTOMBED = auto()
    """It was no order; what it is lies among the dead letters."""


@dataclass(frozen=True, slots=True)
class AdoptionOptions:
    """deadline_s: of a job whose sender gives none; max_deadline_s: the longest one."""

    deadline_s: float
    max_deadline_s: float
    propagation: Propagation = Propagation.W3C


class Adoption:
    """Reads messages. read_message: raises InvalidArgument for what is no order."""

    def __init__(
        self,
        *,
        store: JobStore,
        read_message: Callable[[bytes], OrderMessage],
        options: AdoptionOptions,
    ) -> None:
        self._store = store
        self._read_message = read_message
        self._options = options

    async def job_of(self, delivery: Delivery) -> tuple[str, Origin]:
        """The id of the job that a message is about. Raises StoreUnavailable."""
        try:
            order = self._read(delivery)
        except ControlPlaneError as refusal:
            return await self.entomb(delivery, refusal), Origin.ENTOMBED
        if isinstance(order, JobReference):
            return order.job_id, Origin.REFERRED
        return await self._adopt(delivery, order)

    def _read(self, delivery: Delivery) -> OrderMessage:
        """Raises ControlPlaneError."""
        if delivery.is_cut:
            raise ControlPlaneError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"the message is larger than {MAX_MESSAGE_BYTES} bytes",
            )
        try:
            return self._read_message(delivery.body)
        except ControlPlaneError:
            raise
        except Exception as error:  # a message of somebody's must not stop a worker
            log.exception("a message could not be read")
            raise InvalidArgument(
                f"the message could not be read: {type(error).__name__}", field="body"
            ) from error

    async def _adopt(self, delivery: Delivery, order: ForeignOrder) -> tuple[str, Origin]:
        """The job that another service asks for: the same however often its message comes."""
        asked = fingerprint(order.request)
        # What the message itself says counts more than what carried it.
        trace = order.request.trace or read_context(delivery.carried, self._options.propagation)
        request = replace(order.request, trace=trace)

        def make(now_s: float) -> Job:
            # Who sent it is not there to be refused a deadline that is too far away.
            latest_s = now_s + self._options.max_deadline_s
            deadline_at_s = now_s + self._options.deadline_s
            if order.deadline_at is not None:
                deadline_at_s = min(order.deadline_at.timestamp(), latest_s)
            return Job(
                job_id=_id_of(delivery),
                request=request,
                priority=delivery.priority,
                created_at_s=now_s,
                updated_at_s=now_s,
                due_at_s=now_s,
                deadline_at_s=deadline_at_s,
                idempotency_key=order.idempotency_key,
                fingerprint=asked,
                published_at_s=now_s,
            )

        job, is_new = await self._store.add(make)
        if not is_new and job.fingerprint != asked:
            refusal = ControlPlaneError(
                ErrorCode.CONFLICT,
                f"its key or message id belongs to another request, job {job.job_id}",
                field="idempotency_key",
            )
            return await self.entomb(delivery, refusal), Origin.ENTOMBED
        return job.job_id, Origin.ADOPTED

    async def entomb(self, delivery: Delivery, refusal: ControlPlaneError) -> str:
        """Among the dead letters, with what the message was. The id of its job.

        Raises StoreUnavailable.
        """

        def make(now_s: float) -> Job:
            job = Job(
                job_id=_id_of(delivery, of_body=True),
                request=None,
                priority=delivery.priority,
                created_at_s=now_s,
                updated_at_s=now_s,
                due_at_s=now_s,
                deadline_at_s=now_s + self._options.deadline_s,
                raw=delivery.body.decode("utf-8", "replace"),
                published_at_s=now_s,
            )
            error = JobError(refusal.code, refusal.message, now_s, refusal.field)
            # Not sent to anybody: nobody knows what was asked.
            return bury(job, now_s, reason=DeadReason.UNPROCESSABLE, error=error, is_sent=False)

        job, is_new = await self._store.add(make)
        if is_new:
            log.warning("a message is no order", job_id=job.job_id, reason=refusal.message)
        return job.job_id


def _id_of(delivery: Delivery, *, of_body: bool = False) -> str:
    """The same for every delivery of one message, where that has an id.

    of_body: another one for another content under the same message id.
    """
    if delivery.message_id is None:
        return str(uuid.uuid4())
    name = delivery.message_id
    if of_body:
        name = f"{name}/{hashlib.sha256(delivery.body).hexdigest()}"
    return str(uuid.uuid5(NAMESPACE, name.encode("utf-8", "replace").decode()))
