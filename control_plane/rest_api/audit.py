"""The audit over REST: who did what, why, and how it was before and after."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from control_plane.core.detections import ALIASES
from control_plane.rest_api import rollout_schemas as schemas
from control_plane.rest_api.problems import problems
from control_plane.rest_api.rollout_shapes import show_entry
from control_plane.rest_api.services import RestServices


def make_audit_router(services: RestServices) -> APIRouter:
    router = APIRouter(prefix="/api/v1/audit", tags=["audit"])

    @router.get(
        "",
        summary="Who did what",
        operation_id="audit",
        responses=problems(400, 404, 503),
    )
    async def audit(
        engine: str | None = None,
        rollout: str | None = None,
        before: Annotated[int | None, Query(ge=1)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> schemas.Audit:
        records = await services.rollouts.audit(
            engine=ALIASES.get(engine, engine) if engine else None,
            rollout_id=rollout or None,
            before=before,
            limit=limit,
        )
        return schemas.Audit(entries=[show_entry(record) for record in records])

    return router
