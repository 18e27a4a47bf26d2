"""What was done, as the audit has it: a line for each entry, with what changed by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.fleet_picture import time_of
from cli.printing import table
from cli.rollout_words import Metric, evidence_of, percent, seen_of, test_of, words

if TYPE_CHECKING:
    from rich.table import Table

Entry = Mapping[str, Any]

NAMES = {"weight_bp": "traffic", "weights_bp": "traffic", "shadow_bp": "shadow"}
DECIDING = frozenset({"worse", "error"})


def history_table(entries: Sequence[Entry], now: datetime) -> Table:
    """What was done, the latest first."""
    return table(
        ["when", "who", "did", "what changed", "why"],
        [
            [
                time_of(one["at"], now),
                str(one["who"]),
                words(str(one["action"])),
                changes_of(one),
                str(one.get("reason") or "-"),
            ]
            for one in entries
        ],
    )


def changes_of(entry: Entry) -> str:
    """``step 1 → 2, traffic 1 % → 5 %``; what went back by itself says by which test."""
    before, after = entry.get("before") or {}, entry.get("after") or {}
    said = []
    for key in dict.fromkeys([*before, *after]):
        if key == "evidence":
            said += [_test_at(one) for one in after[key] if one["verdict"] in DECIDING]
            continue
        name = NAMES.get(key, words(key))
        now = _value(key, after.get(key))
        if key not in before:
            said.append(f"{name} {now}")
        elif before[key] != after.get(key):
            said.append(f"{name} {_value(key, before[key])} → {now}")
    return ", ".join(said) or "-"


def _test_at(figures: Metric) -> str:
    name, verdict = test_of(str(figures["metric"])).name, words(str(figures["verdict"]))
    if not figures.get("threshold"):
        return f"{name} {verdict} ({seen_of(figures)})"
    evidence = evidence_of(figures.get("evidence")), evidence_of(figures["threshold"])
    return f"{name} {verdict} ({evidence[0]} of {evidence[1]}, {seen_of(figures)})"


def _value(key: str, value: object) -> str:
    if key.endswith("_bp") and isinstance(value, (int, float)):
        return percent(value)
    if isinstance(value, (list, tuple)):
        return " ".join(str(one) for one in value) or "none"
    if isinstance(value, Mapping):
        said = (f"{name}={_value(key, inner)}" for name, inner in value.items())
        return " ".join(said) or "none"
    return "-" if value is None or value == "" else str(value)
