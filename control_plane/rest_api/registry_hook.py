"""``POST /api/v1/registry/changed``: for the registry's webhooks, which only hasten.

What the body says is neither believed nor needed: the registry itself is asked, as it is every
few seconds anyway. So a hook that is lost costs seconds, and one that is made up costs a question.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from control_plane.rest_api.json_bodies import JSON, media_type_of, read_json, unsupported
from control_plane.rest_api.services import RestServices


class Hastened(BaseModel):
    """The registry is asked now."""

    status: str = "asked"


def make_registry_hook(services: RestServices) -> APIRouter:
    router = APIRouter(tags=["releases"])

    @router.post(
        "/api/v1/registry/changed",
        status_code=202,
        summary="Ask the registry now whether something has changed",
        description="For webhooks, such as MLflow's. Any JSON is taken, and none of it is read.",
        operation_id="registry_changed",
    )
    async def changed(request: Request) -> Hastened:
        media_type = media_type_of(request)
        if media_type != JSON:
            raise unsupported("Content-Type", media_type, f"send {JSON}")
        await read_json(request, timeout_s=services.limits.body_timeout_s)
        services.hasten()
        return Hastened()

    return router
