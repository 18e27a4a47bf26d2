"""Jobs as a control plane answers them."""

from __future__ import annotations

from typing import Any

JOB_ID = "0b6fd3a2-8c0e-4d5e-9f0a-2f6d2f1c7b11"
OTHER_ID = "5a8e5b1c-0000-4000-8000-000000000002"
JOB: dict[str, Any] = {
    "id": JOB_ID,
    "state": "queued",
    "priority": "normal",
    "dead": None,
    "correlation_id": "c-1",
    "engines": ["damage", "volume"],
    "photo_url": "s3://claims/[red]roof[/].jpg",
    "photo_id": None,
    "is_uploaded": False,
    "releases": {"damage": "1.0.0"},
    "metadata": {},
    "routing_key": "roof-7",
    "idempotency_key": "photo-1",
    "created_at": "2025-01-31T12:00:00Z",
    "updated_at": "2025-01-31T12:00:05Z",
    "due_at": "2025-01-31T12:00:00Z",
    "deadline_at": "2025-02-01T12:00:00Z",
    "published_at": "2025-01-31T12:00:00Z",
    "run": 0,
    "attempts": 0,
    "claim": None,
    "error": None,
    "handover": None,
}
ERROR = {
    "code": "photo_unavailable",
    "message": "the store is away",
    "at": "2025-01-31T12:00:05Z",
    "field": "photo_url",
}
DEAD = {**JOB, "state": "failed", "dead": "failed", "attempts": 10, "error": ERROR}
WORKING = {
    **JOB,
    "state": "processing",
    "attempts": 1,
    "claim": {"worker": "worker-1", "attempt": 1, "expires_at": "2025-01-31T12:00:30Z"},
}
UNREADABLE = {
    **JOB,
    "id": OTHER_ID,
    "state": "failed",
    "dead": "unprocessable",
    "correlation_id": None,
    "engines": [],
    "photo_url": None,
    "releases": {},
    "idempotency_key": None,
    "error": {"code": "invalid_argument", "message": "no JSON", "at": "2025-01-31T12:00:05Z"},
    "raw": "{[bold]not json\x1b[31m",
}
DONE = {
    **JOB,
    "state": "completed",
    "attempts": 1,
    "answer": {
        "model_versions": {"damage": "v1.0.0"},
        "results": {"damage": {"detections": [], "counts": {"hail": 3}}},
        "errors": {"volume": {"code": "backend_fault", "message": "out of memory"}},
    },
    "handover": {
        "run": 0,
        "state": "given_up",
        "attempts": 3,
        "due_at": None,
        "delivered_at": None,
        "error": "HTTP 500",
    },
}
FIGURES: dict[str, Any] = {
    "waiting": {"high": 1, "normal": 0, "low": 40},
    "queue": {"high": 1, "normal": 0, "low": 39},
    "oldest_age_s": {"high": 0.0, "normal": 0.0, "low": 125.5},
    "states": {"queued": 41, "processing": 2},
    "dead": {"unprocessable": 1, "failed": 2},
    "undelivered": 1,
    "sending": 3,
}
