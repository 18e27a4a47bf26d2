"""What a request asks, as one value: to tell a repeat from another request under the same key."""

from __future__ import annotations

import hashlib
import json

from control_plane.core.jobs.job import JobRequest


def fingerprint(request: JobRequest, photo_sha256: str | None = None) -> str:
    """The same for requests that ask the same, in whatever order their names were given.

    photo_sha256: of an uploaded photo. The correlation id is no part of it: a caller who gives
    none gets another one with each try.
    """
    asked = {
        "engines": sorted(request.engines),
        "photo_url": request.photo_url,
        "photo_sha256": photo_sha256,
        "photo_id": request.photo_id,
        "releases": dict(request.releases),
        "metadata": dict(request.metadata),
        "routing_key": request.routing_key,
    }
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
