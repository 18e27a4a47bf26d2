"""What is on the queue: our own orders, and what other services ask without coming by the API.

    {"job_id": "…"}              look at a job that the store has
    {"photo_url": "…", …}        the JSON of POST /detect, with what its headers would say

Whatever the bytes are, they are read as one of these or refused with the name of the field: who
put them there is gone, and a person has to find out from the dead letter what was wrong.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from control_plane.core.detections import check_uuid
from control_plane.core.identifiers import (
    MAX_IDEMPOTENCY_KEY_CHARACTERS,
    MAX_KEY_CHARACTERS,
    check_idempotency_key,
    check_routing_key,
    is_correlation_id,
)
from control_plane.core.jobs import JobRequest
from control_plane.core.jobs.checks import check_request
from control_plane.core.jobs.orders import ForeignOrder, JobReference, OrderMessage
from control_plane.core.tracing.w3c import read_traceparent
from control_plane.errors import InvalidArgument
from control_plane.rest_api.forms import check_form
from control_plane.rest_api.json_bodies import check_object, parse_json
from control_plane.rest_api.schemas import DetectBody

RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class ReferenceBody(BaseModel):
    """An order of our own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    job_id: str


class MessageBody(DetectBody):
    """A request put straight on the queue. A key it does not know is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    priority: str | None = Field(
        None,
        description="`high`, `normal` or `low`. It is checked and then not used: the queue that "
        "the message is on decides.",
        examples=["normal"],
    )
    routing_key: str | None = Field(
        None,
        description=f"Keeps its caller on one side of a traffic split: at most "
        f"{MAX_KEY_CHARACTERS} characters. When left out, each job is on a side of its own.",
    )
    correlation_id: str | None = Field(
        None,
        description=f"An id for the log, of letters, digits and `._:/-`: at most "
        f"{MAX_KEY_CHARACTERS} characters. One is made when it is missing.",
    )
    traceparent: str | None = Field(
        None,
        description="The trace that it belongs to, as the header of W3C Trace Context has it; "
        "what is none is not used. It may be a header of the message as well.",
        examples=["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
    )
    tracestate: str | None = Field(None, description="Goes along with `traceparent`.")
    deadline: str | None = Field(
        None,
        description="Not worked on after this: RFC 3339 with its zone.",
        json_schema_extra={"format": "date-time"},
    )
    idempotency_key: str | None = Field(
        None,
        description=f"Messages with the same key are the same job: at most "
        f"{MAX_IDEMPOTENCY_KEY_CHARACTERS} printable ASCII characters. When left out, the "
        "message's own id on the broker tells repeats.",
    )


def read_message(
    body: bytes,
    *,
    known: tuple[str, ...],
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> OrderMessage:
    """The order in a message. known: the engines that may be asked for.

    new_id: makes the correlation id of a message that has none. Raises InvalidArgument.
    """
    read = parse_json(body, "body")
    if isinstance(read, dict) and "job_id" in read:
        return JobReference(check_uuid(check_object(read, ReferenceBody).job_id, "job_id"))
    asked = check_object(read, MessageBody)
    if asked.photo_url is None:
        raise InvalidArgument("photo_url is missing", field="photo_url")
    form = check_form(asked.model_dump(include=set(DetectBody.model_fields)), None, known)
    request = JobRequest(
        engines=form.engines,
        correlation_id=_correlation_id(asked.correlation_id, new_id),
        photo_url=form.photo_url,
        photo_id=form.photo_id,
        releases=form.releases,
        metadata=form.metadata,
        routing_key=check_routing_key(asked.routing_key or "", "routing_key") or None,
        trace=read_traceparent(asked.traceparent or "", asked.tracestate or ""),
    )
    key = asked.idempotency_key
    return ForeignOrder(
        request=check_request(request),
        idempotency_key=None if key is None else check_idempotency_key(key, "idempotency_key"),
        deadline_at=None if asked.deadline is None else read_deadline(asked.deadline),
    )


def read_deadline(text: str) -> datetime:
    """An aware time. Raises InvalidArgument for what RFC 3339 does not have."""
    if RFC_3339.fullmatch(text) is not None:
        try:
            at = datetime.fromisoformat(text.upper())
            at.astimezone(UTC)  # near the ends of the calendar a zone leads out of it
        except (ValueError, OverflowError):
            pass
        else:
            return at
    raise InvalidArgument(
        f"deadline is no RFC 3339 time with a zone, as in 2025-01-31T12:00:00Z: {text[:40]!r}",
        field="deadline",
    )


def _correlation_id(given: str | None, new_id: Callable[[], str]) -> str:
    if given is None:
        return new_id()
    if not is_correlation_id(given):
        raise InvalidArgument(
            f"correlation_id is not 1 to {MAX_KEY_CHARACTERS} letters, digits and ._:/-: "
            f"{given[:80]!r}",
            field="correlation_id",
        )
    return given
