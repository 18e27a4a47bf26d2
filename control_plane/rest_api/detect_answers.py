"""An answer about a photo as an HTTP response."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from control_plane.core.answer_document import write_answer
from control_plane.core.detections import DetectionAnswer, DetectionStatus
from control_plane.errors import ControlPlaneError
from control_plane.rest_api.json_bodies import JSON
from control_plane.rest_api.problems import STATUS_OF, problem_of


def write_response(answer: DetectionAnswer, headers: Mapping[str, str] | None = None) -> Response:
    """200 with what was found; where nothing was, a problem with the gravest reason."""
    body = write_answer(answer)
    if answer.status is not DetectionStatus.FAILED or not answer.errors:
        return Response(orjson.dumps(body, default=dict), headers=headers, media_type=JSON)
    worst = max(
        answer.errors.values(), key=lambda one: (STATUS_OF[one.code], one.retry_after_s or 0)
    )
    reasons = "; ".join(f"{name}: {failure.message}" for name, failure in answer.errors.items())
    problem_status = body.pop("status")
    error = ControlPlaneError(
        worst.code, f"no engine answered: {reasons}", retry_after_s=worst.retry_after_s
    )
    # RFC 9457 gives "status" to the HTTP status; the detection's own goes beside it.
    extensions = {**body, "detection_status": problem_status}
    return problem_of(error, answer.correlation_id, headers=headers, extensions=extensions)
