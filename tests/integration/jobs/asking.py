"""Jobs as a service would send and follow them, over REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from tests.integration.running import NO_CERTIFICATES, RunningTidegate, wait_until

DETECT = "/api/v1/orchestrator/detect"
STATUS = "/api/v1/orchestrator/status"
FINISHED_WITHIN_S = 90.0
FINISHED = frozenset({"completed", "partial", "failed"})


def submit(
    tidegate: RunningTidegate,
    photo: bytes | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> httpx.Response:
    """A photo, or with ``photo_url`` the place of one, for whoever has time."""
    sent: dict[str, Any] = {"json": fields}
    if photo is not None:
        sent = {"data": fields, "files": {"photo": ("photo.jpg", photo)}}
    return httpx.post(
        tidegate.url + DETECT,
        **sent,
        headers={"prefer": "respond-async", **(headers or {})},
        timeout=60,
        verify=NO_CERTIFICATES,
    )


def accepted(response: httpx.Response) -> str:
    """The request's id."""
    assert response.status_code == 202, response.text
    request_id: str = response.json()["request_id"]
    assert response.headers["location"] == f"{STATUS}/{request_id}"
    return request_id


def status_of(tidegate: RunningTidegate, request_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = tidegate.get(f"{STATUS}/{request_id}")
    return answer


def job_of(tidegate: RunningTidegate, request_id: str) -> dict[str, Any]:
    job: dict[str, Any] = tidegate.get(f"/api/v1/jobs/{request_id}")
    return job


def finished(tidegate: RunningTidegate, request_id: str) -> dict[str, Any]:
    """The answer, once there is one."""

    def answer() -> dict[str, Any] | None:
        found = status_of(tidegate, request_id)
        return found if found["status"] in FINISHED else None

    found = wait_until(answer, timeout_s=FINISHED_WITHIN_S, what=f"{request_id} is finished")
    assert found is not None
    return found


def act(tidegate: RunningTidegate, path: str, **body: Any) -> httpx.Response:
    url = f"{tidegate.url}/api/v1/jobs/{path}"
    return httpx.post(url, json=body, timeout=30, verify=NO_CERTIFICATES)
