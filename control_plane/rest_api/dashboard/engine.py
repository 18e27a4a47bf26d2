"""One engine: its releases and how they fare, its rollout, and what may be done about it."""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.rest_api.dashboard.actions import Act
from control_plane.rest_api.dashboard.pages import Asked, Page
from control_plane.rest_api.dashboard.readings import Readings
from control_plane.rest_api.services import RestServices

PATH = "/dashboard/engines/{engine}"


def make_engine_page(services: RestServices, readings: Readings) -> Page:
    async def look(asked: Asked) -> dict[str, object]:
        return {}

    return Page("engine", PATH, (), look, nav="engine")


def make_engine_actions(services: RestServices) -> Mapping[str, Act]:
    return {}
