"""One request's trace: its waterfall, as a page of its own and for the page that asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from control_plane.rest_api.dashboard.pages import Asked, Page
from control_plane.rest_api.dashboard.waterfall import waterfall_of
from control_plane.rest_api.services import RestServices
from control_plane.rest_api.traces import show_trace

PATH = "/dashboard/traces/{trace}"
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


def make_trace_page(find: Find) -> Page:
    async def look(asked: Asked) -> dict[str, object]:
        return _look(find, asked["trace"])

    return Page("trace", PATH, ("waterfall",), look)


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
