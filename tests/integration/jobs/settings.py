"""Settings of Tidegates that are killed: what a dead process held is to be had again soon."""

from __future__ import annotations

HURRIED: dict[str, object] = {
    "requests.timeout_s": 40,
    "requests.engine_timeout_s": 30,
    "fleet.observe_timeout_s": 5,
    "cache.kind": "off",
    "jobs.claim_s": 3,
    "queue.lease_s": 3,
    "photos.max_bytes": 2_000_000,
    "shutdown.notice_s": 0,
}
