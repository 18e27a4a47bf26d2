"""``/api/v1/orchestrator/metrics``: the last minutes as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.core.outcomes import Ending
from control_plane.core.requests import Refused, Try
from control_plane.core.traffic import SPANS_S
from control_plane.errors import ErrorCode
from control_plane.rest_api import traffic_schemas as schemas
from control_plane.rest_api.traffic import NAMES
from tests.unit.core.traffic.test_counts import ended
from tests.unit.fakes import FakeCalendar
from tests.unit.rest_api.fakes import Edge, check_problem


async def traffic(edge: Edge) -> Any:
    async with edge.client() as client:
        response = await client.get("/api/v1/orchestrator/metrics")
    assert response.status_code == 200
    schemas.Traffic.model_validate(response.json(), strict=True)
    return response.json()


async def test_before_the_first_request_there_is_nothing() -> None:
    assert await traffic(Edge()) == {
        "plane": "gate-1",
        "is_merged": False,
        "planes": [{"plane": "gate-1", "told_ago_s": 0.0, "is_gone": False}],
        "engines": {},
    }


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
    assert damage["confidence_drift"] == {
        "1.0.0": {"index": None, "samples": 1, "against": "reference", "reference_samples": 0}
    }


async def test_without_an_answer_there_are_no_percentiles() -> None:
    edge = Edge()
    edge.counts.refused(Refused("damage", "", ErrorCode.UNKNOWN_RELEASE, 999.0))
    damage = (await traffic(edge))["engines"]["damage"]
    assert damage["releases"] == {}
    assert damage["total"]["1m"]["p95_ms"] is None
    assert damage["total"]["1m"]["confidence_mean"] is None


def test_every_span_has_a_name() -> None:
    assert tuple(NAMES) == SPANS_S


async def series(edge: Edge, query: str = "") -> Any:
    async with edge.client() as client:
        response = await client.get(f"/api/v1/engines/damage/series{query}")
    assert response.status_code == 200
    schemas.Series.model_validate(response.json(), strict=True)
    return response.json()


async def test_a_chart_has_each_release_over_the_same_steps() -> None:
    edge = Edge()
    edge.clock.reading_s = 1016.0
    for at_s in (1001.0, 1015.0):
        edge.counts.ended(
            ended(Try("1.0.0", "triton-0", Ending.SUCCESS, 0.02), at_s=at_s, took_s=0.03)
        )
    edge.counts.refused(Refused("damage", "1.1.0", ErrorCode.OVERLOADED, 1011.0))
    edge.counts.saw_confidence("damage", "1.0.0", 0.95, 1001.0)
    shown = await series(edge, "?span_s=60")
    began = FakeCalendar().utc(955.0).timestamp()
    assert shown["at"] == [began + 5 * number for number in range(12)]
    assert (shown["engine"], shown["step_s"], shown["is_merged"]) == ("damage", 5.0, False)
    stable, canary = shown["releases"]["1.0.0"], shown["releases"]["1.1.0"]
    assert stable["requests_per_s"] == [*[0.0] * 9, 0.2, 0.0, 0.0]
    assert stable["errors_per_s"] == [0.0] * 12
    assert stable["p50_ms"][:9] == [None] * 9
    assert 30.0 <= stable["p50_ms"][9] == stable["p99_ms"][9] <= 31.8
    assert canary["errors_per_s"] == [*[0.0] * 11, 0.2]
    assert canary["p95_ms"] == [None] * 12
    assert shown["confidence"]["1.0.0"]["bounds"][-1] == 1.0
    assert shown["confidence"]["1.0.0"]["counts"] == [*[0] * 9, 1, 0]


async def test_an_engine_without_a_request_has_an_empty_chart_over_all_it_may_show() -> None:
    shown = await series(Edge())
    assert (shown["step_s"], shown["releases"]) == (10.0, {})
    assert len(shown["at"]) == 10  # the counting began 100 s ago


@pytest.mark.parametrize("span", ["59", "901", "x"])
async def test_a_span_that_is_not_kept_is_refused(span: str) -> None:
    async with Edge().client() as client:
        response = await client.get(f"/api/v1/engines/damage/series?span_s={span}")
    check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, "span_s")


async def test_an_engine_that_is_not_there_has_no_chart() -> None:
    async with Edge().client() as client:
        response = await client.get("/api/v1/engines/nothing/series")
    check_problem(response, 404, ErrorCode.UNKNOWN_ENGINE, "engine")
