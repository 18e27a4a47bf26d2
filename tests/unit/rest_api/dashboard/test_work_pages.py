"""The pages of instances, jobs, traces and of trying a photo, over fakes."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest

from control_plane.core.detections import Priority
from control_plane.core.jobs import DeadReason, JobFilter
from control_plane.core.tracing import SpanView, TraceView
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.operations import Action
from control_plane.services.status import EngineThereView
from control_plane.services.tracing import NotTraced
from tests.unit.fake_jobs import JOB_ID, dead_job, finished, make_job
from tests.unit.rest_api.fakes import NOON, Edge, instance_view

OWN = {
    "hx-request": "true",
    "sec-fetch-site": "same-origin",
    "content-type": "application/x-www-form-urlencoded",
}
HOSTILE = "<script>alert('x')</script>"
ESCAPED = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"
OTHER = "3f2b8c1e-5d1c-4f7a-9b53-0d7f0a1c2e4d"
INSTANCE = "/dashboard/instances/triton-0"
JOBS = "/dashboard/jobs"


@pytest.fixture
def edge() -> Edge:
    return Edge()


def check_page(response: httpx.Response, status: int = 200) -> str:
    assert response.status_code == status, response.text
    assert "style=" not in response.text
    assert "script-src 'self'" in response.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)", response.text)
    return response.text


async def test_the_page_of_an_instance(edge: Edge) -> None:
    async with edge.client() as client:
        text = check_page(await client.get(INSTANCE))
        missing = check_page(await client.get("/dashboard/instances/triton-7"), 404)
    assert "damage--1.1.0" in text
    assert "all is well" in text
    assert "It is the only instance where damage 1.1.0 is ready" in text
    assert "Nothing is known" in text
    assert "unknown instance" in missing


async def test_hostile_names_and_reasons_are_text(edge: Edge) -> None:
    view = replace(
        instance_view(),
        health_reason=HOSTILE,
        serving={HOSTILE: (HOSTILE,)},
        engines={HOSTILE: EngineThereView("fit", HOSTILE, 1)},
        breakers={f"{HOSTILE} {HOSTILE}": "open"},
    )
    edge.status.instance_views = (view,)
    async with edge.client() as client:
        text = check_page(await client.get(INSTANCE))
    assert HOSTILE not in text
    assert text.count(ESCAPED) >= 4


@pytest.mark.parametrize("action", list(Action))
async def test_an_instance_is_acted_on_as_over_rest(edge: Edge, action: Action) -> None:
    async with edge.client() as client:
        body = "reason=new+driver&who=ada&force=true"
        done = await client.post(f"{INSTANCE}/{action}", content=body, headers=OWN)
        plain = await client.post(f"{INSTANCE}/{action}", content="", headers=OWN)
    assert done.status_code == plain.status_code == 200
    assert "triton-0" in done.text
    assert edge.operations.done == [
        (action, "triton-0", "ada", "new driver", True),
        (action, "triton-0", "dashboard", "asked by an operator", False),
    ]


async def test_a_refusal_is_shown_in_its_own_words(edge: Edge) -> None:
    edge.operations.error = ControlPlaneError(ErrorCode.CONFLICT, "it is the last", field="force")
    async with edge.client() as client:
        refused = await client.post(f"{INSTANCE}/drain", content="", headers=OWN)
    assert refused.status_code == 409
    assert "it is the last" in refused.text


@pytest.mark.parametrize(
    "path", [f"{INSTANCE}/drain", f"{JOBS}/{JOB_ID}/replay", f"{JOBS}/discard"]
)
async def test_another_origin_cannot_act(edge: Edge, path: str) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        headers = {**OWN, "sec-fetch-site": "cross-site"}
        refused = await client.post(path, content="dead=any", headers=headers)
    assert refused.status_code == 403
    assert edge.operations.done == []
    assert edge.jobs.done == []


async def test_the_page_of_the_jobs(edge: Edge) -> None:
    edge.jobs.put(dead_job(), finished(make_job(OTHER)))
    async with edge.client() as client:
        text = check_page(await client.get(JOBS))
    assert "photo_unavailable" in text
    assert "replay it once the photo" in text
    assert f'href="/dashboard/jobs/{OTHER}"' in text
    assert 'data-act="/dashboard/jobs/replay"' in text


async def test_the_list_is_of_what_the_address_says(edge: Edge) -> None:
    async with edge.client() as client:
        text = check_page(await client.get(f"{JOBS}?priority=low&dead=failed&before={OTHER}"))
    assert '<option value="low" selected>' in text
    found = [one for one in edge.jobs.done if one[0] == "find"]
    wanted = JobFilter(priority=Priority.LOW, dead=DeadReason.FAILED, is_dead=True, before=OTHER)
    assert any(one[1] == wanted for one in found)


async def test_an_address_that_means_nothing_is_told_beside_the_filters(edge: Edge) -> None:
    async with edge.client() as client:
        text = check_page(await client.get(f"{JOBS}?state={HOSTILE}"))
    assert "unknown state" in text
    assert HOSTILE not in text


async def test_a_store_that_is_away_is_told_and_nothing_is_made_up(edge: Edge) -> None:
    edge.jobs.error = ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "the store is away")
    async with edge.client() as client:
        text = check_page(await client.get(JOBS))
        one = check_page(await client.get(f"{JOBS}/{JOB_ID}"), 503)
    assert text.count("the store is away") == 3
    assert "every job that was given up" not in text
    assert "No job has been accepted yet" not in text
    assert "the store is away" in one


async def test_the_page_of_one_job(edge: Edge) -> None:
    edge.jobs.put(dead_job(raw=HOSTILE), finished(make_job(OTHER)))
    async with edge.client() as client:
        dead = check_page(await client.get(f"{JOBS}/{JOB_ID}"))
        done = check_page(await client.get(f"{JOBS}/{OTHER}"))
        missing = check_page(await client.get(f"{JOBS}/nonsense"), 404)
    assert "the store is away" in dead
    assert ESCAPED in dead
    assert "4.12 m³" in done
    assert f"/dashboard/traces/{OTHER}" in done
    assert "an id is a UUID" in missing


@pytest.mark.parametrize("action", ["replay", "discard", "resend"])
async def test_one_job_is_acted_on(edge: Edge, action: str) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        done = await client.post(
            f"{JOBS}/{JOB_ID}/{action}", content="who=ada&reason=seen", headers=OWN
        )
    assert done.status_code == 200
    assert JOB_ID in done.text
    assert edge.jobs.done == [(action, JOB_ID, "ada", "seen")]


async def test_many_are_acted_on_by_their_filter(edge: Edge) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        body = "dead=failed&code=photo_unavailable&expected=3&reason=it+is+back"
        replayed = await client.post(f"{JOBS}/replay", content=body, headers=OWN)
        resent = await client.post(f"{JOBS}/resend", content="engine=damage", headers=OWN)
    assert "1 was replayed. 2 were not" in replayed.text
    assert resent.status_code == 200
    wanted = JobFilter(dead=DeadReason.FAILED, is_dead=True, code=ErrorCode.PHOTO_UNAVAILABLE)
    assert edge.jobs.done == [
        ("replay_all", wanted, 1000, "dashboard", "it is back"),
        (
            "resend_all",
            JobFilter(engine="damage", is_undelivered=True),
            1000,
            "dashboard",
            "asked by an operator",
        ),
    ]


@pytest.mark.parametrize("body", ["", "reason=x", "state=lost", "expected=5"])
async def test_without_a_filter_that_means_something_nothing_is_done(edge: Edge, body: str) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        refused = await client.post(f"{JOBS}/discard", content=body, headers=OWN)
    assert refused.status_code == 400
    assert edge.jobs.done == []


async def test_the_page_for_trying_a_photo(edge: Edge) -> None:
    async with edge.client() as client:
        text = check_page(await client.get("/dashboard/try?engines=damage&priority=high"))
    assert 'data-max-bytes="100000"' in text
    assert 'value="damage" checked' in text
    assert 'value="volume">' in text
    assert "samples/" in text


async def test_a_trace_that_is_not_kept_is_told_in_words(edge: Edge) -> None:
    async with edge.client() as client:
        page = check_page(await client.get(f"/dashboard/traces/{OTHER}"), 404)
        fragment = await client.get(f"/dashboard/traces/{OTHER}/waterfall")
    assert "No trace is kept" in page
    assert fragment.status_code == 200
    assert 'data-complete="false"' in fragment.text


class OneTrace(NotTraced):
    """Keeps one trace, of a stranger's making."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    def recent(self, **asked: object) -> tuple[TraceView, ...]:
        self.asked.append(asked)
        view = self.find(OTHER)
        return () if view is None or asked["slower_than_s"] == 5 else (view,)

    def count(self) -> int:
        return 1

    def find(self, name: str) -> TraceView | None:  # type: ignore[override]
        if name != OTHER:
            return None
        attempt = SpanView("s-2", "s-1", HOSTILE, 0.025, None, HOSTILE, {HOSTILE: HOSTILE})
        return TraceView(
            trace_id=HOSTILE,
            correlation_id=OTHER,
            subject="",
            name="detect",
            started_at=NOON,
            duration_s=0.1,
            error=HOSTILE,
            is_sampled=False,
            is_complete=True,
            engines=("damage",),
            left_out=2,
            parent_id=None,
            spans=(SpanView("s-1", None, "detect", 0.0, 0.1, "", {}), attempt),
        )


@pytest.mark.parametrize("path", ["", "/waterfall"])
async def test_a_trace_is_drawn_and_what_strangers_wrote_is_text(edge: Edge, path: str) -> None:
    edge.tracing = OneTrace()
    async with edge.client() as client:
        text = (await client.get(f"/dashboard/traces/{OTHER}{path}")).text
    assert HOSTILE not in text
    assert text.count(ESCAPED) >= 4
    assert 'x="25.0%"' in text
    assert 'width="75.0%"' in text
    assert 'data-complete="true"' in text
    assert "2 more spans are not shown" in text
    assert "style=" not in text


async def test_the_latest_requests_are_listed_with_their_failures(edge: Edge) -> None:
    edge.tracing = OneTrace()
    async with edge.client() as client:
        text = check_page(await client.get("/dashboard/traces?engine=damage&failed=true"))
        none = check_page(await client.get("/dashboard/traces?slower_than_ms=5000"))
        wrong = check_page(await client.get(f"/dashboard/traces?slower_than_ms={HOSTILE[:9]}"))
    assert HOSTILE not in text
    assert f'href="/dashboard/traces/{OTHER}"' in text
    assert "</svg>failed</span>" in text
    assert '<option value="damage" selected>' in text
    assert edge.tracing.asked == [
        {"limit": 50, "engine": "damage", "is_error": True, "slower_than_s": None},
        {"limit": 50, "engine": None, "is_error": None, "slower_than_s": 5.0},
    ]
    assert "None of the 1 kept is like that" in none
    assert "must be a number" in wrong


async def test_where_nothing_is_recorded_the_page_says_so(edge: Edge) -> None:
    async with edge.client() as client:
        text = check_page(await client.get("/dashboard/traces"))
    assert "Tracing is off" in text


async def test_a_request_says_first_why_it_failed(edge: Edge) -> None:
    edge.tracing = OneTrace()
    async with edge.client() as client:
        text = check_page(await client.get(f"/dashboard/traces/{OTHER}"))
    outcome, waterfall = text.split('id="waterfall"')
    assert "</svg>failed</span>" in outcome
    assert f"{ESCAPED}:</b> {ESCAPED}" in outcome
    assert OTHER in outcome
    # The first span's bar is marked as well: the whole failed.
    assert waterfall.count('class="fill-bad') == 2


async def test_the_requests_are_in_the_navigation(edge: Edge) -> None:
    async with edge.client() as client:
        text = check_page(await client.get("/dashboard/jobs"))
    assert '<a href="/dashboard/traces">Requests</a>' in text
