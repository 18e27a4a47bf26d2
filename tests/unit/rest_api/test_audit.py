"""Who did what, over REST."""

from __future__ import annotations

import pytest

from control_plane.core.state import AuditEntry, AuditRecord
from control_plane.errors import ErrorCode
from tests.unit.rest_api.fakes import Edge, check_problem
from tests.unit.rollouts import NOON_S

AUDIT = "/api/v1/audit"


@pytest.fixture
def edge() -> Edge:
    edge = Edge()
    promoted = AuditEntry(
        "ada",
        "promote",
        "new data",
        "damage",
        "damage-0001",
        before={"state": None},
        after={"state": "pending", "steps_percent": [1, 5]},
    )
    drained = AuditEntry("ben", "drain", "new driver", instance="triton-0")
    moved = AuditEntry("tidegate", "step", "not worse", "materials", "materials-0002")
    edge.rollouts.records = [
        AuditRecord(number, NOON_S + number, entry)
        for number, entry in enumerate((promoted, drained, moved), start=1)
    ]
    return edge


async def test_an_entry_has_all_that_was_written_down(edge: Edge) -> None:
    async with edge.client() as client:
        entries = (await client.get(AUDIT)).json()["entries"]
    assert [one["number"] for one in entries] == [3, 2, 1]
    assert entries[1]["instance"] == "triton-0"
    assert entries[2] == {
        "number": 1,
        "at": "2025-01-31T12:00:01Z",
        "who": "ada",
        "action": "promote",
        "reason": "new data",
        "engine": "damage",
        "rollout": "damage-0001",
        "instance": "",
        "before": {"state": None},
        "after": {"state": "pending", "steps_percent": [1, 5]},
    }


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"engine": "damage"}, [1]),
        ({"engine": "material"}, [3]),
        ({"rollout": "damage-0001"}, [1]),
        ({"before": 3}, [2, 1]),
        ({"before": 3, "limit": 1}, [2]),
        ({"engine": "", "rollout": ""}, [3, 2, 1]),
    ],
)
async def test_entries_can_be_chosen(
    edge: Edge, query: dict[str, str | int], numbers: list[int]
) -> None:
    async with edge.client() as client:
        found = (await client.get(AUDIT, params=query)).json()["entries"]
    assert [one["number"] for one in found] == numbers


@pytest.mark.parametrize("limit", ["0", "1001", "all"])
async def test_a_limit_is_checked(edge: Edge, limit: str) -> None:
    async with edge.client() as client:
        response = await client.get(AUDIT, params={"limit": limit})
    check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, "limit")
