"""The request path's series."""

from __future__ import annotations

from control_plane.adapters.metrics.requests import RequestMetrics
from control_plane.core.outcomes import Ending
from control_plane.core.requests import Refused, Try
from control_plane.core.traffic import RequestCounts
from control_plane.errors import ErrorCode
from tests.unit.adapters.metrics.reading import series
from tests.unit.core.traffic.test_counts import ended


async def seen(counts: RequestCounts) -> dict[str, float]:
    found = await series(RequestMetrics(counts, lambda: [("damage", "1.0.0"), ("volume", "4.0.0")]))
    return {name: value for name, value in found.items() if "_bucket " not in name}


async def test_requests_tries_and_confidences_are_exposed() -> None:
    counts = RequestCounts(0.0)
    counts.ended(ended(Try("1.0.0", "triton-0", Ending.SUCCESS, 0.25), took_s=0.5))
    counts.refused(Refused("", "", ErrorCode.UNKNOWN_ENGINE, 1000.0))
    found = await seen(counts)
    assert found == {
        "tidegate_requests_total damage success 1.0.0": 1,
        "tidegate_requests_total volume success 4.0.0": 0,
        "tidegate_requests_total  unknown_engine ": 1,
        "tidegate_request_duration_seconds_count damage 1.0.0": 1,
        "tidegate_request_duration_seconds_sum damage 1.0.0": 0.5,
        "tidegate_engine_call_duration_seconds_count damage triton-0 1.0.0": 1,
        "tidegate_engine_call_duration_seconds_sum damage triton-0 1.0.0": 0.25,
        "tidegate_attempts_total damage success": 1,
    }
    counts.saw_confidence("damage", "1.0.0", 0.75, 1000.0)
    added = (await seen(counts)).items() - found.items()
    assert dict(added) == {
        "tidegate_confidence_count damage 1.0.0": 1,
        "tidegate_confidence_sum damage 1.0.0": 0.75,
    }
