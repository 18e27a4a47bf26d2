"""What happened lately: changes of health as this control plane saw them, and the audit of all,
in one list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from control_plane.core.state import AuditRecord
from control_plane.rest_api.dashboard import tones
from control_plane.rest_api.dashboard.words import from_epoch
from control_plane.services.status import ChangeView

MOST = 40
TIDEGATE = "tidegate"
"""Who did what was decided by rule."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing. key: the same for the same thing. href: the page about where it happened."""

    key: str
    at: datetime
    tone: str
    where: str
    href: str
    what: str
    reason: str
    who: str = ""


def merge(changes: Iterable[ChangeView], records: Iterable[AuditRecord]) -> list[Happening]:
    """The latest first, MOST at most."""
    found = [*map(_of_change, changes), *map(_of_record, records)]
    return sorted(found, key=lambda one: one.at, reverse=True)[:MOST]


def _of_change(change: ChangeView) -> Happening:
    where = change.instance if change.engine is None else f"{change.engine} on {change.instance}"
    return Happening(
        key=f"{change.at.isoformat()} {where} {change.now}",
        at=change.at,
        tone=tones.tone_of(change.now),
        where=where,
        href=f"/dashboard/instances/{quote(change.instance, safe='')}",
        what=f"{_said(change.was)} → {_said(change.now)}",
        reason=change.reason,
    )


def _of_record(record: AuditRecord) -> Happening:
    entry = record.entry
    where, href = entry.rollout_id or entry.engine or entry.instance, ""
    if entry.engine:
        href = f"/dashboard/engines/{quote(entry.engine, safe='')}"
    elif entry.instance:
        href = f"/dashboard/instances/{quote(entry.instance, safe='')}"
    state = entry.after.get("state")
    return Happening(
        key=f"audit {record.number}",
        at=from_epoch(record.at_s),
        tone=tones.ROLLOUT.get(state, tones.INFO) if isinstance(state, str) else tones.INFO,
        where=where,
        href=href,
        what=_said(entry.action) + _moved(entry.before, entry.after),
        reason=entry.reason,
        who=entry.who,
    )


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Of a rollout: from one state to another, or one step to another."""
    was, now = before.get("state"), after.get("state")
    if now is None or was == now:
        step = after.get("step")
        return f": step {step}" if isinstance(step, int) and step else ""
    return f": {_said(str(now))}" if was is None else f": {_said(str(was))} → {_said(str(now))}"


def _said(word: str) -> str:
    return word.replace("_", " ")
