"""The page of an engine in a real Chromium: real rollouts, steered from the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.photos import photo_of
from tests.integration.running import NO_CERTIFICATES, RunningTidegate, wait_until
from tests.servers.chromium import Tab

FINISHED = ("completed", "rolled_back", "failed")


def post(tidegate: RunningTidegate, path: str, **body: Any) -> httpx.Response:
    return httpx.post(tidegate.url + path, json=body, timeout=30, verify=NO_CERTIFICATES)


def latest(tidegate: RunningTidegate) -> dict[str, Any]:
    found: list[dict[str, Any]] = tidegate.get("/api/v1/rollouts?engine=damage&limit=1")["rollouts"]
    return found[0] if found else {"state": "completed", "target": "1.0.0"}


def stable(tidegate: RunningTidegate) -> str:
    return str(tidegate.get("/api/v1/engines/damage/releases")["stable"])


def wait_state(tidegate: RunningTidegate, *states: str) -> dict[str, Any]:
    wait_until(lambda: latest(tidegate)["state"] in states, timeout_s=90, what=f"it is {states}")
    return latest(tidegate)


@pytest.fixture
def at_rest(tidegate: RunningTidegate) -> Iterator[RunningTidegate]:
    """No rollout under way, 1.0.0 stable; before and after."""
    yield tidegate
    if latest(tidegate)["state"] not in FINISHED or stable(tidegate) != "1.0.0":
        post(tidegate, "/api/v1/engines/damage/rollback", who="tests")
    wait_state(tidegate, *FINISHED)
    assert stable(tidegate) == "1.0.0"


def start(tidegate: RunningTidegate, steps: list[int]) -> str:
    """A canary that goes on when it is told to."""
    answer = post(
        tidegate,
        "/api/v1/rollouts",
        engine="damage",
        release="1.1.0",
        steps_percent=steps,
        manual=True,
        ignore=["confidence", "latency"],
        who="tests",
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def order(tab: Tab, verb: str, *, reason: str = "") -> str:
    """Presses a button and agrees; returns what the dialog had said would follow."""
    tab.page.get_by_role("button", name=verb, exact=True).first.click()
    consequence = tab.page.locator("#confirm-text").inner_text()
    tab.page.locator("#confirm-form [name=reason]").fill(reason)
    tab.page.locator("#confirm-do").click()
    tab.page.locator("#said .notice").wait_for()
    return consequence


def wait_chip(tab: Tab, words: str) -> None:
    tab.page.locator("#rollout .chip", has_text=words).first.wait_for()


def test_a_canary_is_steered_from_the_page(at_rest: RunningTidegate, tab: Tab) -> None:
    photo = photo_of("damage")
    for _ in range(5):
        assert at_rest.detect(photo, detection_types="damage").status_code == 200
    tab.open(at_rest.url + "/dashboard/engines/damage")
    tab.page.evaluate("window.isTheSamePage = true")
    rollout = start(at_rest, [50, 100])
    wait_chip(tab, "in a step")  # it came by itself
    assert at_rest.detect(photo, detection_types="damage").status_code == 200

    said = order(tab, "Pause", reason="lunch")
    assert "The traffic stays as it is" in said
    wait_chip(tab, "paused in a step")
    assert latest(at_rest)["state"] == "paused"
    tab.shoot("engine-paused")
    order(tab, "Resume")
    wait_chip(tab, "in a step")
    assert "1.1.0 gets 100 % of the traffic" in order(tab, "Advance")
    wait_until(lambda: latest(at_rest)["step"] == 2, what="step 2")
    tab.page.locator(".step--now", has_text="100 %").wait_for()
    tab.shoot("engine-step")
    assert "All traffic goes back to 1.0.0 at once" in order(tab, "Abort", reason="enough")
    wait_state(at_rest, "rolled_back")
    wait_chip(tab, "rolled back")
    assert tab.page.get_by_role("button", name="Abort").count() == 0
    assert rollout in tab.page.locator("#history").inner_text()
    assert tab.page.evaluate("window.isTheSamePage")
    told = at_rest.get(f"/api/v1/audit?rollout={rollout}")["entries"]
    by_hand = [one for one in reversed(told) if one["who"] == "dashboard"]
    assert [one["action"] for one in by_hand] == ["pause", "resume", "advance", "abort"]
    assert by_hand[0]["reason"] == "lunch"


def test_an_engine_is_rolled_back_after_its_promotion(at_rest: RunningTidegate, tab: Tab) -> None:
    start(at_rest, [50])
    tab.open(at_rest.url + "/dashboard/engines/damage")
    wait_chip(tab, "in a step")
    assert "1.1.0 is promoted now" in order(tab, "Advance")
    wait_state(at_rest, "completed")
    assert stable(at_rest) == "1.1.0"
    tab.page.get_by_text("stable 1.1.0").first.wait_for()
    said = order(tab, "Roll back", reason="it was better before")
    assert "1.0.0 is loaded and proved first" in said
    wait_until(lambda: stable(at_rest) == "1.0.0", timeout_s=90, what="1.0.0 is stable again")
    tab.page.get_by_text("stable 1.0.0").first.wait_for()
    tab.shoot("engine-rolled-back")


def test_an_order_that_comes_too_late_is_refused_in_words(
    at_rest: RunningTidegate, tab: Tab
) -> None:
    tab.expected += ["409", "htmx:responseError"]
    rollout = start(at_rest, [50])
    tab.open(at_rest.url + "/dashboard/engines/damage")
    wait_chip(tab, "in a step")
    tab.page.get_by_role("button", name="Pause").click()
    assert post(at_rest, f"/api/v1/rollouts/{rollout}/abort").status_code == 200
    tab.page.locator("#confirm-do").click()
    refused = tab.page.locator("[data-refused=conflict]")
    refused.wait_for()
    assert "pause does not apply to it now" in refused.inner_text()
    tab.shoot("engine-refused")
    refused.get_by_role("button", name="Dismiss").click()
    assert tab.page.locator("#said .notice").count() == 0


def test_an_unknown_engine_is_said(tidegate: RunningTidegate, tab: Tab) -> None:
    tab.expected.append("404")
    tab.page.goto(tidegate.url + "/dashboard/engines/roofs")
    assert "unknown engine 'roofs'; known: damage, materials, volume" in tab.page.inner_text("main")
    tab.page.get_by_role("link", name="To the overview").click()
    tab.wait_live()
