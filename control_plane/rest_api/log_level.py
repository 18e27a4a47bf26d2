"""How much this process writes into its log: shown, and changed while it runs.

GET /api/v1/log-level    the level, the settings' one, and when it goes back to that
PUT /api/v1/log-level    another level, for a while or until the process ends
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from control_plane.ports import LevelName
from control_plane.rest_api.fleet_schemas import DEFAULT_WHO
from control_plane.rest_api.json_bodies import body_of, read_order
from control_plane.rest_api.problems import problems
from control_plane.services.log_level import LevelView
from control_plane.services.operations import MAX_REASON_CHARACTERS
from control_plane.services.rollout_requests import MAX_WHO_CHARACTERS, check_who

LONGEST_S = 7 * 86_400.0

DESCRIPTION = """
It holds for the process that answers, which `plane` names: behind a load balancer ask each by its
own address. With `for_s` it goes back by itself; without, it holds until the process ends. Each
change is a line of the log, at level warning.
"""


class LogLevelService(Protocol):
    def now(self) -> LevelView: ...

    def set(
        self, level: LevelName, *, for_s: float | None = None, who: str, reason: str = ""
    ) -> LevelView: ...


class LevelOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")

    level: LevelName = Field(description="The least severe message that is written.")
    for_s: float | None = Field(
        default=None, ge=1, le=LONGEST_S, description="Seconds until it goes back by itself."
    )
    who: str = Field(default="", max_length=MAX_WHO_CHARACTERS, description="Who asks.")
    reason: str = Field(default="", max_length=MAX_REASON_CHARACTERS, description="Why.")


class Level(BaseModel):
    plane: str = Field(examples=["gateway-1-4711-9f2c01ab"])
    level: LevelName = Field(examples=["debug"])
    configured: LevelName = Field(description="That of the settings.", examples=["info"])
    until: datetime | None = Field(description="When it goes back to that; null: never.")


def make_log_level_router(levels: LogLevelService, *, body_timeout_s: float) -> APIRouter:
    router = APIRouter(prefix="/api/v1/log-level", tags=["status"])

    @router.get("", summary="The level of this process's log", operation_id="log_level")
    async def read() -> Level:
        return _show(levels.now())

    @router.put(
        "",
        summary="Change the level of this process's log",
        description=DESCRIPTION,
        operation_id="set_log_level",
        responses=problems(400, 415),
        openapi_extra=body_of(LevelOrder, is_required=True),
    )
    async def change(request: Request) -> Level:
        asked = await read_order(request, LevelOrder, timeout_s=body_timeout_s)
        who = check_who(asked.who, DEFAULT_WHO)
        return _show(levels.set(asked.level, for_s=asked.for_s, who=who, reason=asked.reason))

    return router


def _show(view: LevelView) -> Level:
    return Level(plane=view.plane, level=view.level, configured=view.configured, until=view.until)
