"""What curves and bars are drawn from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson

from control_plane.core.traffic import Curve, Curves, Distribution
from control_plane.rest_api.dashboard import charts
from control_plane.services.traffic import CurvesView

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
NONE = (None, None, None)


def curve(requests: tuple[float, ...], errors: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Curve:
    return Curve(requests, errors, (10.0, None, 12.3456), NONE, NONE)


def view(**releases: Curve) -> CurvesView:
    at = tuple(NOON + timedelta(seconds=5 * step) for step in range(3))
    named = {name.replace("_", "."): one for name, one in releases.items()}
    return CurvesView("damage", at, Curves(5.0, (0.0, 5.0, 10.0), named, {}), is_merged=False)


TONES = {"1.0.0": "a", "1.1.0": "b", "1.2.0": "c"}
SPLIT = view(**{"1_0_0": curve((3.0, 0.0, 9.0), (1.5, 0.0, 0.0)), "1_1_0": curve((1.0, 0.0, 1.0))})


def test_a_curve_for_each_release_that_is_known() -> None:
    drawn = orjson.loads(charts.lines(SPLIT, TONES, "ms", lambda one: one.p50_ms))
    at_s = NOON.timestamp()
    assert drawn == {
        "at": [at_s, at_s + 5, at_s + 10],
        "unit": "ms",
        "series": [
            {"label": "1.0.0", "tone": "a", "values": [10.0, None, 12.346]},
            {"label": "1.1.0", "tone": "b", "values": [10.0, None, 12.346]},
        ],
    }


def test_shares_are_of_what_there_was() -> None:
    drawn = orjson.loads(charts.traffic_shares(SPLIT, TONES))
    assert [one["values"] for one in drawn["series"]] == [[0.75, None, 0.9], [0.25, None, 0.1]]
    drawn = orjson.loads(charts.lines(SPLIT, TONES, "%", charts.error_shares))
    assert [one["values"] for one in drawn["series"]] == [[0.5, None, 0.0], [0.0, None, 0.0]]


def test_a_line_of_the_whole_engine() -> None:
    assert charts.rates(SPLIT) == [4.0, 0.0, 10.0]
    assert charts.rates(view()) == []
    assert charts.moments(SPLIT) == (NOON, NOON + timedelta(seconds=10))
    assert charts.moments(view()) is None


def test_confidence_is_compared_by_shares() -> None:
    seen = {
        "1.0.0": Distribution((0.5, 1.0), (1, 3, 0), 3.0),
        "1.1.0": Distribution((0.5, 1.0), (0, 0, 0), 0.0),
    }
    drawn = orjson.loads(charts.confidence_bars(seen, TONES))
    assert drawn == {
        "bounds": [0.5, 1.0],
        "unit": "%",
        "series": [{"label": "1.0.0", "tone": "a", "values": [0.25, 0.75]}],
    }
    assert orjson.loads(charts.confidence_bars({}, TONES))["series"] == []
