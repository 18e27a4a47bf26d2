"""The page of an instance in a real Chromium, over real Tritons."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.integration.running import NO_CERTIFICATES, RunningTidegate, wait_until
from tests.servers.chromium import Tab

HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


def address(tidegate: RunningTidegate, name: str = "triton-1") -> str:
    return f"{tidegate.url}/dashboard/instances/{name}"


def order(tidegate: RunningTidegate, action: str, name: str) -> None:
    httpx.post(
        f"{tidegate.url}/api/v1/fleet/{name}/{action}", json={}, timeout=10, verify=NO_CERTIFICATES
    )


def is_in_service(tidegate: RunningTidegate, name: str = "triton-1") -> bool:
    """Degraded is too: on a busy machine an instance may answer one probe late."""
    return health(tidegate, name) in ("healthy", "degraded")


def health(tidegate: RunningTidegate, name: str = "triton-1") -> str:
    return str(tidegate.get(f"/api/v1/fleet/{name}")["health"])


@pytest.fixture
def whole(tidegate: RunningTidegate) -> Iterator[RunningTidegate]:
    """With both instances in service, before and after."""
    yield tidegate
    for name in ("triton-0", "triton-1"):
        now = health(tidegate, name)
        if now in ("draining", "isolated"):
            order(tidegate, "undrain" if now == "draining" else "heal", name)
    wait_until(tidegate.are_all_ready, timeout_s=60, what="both Tritons are ready again")


def act(tab: Tab, verb: str, *, reason: str = "", force: bool = False, shot: str = "") -> str:
    """Presses a button and agrees; returns what the dialog had said."""
    page = tab.page
    page.get_by_role("button", name=verb, exact=True).first.click()
    dialog = page.locator("#confirm")
    said = dialog.inner_text()
    if reason:
        dialog.get_by_label("Why").fill(reason)
    if force:
        dialog.locator("input[name=force]").check()
    if shot:
        tab.shoot(shot)
    dialog.get_by_role("button", name=verb, exact=True).click()
    page.wait_for_selector("#said .notice")
    return said


def test_it_shows_what_is_believed_and_what_is_served(whole: RunningTidegate, tab: Tab) -> None:
    tab.open(address(whole))
    page = tab.page
    assert page.title() == "triton-1 · Tidegate"
    for engine in ("damage", "materials", "volume"):
        page.get_by_role("link", name=engine, exact=True).nth(1).wait_for()
    served = page.locator("#served").inner_text()
    assert "stable, 100 % of the traffic" in served
    assert "damage--1.0.0" in served
    assert "damage_detector" in served
    load = page.locator("#load")
    load.locator("dt", has_text="Pending").wait_for()
    assert "0 %" not in load.inner_text().split("GPU")[-1]  # this Triton has none
    history = page.locator("#history").inner_text()
    assert "healthy" in history
    assert page.locator(".lane").count() >= 1
    tab.shoot("instance")


def test_drain_and_undrain_without_a_reload(whole: RunningTidegate, tab: Tab) -> None:
    tab.open(address(whole))
    said = act(tab, "Drain", reason=HOSTILE)
    assert "Nothing new is sent" in said
    page = tab.page
    page.locator("#head .chip", has_text="draining").first.wait_for()
    assert health(whole) == "draining"
    assert HOSTILE in page.locator("#history").inner_text()
    assert page.title() == "triton-1 · Tidegate"
    tab.shoot("instance-draining")
    act(tab, "Undrain")
    page.locator("#head .chip", has_text="healthy").first.wait_for()
    assert is_in_service(whole)
    audit = whole.get("/api/v1/audit")["entries"]
    assert [one["action"] for one in audit if one.get("instance") == "triton-1"][:2] == [
        "undrain",
        "drain",
    ]


def test_isolate_and_heal(whole: RunningTidegate, tab: Tab) -> None:
    tab.open(address(whole))
    assert "only heal brings it back" in act(tab, "Isolate")
    tab.page.locator("#head .chip", has_text="isolated").first.wait_for()
    assert tab.page.get_by_role("button", name="Undrain").count() == 0
    assert "trusted again" in act(tab, "Heal")
    tab.page.locator("#head .chip", has_text="healthy").first.wait_for()


def test_the_last_one_is_not_drained_by_mistake(whole: RunningTidegate, tab: Tab) -> None:
    order(whole, "drain", "triton-1")
    tab.expected.append("409")
    tab.open(address(whole, "triton-0"))
    page = tab.page
    said = act(tab, "Drain", shot="instance-confirm")
    assert "this is refused, unless you tick the box" in said
    refused = page.locator("[data-refused=conflict]")
    assert "last instance" in refused.inner_text()
    assert is_in_service(whole, "triton-0")
    tab.shoot("instance-last-refused")
    refused.get_by_role("button", name="Dismiss").click()
    act(tab, "Drain", force=True)
    page.locator("#head .chip", has_text="draining").first.wait_for()


def test_an_unknown_instance_is_told_of(tidegate: RunningTidegate, tab: Tab) -> None:
    tab.expected.append("404")
    tab.page.goto(address(tidegate, "triton-9"))
    assert "known: triton-0, triton-1" in tab.page.locator("main").inner_text()


def test_it_is_readable_on_a_phone_and_in_the_dark(whole: RunningTidegate, phone: Tab) -> None:
    phone.page.emulate_media(color_scheme="dark")
    phone.open(address(whole))
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    phone.shoot("instance-phone-dark")
