"""The overview: what it shows of what there is, and what it says where there is nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from control_plane.core.jobs import JobFigures
from control_plane.core.rollout import Plan, State
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.standing import Standing
from control_plane.services.status import InstanceView, ReleaseView
from tests.unit.rest_api.fakes import Edge, FakeStatus, engine_view, instance_view
from tests.unit.rollouts import assessment


def text_of(html: str) -> str:
    """What a person reads of a page, any space as one."""
    body = re.sub(r"(?s)<svg.*?</svg>|<noscript>.*?</noscript>", " ", html)
    return " ".join(re.sub(r"<[^>]*>", " ", body.partition("<main")[2]).split())


async def read(edge: Edge, path: str = "/") -> str:
    async with edge.client() as client:
        return text_of((await client.get(path)).text)


def asked(edge: Edge, count: int, *, errors: int = 0) -> None:
    """Requests to ``damage`` of which some failed, just now."""
    release = edge.counts._engine("damage").release("1.1.0", edge.clock.now_s())
    for number in range(count):
        release.window.add(edge.clock.now_s(), 0.05, is_error=number < errors)


async def test_an_engine_in_figures() -> None:
    edge = Edge()
    asked(edge, 300, errors=6)
    page = await read(edge, "/?span=1m")
    assert "2 % errors" in page
    assert "requests 300" in page
    assert "3 of 40 in flight" in page
    assert "1.0.0 0 % shadow of 5 %, ready nowhere" in page
    assert "1.1.0 100 % stable" in page


async def test_an_engines_errors_lead_to_its_requests_that_failed() -> None:
    edge = Edge()
    asked(edge, 300, errors=6)
    async with edge.client() as client:
        page = (await client.get("/?span=1m")).text
    card = page.partition('id="engines"')[2]
    assert 'href="/dashboard/traces?engine=damage&amp;failed=true"' in card


async def test_what_was_not_counted_is_not_shown_as_nothing() -> None:
    page = await read(Edge(), "/?span=15m")
    assert "No requests in the last 15 min." in page
    assert "0 % errors" not in page
    assert "p95" not in page


async def test_a_rollout_in_a_line() -> None:
    edge = Edge()
    view = await edge.rollouts.start("damage", "1.1.0", Plan(), who="ada", reason="try")
    edge.rollouts.move(view.rollout.rollout_id, state=State.STEP, step=2)
    edge.rollouts.looks[view.rollout.rollout_id] = [assessment(2)]
    page = await read(edge)
    assert "canary 1.0.0 → 1.1.0 in step 2 of 5 undecided yet" in page
    edge.rollouts.move(view.rollout.rollout_id, state=State.COMPLETED)
    assert "canary 1.0.0 → 1.1.0" not in await read(edge)


async def test_instances_queues_and_what_happened() -> None:
    page = await read(Edge())
    assert "triton-0 healthy all is well ( 2025-01-31 12:00:00 UTC ) 1 fit closed" in page
    assert "low 40 12 s" in page
    assert "2 dead letters 2 failed" in page
    assert "triton-0 unknown → healthy all is well" in page


@pytest.mark.parametrize(
    "view", [instance_view(state="unreachable"), instance_view(health="unhealthy")]
)
async def test_what_is_known_of_an_instance_that_does_not_answer_is_old(view: InstanceView) -> None:
    edge = Edge(status=FakeStatus(instance_views=(view,)))
    assert "1 fit, as last seen closed , as last seen" in await read(edge)
    async with edge.client() as client:
        page = (await client.get("/dashboard/instances/triton-0")).text
    served = page.partition("Engines and releases")[2].partition("</section>")[0]
    assert "as last seen" in served
    assert "chip--good" not in served


async def test_a_short_name_stays_on_one_line_and_a_long_one_may_break() -> None:
    views = (instance_view("triton-0"), instance_view("t" * 60))
    edge = Edge(status=FakeStatus(instance_views=views))
    async with edge.client() as client:
        page = (await client.get("/")).text
        engine = (await client.get("/dashboard/engines/damage")).text
    rows = re.findall(r'<th scope="row" class="(.*?)"><a[^>]*>(t[^<]*)<', page)
    assert rows == [("name", "triton-0"), ("", "t" * 60)]
    assert '<th scope="row" class="name"><span class="swatch' in engine


async def test_the_dead_letters_lead_to_their_list() -> None:
    async with Edge().client() as client:
        page = (await client.get("/")).text
        (link,) = re.findall(r'href="(/dashboard/jobs[?][^"]*)">2', page)
        letters = text_of((await client.get(link)).text)
    assert "; known: " not in letters  # the address is one that the list understands
    assert "No job is like that." in letters


async def test_with_nothing_at_all_every_part_says_so() -> None:
    edge = Edge(status=FakeStatus(engine_views=(), instance_views=()))
    page = await read(edge)
    assert "No engine is known" in page
    assert "No instance is configured." in page
    assert "Nothing happened since this control plane began." in page


async def test_while_the_store_is_away_it_is_said_where_it_matters() -> None:
    edge = Edge()
    away = ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "the state store does not answer")
    edge.rollouts.error = edge.jobs.error = away
    edge.standing.standing = Standing("gate-1", is_store_away=True)
    page = await read(edge)
    assert "Requests are served by what was read before" in page
    assert "Figures of this control plane only" in page
    assert "of all control planes" not in page
    assert re.search("The audit cannot be read since .*: the state store does not answer", page)
    assert re.search("What waits cannot be read since .*: the state store does not answer", page)
    # What needs no store is there.
    assert "triton-0 healthy" in page


async def test_all_is_well_is_said_only_where_nothing_is_wrong() -> None:
    edge = Edge()
    assert "All is well." not in await read(edge)
    calm = ReleaseView("1.1.0", {"damage_detector": 2}, True, 10_000, ("triton-0",))
    edge.status.engine_views = (replace(engine_view(), releases=(calm,)),)
    edge.jobs.counted = JobFigures()
    assert "All is well." in await read(edge)
    asked(edge, 100, errors=50)
    edge.clock.reading_s += 120
    page = await read(edge)
    assert "All is well now." in page
    assert "The errors of damage in the last 5 min are over." in page
