"""Changes of health and the audit as one list."""

from __future__ import annotations

from datetime import timedelta

from control_plane.core.state import AuditEntry, AuditRecord
from control_plane.rest_api.dashboard.lately import MOST, merge
from control_plane.services.status import ChangeView
from tests.unit.rest_api.fakes import NOON, change_view


def record(number: int, entry: AuditEntry, after_s: float = 0.0) -> AuditRecord:
    return AuditRecord(number, NOON.timestamp() + after_s, entry)


def test_the_latest_is_first_whatever_it_is() -> None:
    paused = AuditEntry(
        *("ada", "pause", "lunch", "damage", "damage-1"),
        before={"state": "step"},
        after={"state": "paused"},
    )
    drained = AuditEntry("ben", "drain", "new driver", instance="a/b")
    found = merge(
        [change_view("triton-0"), change_view("triton-1", engine="damage 1.0.0")],
        [record(1, paused, 5.0), record(2, drained, 9.0)],
    )
    assert [(one.where, one.what, one.href) for one in found] == [
        ("a/b", "drain", "/dashboard/instances/a%2Fb"),
        ("damage-1", "pause: step → paused", "/dashboard/engines/damage"),
        ("triton-0", "unknown → healthy", "/dashboard/instances/triton-0"),
        ("damage 1.0.0 on triton-1", "unknown → healthy", "/dashboard/instances/triton-1"),
    ]
    assert [one.tone for one in found] == ["info", "warn", "good", "good"]
    assert len({one.key for one in found}) == 4


def test_a_step_is_told_by_its_number() -> None:
    stepped = AuditEntry(
        *("tidegate", "step", "not worse", "damage", "damage-1"),
        before={"state": "step", "step": 1},
        after={"state": "step", "step": 2},
    )
    begun = AuditEntry("ada", "canary", "", "damage", "damage-1", after={"state": "pending"})
    other = AuditEntry("ada", "register", "", "damage")
    found = merge([], [record(1, stepped), record(2, begun), record(3, other)])
    assert [one.what for one in found] == ["step: step 2", "canary: pending", "register"]


def test_the_list_is_bounded() -> None:
    many = [
        ChangeView(NOON + timedelta(seconds=n), "triton-0", None, "healthy", "degraded", "why")
        for n in range(10_000)
    ]
    found = merge(many, [])
    assert len(found) == MOST
    assert found[0].at == NOON + timedelta(seconds=9999)
