"""The least that can be read of a message: an order of our own, or a request for a photo."""

from __future__ import annotations

import json

from control_plane.core.jobs import ForeignOrder, JobReference, JobRequest, OrderMessage
from control_plane.errors import InvalidArgument
from tests.integration.queue_faults.plan import ENGINES


def read_message(body: bytes) -> OrderMessage:
    """Raises InvalidArgument."""
    try:
        asked = json.loads(body)
        if "job_id" in asked:
            return JobReference(asked["job_id"])
        request = JobRequest(ENGINES, asked["correlation_id"], photo_url=asked["photo_url"])
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidArgument(f"no order: {error!r}", field="body") from error
    return ForeignOrder(request)
