"""What answers at which address of the dashboard.

GET  /                              the overview
GET  /dashboard/engines/{engine}    one engine
GET  /dashboard/traces              the latest requests, and below it each one's waterfall
GET  /dashboard/events              what changes on a page, as server-sent events
GET  /dashboard/static/{name}       scripts and styles
POST /dashboard/…                   what a person does (``actions``)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from fastapi import APIRouter, FastAPI, Request
from jinja2 import Environment
from starlette.responses import HTMLResponse, Response

from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.dashboard.actions import Act, add_action
from control_plane.rest_api.dashboard.assets import PREFIX, Assets
from control_plane.rest_api.dashboard.engine import make_engine_actions, make_engine_page
from control_plane.rest_api.dashboard.instance import make_instance_actions, make_instance_page
from control_plane.rest_api.dashboard.jobs import (
    make_job_actions,
    make_job_page,
    make_jobs_page,
)
from control_plane.rest_api.dashboard.live import Fragments, LivePages, write_fragments
from control_plane.rest_api.dashboard.overview import make_overview
from control_plane.rest_api.dashboard.pages import EVENTS, Asked, Page
from control_plane.rest_api.dashboard.readings import Readings
from control_plane.rest_api.dashboard.templating import make_environment, render_fragments
from control_plane.rest_api.dashboard.traces import (
    add_waterfall,
    find_in,
    make_trace_page,
    make_traces_page,
)
from control_plane.rest_api.dashboard.trying import make_try_page
from control_plane.rest_api.event_streams import EventStream, Watchers
from control_plane.rest_api.problems import correlation_id_of, status_of
from control_plane.rest_api.services import RestServices

log = structlog.get_logger(__name__)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    # The pages' own requests are to say where they come from.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TROUBLE = "trouble"
"""The fragment that every page has: why what it shows could not be made anew."""


def went_wrong() -> ControlPlaneError:
    """What is said of a mistake in here; what it was is in the log."""
    return ControlPlaneError(ErrorCode.INTERNAL, "something went wrong here; the log has it")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Dashboard:
    """The pages over the services, and what they share."""

    services: RestServices
    now: Callable[[], datetime] = utc_now
    assets: Assets = field(default_factory=Assets)
    pages: dict[str, Page] = field(default_factory=dict)
    environment: Environment = field(init=False)
    readings: Readings = field(init=False)
    live: LivePages = field(init=False)
    watchers: Watchers = field(init=False)
    _failing: set[str] = field(default_factory=set)
    """Pages whose last rendering went wrong here."""

    def __post_init__(self) -> None:
        self.environment = make_environment(self.assets)
        self.readings = Readings(self.services.clock.now_s, self.now)
        self.live = LivePages(self.fragments)
        self.watchers = Watchers(self.services.limits.max_watchers)

    async def fragments(self, page: Page, asked: Asked) -> Fragments:
        """All fragments of a page as they are now; what cannot be had is told in one of them."""
        try:
            made = self._render_fragments(page, await self._values(page, asked))
        except ControlPlaneError as error:
            return self._trouble(error)
        except Exception:
            # Told like any other trouble: in silence the page would take the connection for lost.
            if page.name not in self._failing:  # it is tried again every second
                log.exception("the dashboard could not render", page=page.name)
            self._failing.add(page.name)
            return self._trouble(went_wrong())
        self._failing.discard(page.name)
        return made

    def _trouble(self, error: ControlPlaneError) -> Fragments:
        return {TROUBLE: self.render("parts/trouble.html", {"error": error})}

    async def whole(self, page: Page, asked: Asked) -> str:
        """The page itself. Raises ControlPlaneError."""
        values = await self._values(page, asked)
        fragments = self._render_fragments(page, values)
        return self.render(f"{page.name}.html", {**values, "fragments": fragments})

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        return self.environment.get_template(template).render({**self._everywhere(), **values})

    def _render_fragments(self, page: Page, values: Mapping[str, Any]) -> dict[str, str]:
        made = render_fragments(self.environment, page.name, page.fragments, values)
        return {TROUBLE: "", **made}

    async def _values(self, page: Page, asked: Asked) -> dict[str, Any]:
        looked = await page.look(asked)
        return {**self._everywhere(), "page": page, "asked": asked, **looked}

    def _everywhere(self) -> dict[str, Any]:
        """What every template may use."""
        return {
            "version": self.services.version,
            "standing": self.services.standing.now(),
            "engine_names": [view.name for view in self.services.status.engines()],
            "page": None,
            "asked": {},
            "server_ms": int(self.now().timestamp() * 1000),
        }


def install_dashboard(app: FastAPI, services: RestServices) -> Dashboard:
    dashboard = Dashboard(services)
    router = APIRouter(include_in_schema=False)
    _add_assets(router, dashboard.assets)
    _add_events(router, dashboard)
    add_page(router, dashboard, make_overview(services, dashboard.readings, dashboard.now))
    add_page(router, dashboard, make_engine_page(services, dashboard.readings))
    add_actions(router, dashboard, make_engine_actions(services))
    _add_work(router, dashboard)
    app.include_router(router)
    return dashboard


def _add_work(router: APIRouter, dashboard: Dashboard) -> None:
    """What is worked with: instances, jobs, one request."""
    services, readings = dashboard.services, dashboard.readings
    find_trace = find_in(services)
    for page in (
        make_instance_page(services, dashboard.now),
        make_jobs_page(services, readings, dashboard.now),
        make_job_page(services),
        make_traces_page(services),
        make_trace_page(find_trace),
        make_try_page(services),
    ):
        add_page(router, dashboard, page)
    add_waterfall(router, find_trace, dashboard.render)
    add_actions(
        router, dashboard, {**make_instance_actions(services), **make_job_actions(services)}
    )


def add_page(router: APIRouter, dashboard: Dashboard, page: Page) -> None:
    dashboard.pages[page.name] = page

    @router.get(page.path)
    async def show(request: Request) -> Response:
        try:
            asked = page.read(request.path_params, request.query_params)
            html = await dashboard.whole(page, asked)
        except ControlPlaneError as error:
            return _refuse(dashboard, request, error)
        except Exception:
            log.exception("the dashboard could not render", page=page.name)
            return _refuse(dashboard, request, went_wrong())
        return HTMLResponse(html, headers=HEADERS)


def _refuse(dashboard: Dashboard, request: Request, error: ControlPlaneError) -> Response:
    values = {"error": error, "correlation_id": correlation_id_of(request)}
    html = dashboard.render("error.html", values)
    return HTMLResponse(html, status_code=status_of(error), headers=HEADERS)


def add_actions(router: APIRouter, dashboard: Dashboard, actions: Mapping[str, Act]) -> None:
    """actions: by their path."""
    for path, act in actions.items():
        add_action(
            router,
            path,
            act,
            render=dashboard.render,
            expire=dashboard.readings.expire,
            timeout_s=dashboard.services.limits.body_timeout_s,
        )


def _add_assets(router: APIRouter, assets: Assets) -> None:
    @router.get(PREFIX + "{name}")
    async def static(name: str, request: Request) -> Response:
        return assets.answer(name, request)


def _add_events(router: APIRouter, dashboard: Dashboard) -> None:
    services = dashboard.services

    @router.get(EVENTS)
    async def events(request: Request) -> Response:
        if services.stopping.is_set():
            raise ControlPlaneError(ErrorCode.SHUTTING_DOWN, "shutting down; watch elsewhere")
        name = request.query_params.get("page", "")
        page = dashboard.pages.get(name)
        if page is None:
            raise ControlPlaneError(
                ErrorCode.NOT_FOUND, f"the dashboard has no page {name[:80]!r}", field="page"
            )
        asked = page.read(page.parts(request.query_params), request.query_params)
        dashboard.watchers.enter()
        source = dashboard.live.watch(page, asked)
        try:
            first = await anext(source)
        except BaseException:
            await source.aclose()
            dashboard.watchers.leave()
            raise
        return EventStream(
            first,
            source,
            write=lambda fragments: _write(dashboard, fragments),
            stopping=services.stopping,
            leave=dashboard.watchers.leave,
        )


def _write(dashboard: Dashboard, fragments: Fragments) -> bytes:
    at_ms = int(dashboard.now().timestamp() * 1000)
    tick = orjson.dumps({"at": at_ms, "assets": dashboard.assets.version})
    return write_fragments(fragments, tick, str(at_ms))
