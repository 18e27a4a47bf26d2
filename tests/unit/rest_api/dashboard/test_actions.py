"""Orders from a page: who may give them, what is done, and how a refusal is told."""

from __future__ import annotations

import httpx
import pytest
from structlog.testing import capture_logs

from control_plane.core.rollout import Plan, State
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.unit.rest_api.fakes import Edge, check_problem

PAUSE = "/dashboard/engines/damage/rollout/pause"
BACK = "/dashboard/engines/damage/rollback"
OURS = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}


async def begun(edge: Edge) -> str:
    view = await edge.rollouts.start("damage", "1.1.0", Plan(), who="ada", reason="try")
    edge.rollouts.move(view.rollout.rollout_id, state=State.STEP, step=1)
    return view.rollout.rollout_id


async def order(
    client: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None, **fields: str
) -> httpx.Response:
    return await client.post(
        path, data={"who": "", **fields}, headers=OURS if headers is None else headers
    )


async def test_an_order_is_done_and_written_down() -> None:
    edge = Edge()
    rollout = await begun(edge)
    async with edge.client() as client:
        said = await order(client, PAUSE, rollout=rollout, who="ada", reason="lunch")
        assert said.status_code == 200
        assert f"Paused {rollout}. It is paused in a step now." in said.text
        entry = edge.rollouts.records[-1].entry
        assert (entry.who, entry.action, entry.reason) == ("ada", "pause", "lunch")
        for action, state in (("resume", State.STEP), ("advance", State.STEP)):
            path = f"/dashboard/engines/damage/rollout/{action}"
            assert (await order(client, path, rollout=rollout)).status_code == 200
            assert edge.rollouts.all[-1].state is state
        assert edge.rollouts.all[-1].step == 2
        assert edge.rollouts.records[-1].entry.who == "dashboard"
        path = "/dashboard/engines/damage/rollout/abort"
        assert (await order(client, path, rollout=rollout)).status_code == 200
        assert edge.rollouts.all[-1].state is State.ROLLING_BACK


async def test_an_engine_is_rolled_back() -> None:
    edge = Edge()
    rollout = await begun(edge)
    async with edge.client() as client:
        said = await order(client, BACK, reason="worse")
        assert f"Rolling damage back to 1.0.0: {rollout} is rolling back now." in said.text
        edge.rollouts.move(rollout, state=State.COMPLETED)
        said = await order(client, BACK)
        assert "Rolling damage back to 1.0.0" in said.text
        assert edge.rollouts.all[-1].is_reversal


async def test_what_moved_on_while_it_was_asked_is_not_moved_further() -> None:
    edge = Edge()
    rollout = await begun(edge)
    path = "/dashboard/engines/damage/rollout/advance"
    async with edge.client() as client:
        edge.rollouts.move(rollout, state=State.STEP, step=3)
        said = await order(client, path, rollout=rollout, place="step 1")
        assert said.status_code == 409
        assert "has moved on since you were asked" in said.text
        assert edge.rollouts.all[-1].step == 3
        assert (await order(client, path, rollout=rollout, place="step 3")).status_code == 200
        assert edge.rollouts.all[-1].step == 4
        said = await order(client, BACK, rollout="damage-another")
        assert said.status_code == 409
        assert "has had another rollout since you were asked" in said.text
        assert edge.rollouts.all[-1].state is State.STEP
        assert (await order(client, BACK, rollout=rollout)).status_code == 200


async def test_each_button_names_what_it_was_shown_for() -> None:
    edge = Edge()
    rollout = await begun(edge)
    async with edge.client() as client:
        page = (await client.get("/dashboard/engines/damage")).text.replace("&#34;", '"')
    assert page.count(f'{{"place": "step 1", "rollout": "{rollout}"}}') == 3
    assert page.count(f'data-fields="{{"rollout": "{rollout}"}}"') == 1


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({}, "HX-Request"),
        ({"Sec-Fetch-Site": "same-origin"}, "HX-Request"),
        ({"HX-Request": "true"}, "Origin"),
        ({"HX-Request": "true", "Sec-Fetch-Site": "cross-site"}, "Sec-Fetch-Site"),
        ({"HX-Request": "true", "Sec-Fetch-Site": "same-site"}, "Sec-Fetch-Site"),
        # What the browser says of the site counts more than an origin that looks right.
        (
            {"HX-Request": "true", "Sec-Fetch-Site": "cross-site", "Origin": "http://tidegate"},
            "Sec-Fetch-Site",
        ),
        ({"HX-Request": "true", "Origin": "http://elsewhere"}, "Origin"),
        ({"HX-Request": "true", "Origin": "null"}, "Origin"),
        ({"HX-Request": "true", "Origin": "http://tidegate.elsewhere"}, "Origin"),
    ],
)
async def test_an_order_from_elsewhere_is_refused(headers: dict[str, str], field: str) -> None:
    edge = Edge()
    rollout = await begun(edge)
    async with edge.client() as client:
        with capture_logs() as logs:
            said = await order(client, PAUSE, headers=headers, rollout=rollout)
        check_problem(said, 403, ErrorCode.PERMISSION_DENIED, field)
    assert [line["code"] for line in logs if line["event"] == "the dashboard was refused"] == [
        ErrorCode.PERMISSION_DENIED
    ]
    assert edge.rollouts.all[-1].state is State.STEP


async def test_by_a_name_over_plain_http_the_origin_is_proof() -> None:
    edge = Edge()
    rollout = await begun(edge)
    async with edge.client() as client:
        headers = {"HX-Request": "true", "Origin": "http://TIDEGATE"}
        assert (await order(client, PAUSE, headers=headers, rollout=rollout)).status_code == 200


async def test_a_refusal_is_told_in_its_own_words() -> None:
    edge = Edge()
    rollout = await begun(edge)
    edge.rollouts.move(rollout, state=State.COMPLETED)
    async with edge.client() as client:
        said = await order(client, PAUSE, rollout=rollout)
        assert said.status_code == 409
        assert "Not done (conflict):" in said.text
        assert "the rollout is completed: pause does not apply to it now" in said.text
        assert said.headers["x-correlation-id"] in said.text
        edge.rollouts.error = ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "<b>away</b>")
        said = await order(client, BACK)
        assert said.status_code == 503
        assert "&lt;b&gt;away&lt;/b&gt;" in said.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "rollout is missing"),
        ({"rollout": "damage-0001", "who": "x" * 101}, "who has 101 characters"),
        ({"rollout": "damage-0001", "reason": "a\nb"}, "reason must be one line"),
    ],
)
async def test_a_form_that_is_wrong_is_refused(fields: dict[str, str], words: str) -> None:
    edge = Edge()
    await begun(edge)
    async with edge.client() as client:
        said = await order(client, PAUSE, **fields)
        assert said.status_code == 400
        assert words in said.text
    assert edge.rollouts.all[-1].state is State.STEP


async def test_what_is_no_form_is_refused() -> None:
    edge = Edge()
    rollout = await begun(edge)
    async with edge.client() as client:
        said = await client.post(PAUSE, json={"rollout": rollout}, headers=OURS)
        assert said.status_code == 415
        form = {**OURS, "Content-Type": "application/x-www-form-urlencoded"}
        said = await client.post(PAUSE, content=b"x" * 20_000, headers=form)
        assert said.status_code == 413
        said = await client.post(PAUSE, content=b"a=%ff", headers=form)
        assert said.status_code == 400
        said = await client.post(PAUSE, content=b"&".join([b"a=1"] * 40), headers=form)
        assert said.status_code == 400
        unknown = await order(client, "/dashboard/engines/damage/rollout/hurry", rollout=rollout)
        assert "it knows pause, resume, advance, abort" in unknown.text.replace("&#39;", "'")
        assert (await client.get(PAUSE)).status_code == 405
