"""The page for trying a photo. The photo goes to the same address as any caller's."""

from __future__ import annotations

from control_plane.rest_api.dashboard.pages import Asked, Page
from control_plane.rest_api.dashboard.try_view import show_try
from control_plane.rest_api.services import RestServices

PATH = "/dashboard/try"
FILTERS = dict.fromkeys(("engines", "releases", "priority", "cached"), "")


def make_try_page(services: RestServices) -> Page:
    async def look(asked: Asked) -> dict[str, object]:
        offer = show_try(
            services.detection.known_engines(),
            services.status.engines(),
            asked=asked,
            max_bytes=services.limits.max_bytes,
        )
        return {"offer": offer}

    return Page("try", PATH, (), look, filters=FILTERS, nav="try")
