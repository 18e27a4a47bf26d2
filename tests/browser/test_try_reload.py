"""What a reload of the page for trying a photo shows again: the photo, what was found on it, what
was said of it, and the waterfall of that request; and what is said where it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.fake_site import FakeSite, busy_edge, fake_site
from tests.browser.test_try import (
    HOSTILE,
    ROOF,
    answer_of,
    box_at,
    boxes_of,
    detect,
    drawn,
    open_page,
    shoot,
    small,
)
from tests.integration.running import RunningTidegate
from tests.servers.chromium import Tab

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

NOTHING_YET = "The photo is shown here"
A_DAY_LATER = "Date.now = ((now) => () => now() + 86_400_001)(Date.now)"
NO_STORAGE = "IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError') }"
KEPT = """
  async ([key, wanted]) => {
    const read = () => new Promise((resolve, reject) => {
      const asked = indexedDB.open("tidegate-try", 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore("kept");
      asked.onerror = () => reject(asked.error);
      asked.onsuccess = () => {
        const found = asked.result.transaction("kept").objectStore("kept").getAllKeys();
        found.onsuccess = () => { asked.result.close(); resolve(found.result.includes(key)); };
      };
    });
    for (let tries = 0; tries < 200; tries += 1) {
      if ((await read()) === wanted) return true;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
  }
"""


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with fake_site(busy_edge()) as started:
        yield started


def wait_kept(page: Page, key: str = "photo", *, is_kept: bool = True) -> None:
    """Until the browser has written it down, or away."""
    assert page.evaluate(KEPT, [key, is_kept]), (key, is_kept)


FOUND = {"damage": {"detections": [box_at(14, 14)]}}


def open_fake(
    tab: Tab, site: FakeSite, results: dict[str, Any] = FOUND, *, correlation_id: str = "c-1"
) -> None:
    answer = answer_of(results, correlation_id=correlation_id)
    tab.page.context.route("**/orchestrator/detect", lambda route: route.fulfill(json=answer))
    tab.open(f"{site.url}/dashboard/try")


def reload(tab: Tab) -> None:
    tab.page.reload()
    tab.wait_live()


def chosen(tab: Tab, words: str) -> None:
    tab.page.locator("#chosen", has_text=words).wait_for()


def test_a_reload_shows_the_photo_the_answer_and_its_waterfall_again(
    tidegate: RunningTidegate, tab: Tab
) -> None:
    open_page(tab, tidegate, "?engines=damage,materials")
    page = tab.page
    page.set_input_files("#photo", ROOF)
    answer = detect(tab)
    page.locator("[data-verdict=damage]").get_by_role("button", name="Wrong").click()
    page.get_by_text("Noted for 1.0.0: wrong.").wait_for()
    page.locator("#waterfall .fall-span").first.wait_for()
    wait_kept(page, "outcome")
    before = drawn(tab)
    assert before == boxes_of(answer)
    assert before
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    reload(tab)
    page.locator("#answer").wait_for()
    chosen(tab, ROOF.name)
    page.locator("#waterfall .fall-span").first.wait_for()
    assert drawn(tab) == before
    assert page.locator("#answer-id").inner_text() == answer["correlation_id"]
    assert answer["served_by"]["damage"]["instance"] in page.locator("#served").inner_text()
    assert not page.locator("input[name=engine][value=volume]").is_checked()
    verdict = page.locator("[data-verdict=damage]")
    assert "Noted for 1.0.0: wrong." in verdict.inner_text()
    assert verdict.get_by_role("button", name="Wrong").get_attribute("aria-pressed") == "true"
    assert not any("orchestrator/detect" in url for url in asked)
    shoot(tab, "try-reloaded")
    # And it goes on from there: what is found anew is drawn whole, and nothing was said of it.
    again = detect(tab)
    assert again["request_id"] != answer["request_id"]
    assert drawn(tab) == boxes_of(again)
    assert "Noted" not in page.locator("#feedback").inner_text()


def test_what_is_not_to_be_drawn_stays_so(site: FakeSite, tab: Tab) -> None:
    unsure = {**box_at(12, 12), "confidence": 0.3}
    results = {
        "damage": {"detections": [box_at(14, 14), unsure]},
        "other": {"items": [box_at(11, 11)]},
    }
    open_fake(tab, site, results)
    tab.page.set_input_files("#photo", small("one.png"))
    detect(tab)
    wait_kept(tab.page, "outcome")
    tab.page.locator("[data-toggle-engine=other]").uncheck()
    tab.page.locator("#least").fill("0.5")
    tab.page.get_by_label("Priority").select_option("high")
    reload(tab)
    tab.page.locator("#overlay .mark-line").first.wait_for()
    assert drawn(tab) == [[10, 10, 14, 14]]
    assert not tab.page.locator("[data-toggle-engine=other]").is_checked()
    assert tab.page.locator("#least").input_value() == "0.5"
    assert tab.page.locator("#least-shown").inner_text() == "0.50"
    assert "1 of 3 shown" in tab.page.locator("#shown-count").inner_text()
    # Of the next answer everything is drawn.
    detect(tab)
    tab.page.locator("#shown-count", has_text="3 of 3 shown").wait_for()


def say_right(tab: Tab, engine: str, take: Callable[[Route], object]) -> None:
    """take: does with what was asked what the control plane does."""
    tab.page.route("**/api/v1/feedback", lambda route: take(route))
    tab.page.locator(f"[data-verdict={engine}]").get_by_role("button", name="Right").click()


def note(route: Route) -> None:
    truth = json.loads(route.request.post_data or "")["truth"]
    engines = {engine: {"release": "1.0.0"} for engine in truth}
    route.fulfill(json={"engines": engines})


def test_a_word_that_is_taken_late_is_not_shown_of_the_next_answer(
    site: FakeSite, tab: Tab
) -> None:
    open_fake(tab, site, correlation_id="c-1")
    tab.page.set_input_files("#photo", small("one.png"))
    detect(tab)
    button = tab.page.locator("[data-verdict=damage] button").first.element_handle()
    held: list[Route] = []
    say_right(tab, "damage", held.append)
    tab.page.context.unroute("**/orchestrator/detect")
    answer = answer_of(FOUND, correlation_id="c-2")
    tab.page.route("**/orchestrator/detect", lambda route: route.fulfill(json=answer))
    detect(tab)
    wait_kept(tab.page, "outcome")
    note(held[0])
    tab.page.wait_for_function("(one) => !one.disabled", arg=button)
    reload(tab)
    tab.page.locator("#answer-id", has_text="c-2").wait_for()
    assert "Noted" not in tab.page.locator("#feedback").inner_text()


def test_what_was_said_of_another_tabs_answer_is_not_shown_of_this(
    site: FakeSite, tab: Tab
) -> None:
    open_fake(tab, site)
    tab.page.set_input_files("#photo", small("one.png"))
    detect(tab)
    say_right(tab, "damage", note)
    tab.page.get_by_text("Noted for 1.0.0: right.").wait_for()
    wait_kept(tab.page, "outcome")
    # As it is in the tab that was copied, when the copy has asked anew.
    tab.page.evaluate("history.replaceState({ ...history.state, request: 'c-0' }, '')")
    reload(tab)
    tab.page.locator("#answer").wait_for()
    assert "Noted" not in tab.page.locator("#feedback").inner_text()


def test_of_an_engine_with_a_name_of_the_languages_own_nothing_was_said(
    site: FakeSite, tab: Tab
) -> None:
    open_fake(tab, site, {"constructor": {"detections": [box_at(14, 14)]}})
    tab.page.set_input_files("#photo", small("one.png"))
    detect(tab)
    assert "Noted" not in tab.page.locator("#feedback").inner_text()
    say_right(tab, "constructor", note)
    tab.page.get_by_text("Noted for 1.0.0: right.").wait_for()
    wait_kept(tab.page, "outcome")
    reload(tab)
    tab.page.get_by_text("Noted for 1.0.0: right.").wait_for()


def test_what_is_kept_and_shown_again_is_text(site: FakeSite, tab: Tab) -> None:
    answer = answer_of(
        {HOSTILE: {"detections": [box_at(14, 14, HOSTILE)]}, "odd": {"text": HOSTILE}},
        correlation_id=HOSTILE,
        errors={"volume": {"code": "backend_fault", "message": HOSTILE}},
        model_versions={HOSTILE: HOSTILE},
        served_by={HOSTILE: {"instance": HOSTILE}},
    )
    tab.page.route("**/orchestrator/detect", lambda route: route.fulfill(json=answer))
    tab.page.route(
        "**/api/v1/feedback",
        lambda route: route.fulfill(json={"engines": {HOSTILE: {"release": HOSTILE}}}),
    )
    tab.open(f"{site.url}/dashboard/try")
    tab.page.set_input_files("#photo", small(f"{HOSTILE}.png"))
    detect(tab)
    tab.page.locator("#feedback").get_by_role("button", name="Wrong").first.click()
    noted = tab.page.locator("#feedback", has_text=f"Noted for {HOSTILE}: wrong.")
    noted.wait_for()
    wait_kept(tab.page, "outcome")
    reload(tab)
    noted.wait_for()
    chosen(tab, f"{HOSTILE}.png")
    assert HOSTILE in tab.page.locator("#answer-errors").inner_text()
    assert HOSTILE in tab.page.locator("#served").inner_text()
    assert tab.page.locator("#answer-id").inner_text() == HOSTILE
    assert tab.page.locator("main img").count() == 1
    assert tab.page.title() == "Try it · Tidegate"


def test_a_refusal_is_told_again(site: FakeSite, tab: Tab) -> None:
    tab.expected.append("422")
    problem = {"code": "photo_invalid", "detail": HOSTILE, "correlation_id": "c-9"}
    tab.page.route("**/orchestrator/detect", lambda route: route.fulfill(status=422, json=problem))
    tab.open(f"{site.url}/dashboard/try")
    tab.page.set_input_files("#photo", small("one.png"))
    tab.page.get_by_role("button", name="Detect", exact=True).click()
    error = tab.page.locator("#photo-error", has_text=HOSTILE)
    error.wait_for()
    wait_kept(tab.page, "outcome")
    reload(tab)
    error.wait_for()
    assert error.get_by_role("link").get_attribute("href") == "/dashboard/traces/c-9"
    assert not tab.page.locator("#answer").is_visible()


def test_the_next_photo_takes_the_place_of_the_one_before(site: FakeSite, tab: Tab) -> None:
    open_fake(tab, site)
    tab.page.set_input_files("#photo", small("one.png"))
    detect(tab)
    wait_kept(tab.page, "outcome")
    tab.page.set_input_files("#photo", small("two.png"))
    wait_kept(tab.page, "outcome", is_kept=False)
    wait_kept(tab.page)
    reload(tab)
    chosen(tab, "two.png")
    tab.page.locator("#picture").wait_for()
    assert not tab.page.locator("#answer").is_visible()
    assert tab.page.locator("#waterfall").inner_text() == ""


def test_asked_anew_the_earlier_answer_is_not_shown(site: FakeSite, tab: Tab) -> None:
    open_fake(tab, site)
    tab.page.set_input_files("#photo", small("one.png"))
    detect(tab)
    wait_kept(tab.page, "outcome")
    tab.page.context.unroute("**/orchestrator/detect")
    tab.page.route("**/orchestrator/detect", lambda route: None)
    tab.page.get_by_role("button", name="Detect", exact=True).click()
    wait_kept(tab.page, "outcome", is_kept=False)
    reload(tab)
    chosen(tab, "one.png")
    assert not tab.page.locator("#answer").is_visible()
    assert tab.page.locator("#send").is_enabled()


def test_cleared_it_is_gone(site: FakeSite, tab: Tab) -> None:
    open_fake(tab, site)
    clear = tab.page.get_by_role("button", name="Clear")
    assert not clear.is_visible()
    for _ in range(2):  # the same photo may be chosen again
        tab.page.set_input_files("#photo", small("one.png"))
        detect(tab)
        wait_kept(tab.page)
        clear.click()
        assert tab.page.evaluate("document.activeElement.id") == "photo"
        assert tab.page.locator("#chosen").inner_text() == ""
        assert not tab.page.locator("#answer").is_visible()
        assert NOTHING_YET in tab.page.locator("#shot-none").inner_text()
        assert tab.page.locator("#send").is_disabled()
        wait_kept(tab.page, is_kept=False)
    reload(tab)
    assert tab.page.locator("#chosen").inner_text() == ""
    assert not clear.is_visible()


@pytest.mark.parametrize("later", ["nothing is stored", "a day later"])
def test_a_photo_that_is_not_kept_is_told_and_the_page_works_on(
    site: FakeSite, tab: Tab, later: str
) -> None:
    if later == "nothing is stored":
        tab.page.add_init_script(NO_STORAGE)
    open_fake(tab, site, correlation_id="c-7")
    tab.page.set_input_files("#photo", small(f"{HOSTILE}.png"))
    detect(tab)
    if later == "a day later":
        wait_kept(tab.page, "outcome")
        tab.page.add_init_script(A_DAY_LATER)
    reload(tab)
    chosen(tab, f"does not keep the photo {HOSTILE}.png any more: choose it again")
    link = tab.page.locator("#chosen").get_by_role("link")
    assert link.get_attribute("href") == "/dashboard/traces/c-7"
    assert tab.page.locator("#send").is_disabled()
    if later == "a day later":
        wait_kept(tab.page, is_kept=False)
    tab.page.set_input_files("#photo", small("two.png"))
    chosen(tab, "two.png")
    detect(tab)


def test_a_photo_that_is_too_large_is_not_kept(site: FakeSite, tab: Tab) -> None:
    open_fake(tab, site)
    tab.page.set_input_files("#photo", small("one.png"))
    wait_kept(tab.page)
    tab.page.evaluate("document.forms[0].dataset.maxBytes = '10'")
    tab.page.set_input_files("#photo", small("two.png"))
    wait_kept(tab.page, is_kept=False)
    reload(tab)
    chosen(tab, "does not keep the photo two.png any more")


def test_two_tabs_show_no_photo_of_each_other(site: FakeSite, tab: Tab) -> None:
    open_fake(tab, site)
    tab.page.set_input_files("#photo", small("one.png"))
    wait_kept(tab.page)
    other = Tab(tab.page.context.new_page())
    other.open(f"{site.url}/dashboard/try")
    assert other.page.locator("#chosen").inner_text() == ""
    other.page.set_input_files("#photo", small("two.png"))
    chosen(other, "two.png")
    detect(other)
    wait_kept(other.page, "outcome")
    # What the first does now changes nothing of what the second has kept.
    detect(tab)
    reload(tab)
    chosen(tab, "does not keep the photo one.png any more")
    tab.page.set_input_files("#photo", small("three.png"))
    wait_kept(tab.page, "outcome", is_kept=False)
    detect(other)
    other.page.set_input_files("#photo", small("two.png"))
    detect(other)
    wait_kept(other.page, "outcome")
    tab.page.get_by_role("button", name="Clear").click()
    reload(tab)
    reload(other)
    chosen(other, "two.png")
    other.page.locator("#answer").wait_for()


def test_another_visit_begins_with_an_empty_page(site: FakeSite, tab: Tab) -> None:
    open_fake(tab, site)
    tab.page.set_input_files("#photo", small("one.png"))
    detect(tab)
    wait_kept(tab.page, "outcome")
    tab.page.get_by_role("link", name="Overview").click()
    tab.page.locator("#engines").wait_for()
    tab.page.get_by_role("link", name="Try it").click()
    tab.page.locator("#shot-none", has_text=NOTHING_YET).wait_for()
    assert tab.page.locator("#chosen").inner_text() == ""
    tab.page.go_back()
    tab.page.go_back()
    tab.page.locator("#answer").wait_for()
    chosen(tab, "one.png")
