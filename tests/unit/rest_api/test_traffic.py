"""``/api/v1/orchestrator/metrics``: the last minutes as JSON."""

from __future__ import annotations

from typing import Any

from control_plane.core.outcomes import Ending
from control_plane.core.requests import Refused, Try
from control_plane.core.traffic import SPANS_S
from control_plane.errors import ErrorCode
from control_plane.rest_api import traffic_schemas as schemas
from control_plane.rest_api.traffic import NAMES
from tests.unit.core.traffic.test_counts import ended
from tests.unit.rest_api.fakes import Edge


async def traffic(edge: Edge) -> Any:
    async with edge.client() as client:
        response = await client.get("/api/v1/orchestrator/metrics")
    assert response.status_code == 200
    schemas.Traffic.model_validate(response.json(), strict=True)
    return response.json()


async def test_before_the_first_request_there_is_nothing() -> None:
    assert await traffic(Edge()) == {"plane": "gate-1", "engines": {}}


async def test_each_engine_is_shown_in_all_and_by_release_over_each_span() -> None:
    edge = Edge()
    for at_s in (930.0, 999.0):
        edge.counts.ended(
            ended(Try("1.0.0", "triton-0", Ending.SUCCESS, 0.02), at_s=at_s, took_s=0.03)
        )
    edge.counts.refused(Refused("damage", "1.0.0", ErrorCode.OVERLOADED, 999.0))
    edge.counts.saw_confidence("damage", "1.0.0", 0.87654321, 999.0)
    damage = (await traffic(edge))["engines"]["damage"]
    assert damage["total"] == damage["releases"]["1.0.0"]
    assert list(damage["total"]) == ["1m", "5m", "15m"]
    minute, longer = damage["total"]["1m"], damage["total"]["5m"]
    # The span's last slot has just begun.
    assert (minute["requests"], minute["rate_per_s"]) == (2, round(2 / 55, 3))
    assert (longer["requests"], longer["rate_per_s"]) == (3, 0.03)
    assert (minute["errors"], minute["shed"]) == (1, 1)
    assert 30.0 <= minute["p50_ms"] == minute["p99_ms"] <= 31.8
    assert minute["confidence_mean"] == 0.8765


async def test_without_an_answer_there_are_no_percentiles() -> None:
    edge = Edge()
    edge.counts.refused(Refused("damage", "", ErrorCode.UNKNOWN_RELEASE, 999.0))
    damage = (await traffic(edge))["engines"]["damage"]
    assert damage["releases"] == {}
    assert damage["total"]["1m"]["p95_ms"] is None
    assert damage["total"]["1m"]["confidence_mean"] is None


def test_every_span_has_a_name() -> None:
    assert tuple(NAMES) == SPANS_S
