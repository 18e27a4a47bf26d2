"""Jobs in words: how one stands, and what a person may do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cli.rollout_words import duration

Job = Mapping[str, Any]

FINISHED = frozenset({"completed", "partial", "failed"})
PRIORITIES = ("high", "normal", "low")

# What has to be different before another try can end otherwise.
REMEDIES: Mapping[str, str] = {
    "photo_unavailable": "replay, once its store is back",
    "photo_not_found": "put the photo there and replay, or discard",
    "photo_forbidden": "allow its place in photos.* and replay, or discard",
    "photo_too_large": "raise photos.max_bytes and replay, or discard",
    "photo_invalid": "discard; it is no photo that can be read",
    "invalid_argument": "mend its sender; discard",
    "message_too_large": "mend its sender; discard",
    "conflict": "mend its sender: the key was another's; discard",
    "unknown_engine": "load the engine and replay, or discard",
    "unknown_release": "load the release and replay, or discard",
    "deadline_exceeded": "look at its error, then replay: it has all of its time again",
    "backend_unavailable": "replay, once the engines are well: tidegate status",
    "backend_fault": "replay, once the engines are well: tidegate status",
    "release_not_ready": "replay, once the release is ready: tidegate status",
}


def remedy_of(job: Job) -> str:
    """What to do about a dead letter, in a few words."""
    code = str((job.get("error") or {}).get("code") or "")
    other = "discard" if job.get("dead") == "unprocessable" else "replay, or discard"
    return REMEDIES.get(code, other)


def next_commands(jobs: Sequence[Job], elsewhere: str) -> list[str]:
    """What to type next about these dead letters. elsewhere: what names the control plane."""
    kinds = Counter(_kind_of(job) for job in jobs)
    (kind, count), *_ = kinds.most_common(1)
    reason, code = kind
    one = next(job["id"] for job in jobs if _kind_of(job) == kind)
    action = "discard" if _is_hopeless(reason, code) else "replay"
    said = [
        f"one of them: tidegate jobs show {one}{elsewhere}",
        f"then:        tidegate jobs {action} {one}{elsewhere}",
    ]
    # To discard is for good, so nobody is led to discard what he has not looked at.
    if action == "replay" and count > 1:
        said.append(f"all like it: tidegate jobs replay --reason {reason} --code {code}{elsewhere}")
    return said


def state_of(job: Job) -> str:
    """Its state, and of one that failed whether it is no dead letter any more."""
    is_discarded = job["state"] == "failed" and not job.get("dead")
    return "failed (discarded)" if is_discarded else str(job["state"])


def line_of(job: Job) -> str:
    """How a job stands, on one line."""
    parts = [str(job["state"])]
    if job.get("attempts"):
        parts.append(f"attempt {job['attempts']}")
    if job.get("run"):
        parts.append(f"replayed {job['run']} time{'s' if job['run'] > 1 else ''}")
    error = job.get("error")
    if error:
        parts.append(error_of(job))
    return ", ".join(parts)


def error_of(job: Job) -> str:
    error = job.get("error")
    return f"{error['message']} ({error['code']})" if error else "-"


def photo_of(job: Job) -> str:
    """Where its photo is."""
    if job.get("is_uploaded"):
        return "uploaded"
    return str(job.get("photo_url") or "-")


def age_of(at: str | None, now: datetime) -> str:
    """So long ago, or in so long."""
    if at is None:
        return "-"
    seconds = (now - datetime.fromisoformat(at)).total_seconds()
    return duration(seconds) if seconds >= 0 else f"in {duration(-seconds)}"


def figures_line(figures: Mapping[str, Any]) -> str:
    """The figures of all jobs on one line."""
    waiting = figures["waiting"]
    parts = [f"{sum(waiting.values())} waiting{_by_priority(waiting)}"]
    under_way = figures["states"].get("processing", 0)
    if under_way:
        parts.append(f"{under_way} under way")
    oldest_s = max(figures["oldest_age_s"].values(), default=0.0)
    if oldest_s:
        parts.append(f"the oldest for {duration(oldest_s)}")
    dead = sum(figures["dead"].values())
    if dead:
        parts.append(f"{dead} dead: tidegate jobs dead")
    if figures["undelivered"]:
        parts.append(f"{figures['undelivered']} undelivered: tidegate jobs list --undelivered")
    return ", ".join(parts)


def _by_priority(waiting: Mapping[str, int]) -> str:
    some = [f"{waiting[one]} {one}" for one in PRIORITIES if waiting.get(one)]
    return f" ({', '.join(some)})" if some else ""


def _kind_of(job: Job) -> tuple[str, str]:
    return str(job.get("dead")), _code_of(job)


def _code_of(job: Job) -> str:
    return str((job.get("error") or {}).get("code") or "internal")


def _is_hopeless(reason: str, code: str) -> bool:
    return "replay" not in REMEDIES.get(code, "" if reason == "unprocessable" else "replay")
