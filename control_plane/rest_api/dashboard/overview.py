"""The overview: each engine, each instance, the queues, what happened lately, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.rest_api.dashboard.pages import Asked, Page
from control_plane.rest_api.dashboard.readings import Readings
from control_plane.rest_api.services import RestServices

SPANS: Mapping[str, int] = {"1m": 60, "5m": 300, "15m": 900}
SPAN_WORDS = {"1m": "minute", "5m": "5 minutes", "15m": "15 minutes"}
FRAGMENTS = ("attention", "engines", "instances", "queues", "lately", "plane")


def make_overview(services: RestServices, readings: Readings) -> Page:
    async def look(asked: Asked) -> dict[str, object]:
        return {}

    return Page("overview", "/", (), look, filters={"span": "5m"}, nav="overview")
