"""Jobs: what waits, what is under way, what failed for good, and what may be done about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.identifiers import check_job_id
from control_plane.core.jobs import Job, JobFilter
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.dashboard import tones, words
from control_plane.rest_api.dashboard.actions import Act as Done
from control_plane.rest_api.dashboard.actions import Order
from control_plane.rest_api.dashboard.bulk_view import (
    JOBS,
    acted_in_words,
    bulks_of,
    show_dead,
)
from control_plane.rest_api.dashboard.job_view import show_job_page
from control_plane.rest_api.dashboard.jobs_query import FIELDS, PAGE_ROWS, JobsQuery, read_query
from control_plane.rest_api.dashboard.jobs_view import (
    LATELY_S,
    MOST_ACTED_ON,
    MOST_COUNTED,
    MOST_READ,
    QueuesView,
    count_lately,
    show_queues,
    show_row,
)
from control_plane.rest_api.dashboard.pages import Asked, Page
from control_plane.rest_api.dashboard.readings import Reading, Readings
from control_plane.rest_api.jobs import Act
from control_plane.rest_api.services import JobDesk, RestServices

JOB = JOBS + "/{job}"
DEAD = JobFilter(is_dead=True)
SAID: Mapping[Act, str] = {
    Act.REPLAY: "Job {} waits in the queue again.",
    Act.DISCARD: "Job {} is a dead letter no longer.",
    Act.RESEND: "The result of job {} is sent again.",
}


def make_jobs_page(services: RestServices, readings: Readings, now: Callable[[], datetime]) -> Page:
    desk = services.jobs

    async def look(asked: Asked) -> dict[str, object]:
        query = read_query(asked.items())
        queues = await readings.read("jobs: queues", lambda: _queues(desk, now()))
        dead = await readings.read("jobs: dead", lambda: desk.find(DEAD, limit=MOST_READ + 1))
        return {
            "query": query,
            "tones": tones,
            "figures": queues,
            "queues": queues.value,
            "dead": dead,
            "letters": None if dead.value is None else show_dead(dead.value),
            **await _list(desk, readings, query),
            **_choices(services),
        }

    filters = dict.fromkeys((*FIELDS, "before"), "")
    return Page("jobs", JOBS, ("queues", "dead", "latest"), look, filters=filters, nav="jobs")


def make_job_page(services: RestServices) -> Page:
    async def look(asked: Asked) -> dict[str, object]:
        job = await services.jobs.get(check_job_id(asked["job"], "job"))
        return {"job": show_job_page(job), "clock": words.clock, "tones": tones}

    return Page("job", JOB, ("state", "outcome"), look, nav="jobs")


def make_job_actions(services: RestServices) -> Mapping[str, Done]:
    desk = services.jobs
    on_one = {Act.REPLAY: desk.replay, Act.DISCARD: desk.discard, Act.RESEND: desk.resend}

    def one(action: Act) -> Done:
        async def act(order: Order) -> str:
            job_id = check_job_id(order.path["job"], "job")
            job = await on_one[action](job_id, who=order.who, reason=order.reason)
            return SAID[action].format(job.job_id)

        return act

    return {
        **{f"{JOBS}/{action.value}": _on_many(desk, action) for action in Act},
        **{f"{JOB}/{action.value}": one(action) for action in Act},
    }


def _on_many(desk: JobDesk, action: Act) -> Done:
    on_many = {
        Act.REPLAY: desk.replay_all,
        Act.DISCARD: desk.discard_all,
        Act.RESEND: desk.resend_all,
    }

    async def act(order: Order) -> str:
        query = read_query(order.fields.items())
        if query.problem:
            raise InvalidArgument(query.problem, field=query.problem_field)
        if not query.is_filtered:
            raise InvalidArgument("no job is chosen: name a filter", field="dead")
        # Only what an order is about: a list of other jobs leaves nothing to be done.
        wanted = replace(query.wanted, before=None)
        if action is Act.RESEND:
            wanted = replace(wanted, is_undelivered=True)
        else:
            wanted = replace(wanted, is_dead=True)
        ids = await on_many[action](
            wanted,
            limit=MOST_ACTED_ON,
            who=order.who,
            reason=order.reason,
        )
        expected = order.fields.get("expected", "")
        return acted_in_words(
            action,
            len(ids),
            expected=int(expected) if expected.isascii() and expected.isdigit() else 0,
            may_have_more=len(ids) >= MOST_ACTED_ON,
        )

    return act


async def _queues(desk: JobDesk, now: datetime) -> QueuesView:
    figures = await desk.figures()
    try:
        depths: Mapping[Priority, int] | None = await desk.depths()
    except ControlPlaneError:
        depths = None  # a queue that is away must not hide what the store knows
    lately = JobFilter(created_after_s=now.timestamp() - LATELY_S)
    return show_queues(figures, depths, count_lately(await desk.find(lately, limit=MOST_COUNTED)))


async def _list(desk: JobDesk, readings: Readings, query: JobsQuery) -> dict[str, object]:
    """The rows that the address asks for, and what may be done to all that it is about."""
    nothing: dict[str, object] = {"rows": None, "next_before": None, "bulks": ()}
    if query.problem:
        return {**nothing, "found": Reading()}
    page = query.at(query.before)
    found = await readings.read(
        f"jobs: list {page}", lambda: desk.find(query.wanted, limit=PAGE_ROWS + 1)
    )
    if found.value is None:
        return {**nothing, "found": found}
    rows = found.value[:PAGE_ROWS]
    return {
        "found": found,
        "rows": [show_row(job) for job in rows],
        "next_before": rows[-1].job_id if len(found.value) > PAGE_ROWS else None,
        "bulks": await _bulks(desk, readings, query),
    }


async def _bulks(desk: JobDesk, readings: Readings, query: JobsQuery) -> object:
    if not query.is_filtered:
        return ()

    async def count() -> tuple[tuple[Job, ...], tuple[Job, ...]]:
        every = replace(query.wanted, before=None)
        dead = await desk.find(replace(every, is_dead=True), limit=MOST_READ + 1)
        given_up = await desk.find(replace(every, is_undelivered=True), limit=MOST_READ + 1)
        return dead, given_up

    counted = await readings.read(f"jobs: counted {query.query}", count)
    if counted.value is None or counted.problem:
        return ()  # nobody is asked about a number that is not known
    dead, given_up = counted.value
    return bulks_of(query, dead=dead, given_up=given_up)


def _choices(services: RestServices) -> dict[str, object]:
    """What the filters offer, as pairs of a value and its word."""
    return {
        "states_known": [(one.value, one.value) for one in DetectionStatus],
        "priorities_known": [(one.value, one.value) for one in Priority],
        "engines_known": [(name, name) for name in services.detection.known_engines()],
        "codes_known": [(one.value, one.value) for one in sorted(ErrorCode)],
    }
