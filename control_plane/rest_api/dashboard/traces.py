"""Requests: the latest traces, and the waterfall of one, also for the page that asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.dashboard import words
from control_plane.rest_api.dashboard.pages import Asked, Page
from control_plane.rest_api.dashboard.traces_view import (
    FIELDS,
    TracesQuery,
    nothing_in_words,
    read_query,
    show_row,
)
from control_plane.rest_api.dashboard.waterfall import waterfall_of
from control_plane.rest_api.services import RestServices
from control_plane.rest_api.traces import show_trace

TRACES = "/dashboard/traces"
PATH = TRACES + "/{trace}"
MOST_ROWS = 50
NAV = "traces"
MISSING = (
    "No trace is kept of this request. The control plane that answered it keeps its latest ones "
    "only, those that failed or took long for longer; another one does not have it."
)

Find = Callable[[str], Mapping[str, Any] | None]
"""The trace that an id names, of a trace, a correlation, a request or a job, as REST shows it."""


def find_in(services: RestServices) -> Find:
    def find(name: str) -> Mapping[str, Any] | None:
        view = services.traces.find(name)
        return None if view is None else show_trace(view).model_dump()

    return find


def make_traces_page(services: RestServices) -> Page:
    async def look(asked: Asked) -> dict[str, object]:
        query = read_query(asked.items())
        engines = dict.fromkeys(services.detection.known_engines())
        if query.engine:  # one that is gone may have requests that are kept
            engines.setdefault(query.chosen["engine"])
        return {"query": query, "engines_known": tuple(engines), **_list(services, query)}

    return Page("traces", TRACES, ("latest",), look, filters=dict.fromkeys(FIELDS, ""), nav=NAV)


def _list(services: RestServices, query: TracesQuery) -> dict[str, object]:
    if query.problem:
        return {"rows": (), "nothing": ""}
    found = services.traces.recent(
        limit=MOST_ROWS,
        engine=query.engine,
        is_error=query.is_error,
        slower_than_s=query.slower_than_s,
    )
    # Counting looks at all that is kept: only where there is nothing else to say.
    nothing = "" if found else nothing_in_words(query, services.traces.count())
    return {"rows": [show_row(show_trace(one).model_dump()) for one in found], "nothing": nothing}


def make_trace_page(find: Find) -> Page:
    async def look(asked: Asked) -> dict[str, object]:
        looked = _look(find, asked["trace"])
        if looked["fall"] is None:
            raise ControlPlaneError(ErrorCode.NOT_FOUND, MISSING, field="trace")
        return {**looked, "clock": words.clock}

    return Page("trace", PATH, ("outcome", "waterfall"), look, nav=NAV)


def add_waterfall(
    router: APIRouter, find: Find, render: Callable[[str, Mapping[str, Any]], str]
) -> None:
    """``GET …/waterfall``: the fragment alone, for a page that has just asked for something."""

    @router.get(PATH + "/waterfall")
    async def waterfall(trace: str) -> Response:
        html = render("trace/waterfall.html", _look(find, trace[:200]))
        return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def _look(find: Find, trace: str) -> dict[str, object]:
    found = find(trace)
    return {"fall": None if found is None else waterfall_of(found), "missing": MISSING}
