"""An answer as the document that REST answers with, that is stored with a job, and is sent on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from control_plane.core.detections import (
    DetectionAnswer,
    DetectionStatus,
    EngineFailure,
    EngineResult,
)
from control_plane.errors import ErrorCode

Document = dict[str, Any]


def write_answer(answer: DetectionAnswer) -> Document:
    """The answer as JSON shows it."""
    return {
        "request_id": answer.request_id,
        "detection_id": answer.detection_id,
        "correlation_id": answer.correlation_id,
        "photo_id": answer.photo_id,
        "status": answer.status.value,
        "results": {name: result.findings for name, result in answer.results.items()},
        "errors": {
            name: {
                "code": failure.code.value,
                "message": failure.message,
                "retry_after_s": failure.retry_after_s,
            }
            for name, failure in answer.errors.items()
        },
        "processing_time_ms": answer.processing_time_ms,
        "model_versions": {name: f"v{result.release}" for name, result in answer.results.items()},
        "served_by": {
            name: {
                "release": result.release,
                "instance": result.instance,
                "attempts": result.attempts,
                "fallback_from": result.fallback_from,
                "cached": result.is_cached,
            }
            for name, result in answer.results.items()
        },
        "timestamp": answer.timestamp.isoformat(),
    }


def read_answer(document: Mapping[str, Any]) -> DetectionAnswer:
    """The answer of which ``write_answer`` made the document.

    Raises KeyError, TypeError or ValueError for any other.
    """
    served = document["served_by"]
    return DetectionAnswer(
        request_id=document["request_id"],
        detection_id=document["detection_id"],
        correlation_id=document["correlation_id"],
        photo_id=document["photo_id"],
        status=DetectionStatus(document["status"]),
        results={
            name: EngineResult(
                findings=findings,
                release=served[name]["release"],
                instance=served[name]["instance"],
                attempts=served[name]["attempts"],
                fallback_from=served[name]["fallback_from"],
                # Not in documents from before there was a cache.
                is_cached=served[name].get("cached", False),
            )
            for name, findings in dict(document["results"]).items()
        },
        errors={
            name: EngineFailure(
                ErrorCode(failure["code"]), failure["message"], failure["retry_after_s"]
            )
            for name, failure in dict(document["errors"]).items()
        },
        processing_time_ms=document["processing_time_ms"],
        timestamp=datetime.fromisoformat(document["timestamp"]),
    )
