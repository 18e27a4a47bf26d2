"""The overview: each engine, each instance, the queues, what happened lately, what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from control_plane.core.detections import Priority
from control_plane.core.jobs import JobFigures
from control_plane.core.state import AuditRecord
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.dashboard import charts, tones
from control_plane.rest_api.dashboard.attention import Attention, Seen
from control_plane.rest_api.dashboard.engine_cards import SPAN_WORDS, SPANS, make_card
from control_plane.rest_api.dashboard.lately import MOST, merge
from control_plane.rest_api.dashboard.load_view import show_load
from control_plane.rest_api.dashboard.pages import Asked, Page, check_choice
from control_plane.rest_api.dashboard.readings import Reading, Readings
from control_plane.rest_api.services import RestServices
from control_plane.services.rollout_views import RolloutView

FRAGMENTS = ("attention", "engines", "instances", "queues", "plane", "lately")


def make_overview(services: RestServices, readings: Readings, now: Callable[[], datetime]) -> Page:
    attention = Attention()

    async def look(asked: Asked) -> Mapping[str, object]:
        span = check_choice(asked, "span", tuple(SPANS))
        audit, jobs, rollouts = await asyncio.gather(
            read_audit(services, readings), read_jobs(services, readings),
            read_rollouts(services, readings),
        )  # fmt: skip
        engines, instances = services.status.engines(), services.status.instances()
        standing = services.standing.now()
        counted = services.traffic.summary()
        traffic = {name: one.summary for name, one in counted.engines.items()}
        seen = Seen(
            now=now(),
            engines=engines,
            instances=instances,
            standing=standing,
            traffic=traffic,
            rollouts=[view for view in rollouts.values() if view is not None],
            jobs=jobs,
            store=audit,
        )
        return {
            "spans": tuple(SPAN_WORDS.items()),
            "span_word": SPAN_WORDS[span],
            "tones": tones,
            "findings": attention.findings(seen),
            "cards": [
                make_card(
                    view,
                    traffic.get(view.name),
                    SPANS[span],
                    rollouts.get(view.name),
                    charts.rates(services.traffic.curves(view.name, float(SPANS[span]))),
                )
                for view in engines
            ],
            "is_merged": counted.is_merged,
            "instances": instances,
            "loads": {view.name: show_load(view.load, view.load_reason) for view in instances},
            "priorities": tuple(Priority),
            "jobs": jobs,
            "audit": audit,
            "happenings": merge(services.status.changes(MOST), audit.value or ()),
        }

    filters = {"span": "5m"}
    return Page("overview", "/", FRAGMENTS, look, filters=filters, nav="overview")


async def read_audit(services: RestServices, readings: Readings) -> Reading[Sequence[AuditRecord]]:
    async def ask() -> Sequence[AuditRecord]:
        return await services.rollouts.audit(limit=MOST)

    return await readings.read("audit", ask)


async def read_jobs(services: RestServices, readings: Readings) -> Reading[JobFigures]:
    return await readings.read("jobs", services.jobs.figures)


async def read_rollouts(
    services: RestServices, readings: Readings
) -> Mapping[str, RolloutView | None]:
    """The latest of each engine, by engine; None where there was none, or none can be read."""
    names = [view.name for view in services.status.engines()]
    found = await asyncio.gather(*(read_rollout(services, readings, name) for name in names))
    return {name: reading.value for name, reading in zip(names, found, strict=True)}


async def read_rollout(
    services: RestServices, readings: Readings, engine: str
) -> Reading[RolloutView | None]:
    return await readings.read(f"rollout {engine}", partial(_latest, services, engine))


async def _latest(services: RestServices, engine: str) -> RolloutView | None:
    try:
        return await services.rollouts.show(engine)
    except ControlPlaneError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return None  # it has had none yet
        raise
