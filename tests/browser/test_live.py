"""Pages kept current in a real Chromium: lost connections, hostile names, many events, hands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from control_plane.rest_api.dashboard import live
from control_plane.rest_api.dashboard.routes import Dashboard
from control_plane.services.standing import Standing
from tests.browser.fake_site import FakeSite, begin_canary, busy_edge, count_requests, fake_site
from tests.integration.running import wait_until
from tests.servers.chromium import Tab
from tests.servers.proxy import Proxy
from tests.unit.rest_api.fakes import Edge, instance_view

if TYPE_CHECKING:
    from playwright.sync_api import Route

REFUSED = r"net::ERR_|\[object "
"""What a lost connection is in the console: the browser's words, and htmx's."""
ENGINE = "/dashboard/engines/damage"


@pytest.fixture
def site() -> Iterator[FakeSite]:
    edge = busy_edge()
    count_requests(edge, "damage")
    with fake_site(edge) as made:
        made.run(begin_canary(edge, "damage", "finer hail"))
        yield made


def set_in_flight(count: int) -> object:
    def change(edge: Edge) -> None:
        edge.status.instance_views = tuple(
            replace(view, in_flight=count) for view in edge.status.instance_views
        )

    return change


def in_flight(tab: Tab) -> str:
    return tab.page.locator("#instances td").last.inner_text()


def wait_in_flight(tab: Tab, count: int) -> None:
    tab.page.wait_for_function(
        "count => document.querySelector('#instances td:last-child')?.textContent === count",
        arg=str(count),
    )


def test_what_changes_is_there_without_a_reload(site: FakeSite, tab: Tab) -> None:
    tab.open(site.url)
    tab.page.evaluate("window.isTheSamePage = true")
    for count in (7, 8):
        site.change(set_in_flight(count))  # type: ignore[arg-type]
        wait_in_flight(tab, count)
    assert tab.page.evaluate("window.isTheSamePage")


def test_a_lost_connection_is_said_and_mended(site: FakeSite, tab: Tab) -> None:
    tab.expected.append(REFUSED)
    with Proxy(site.port) as proxy:
        tab.open(f"http://127.0.0.1:{proxy.port}/")
        tab.page.evaluate("window.isTheSamePage = true")
        proxy.refuse()
        proxy.cut()
        tab.page.wait_for_selector("html[data-link=lost]")
        lost = tab.page.locator("#lost")
        assert lost.is_visible()
        assert "Connection lost since" in lost.inner_text()
        # What is old looks it.
        assert tab.page.locator("#engines").evaluate("it => getComputedStyle(it).opacity") != "1"
        tab.shoot("overview-lost")
        site.change(set_in_flight(41))  # type: ignore[arg-type]
        proxy.accept()
        tab.wait_live()
        wait_in_flight(tab, 41)
        assert not lost.is_visible()
        assert tab.page.evaluate("window.isTheSamePage")


def test_a_connection_that_nobody_ends_is_noticed_by_its_silence(site: FakeSite, tab: Tab) -> None:
    tab.expected.append(REFUSED)
    with Proxy(site.port) as proxy:
        tab.open(f"http://127.0.0.1:{proxy.port}/")
        proxy.stall()
        tab.page.wait_for_selector("html[data-link=lost]")
        site.change(set_in_flight(42))  # type: ignore[arg-type]
        proxy.flow()
        tab.wait_live()
        wait_in_flight(tab, 42)


def test_a_control_plane_that_is_restarted_is_found_again(site: FakeSite, tab: Tab) -> None:
    tab.expected.append(REFUSED)
    tab.open(site.url)
    site.stop()
    tab.page.wait_for_selector("html[data-link=lost]")
    site.edge.status.instance_views = (instance_view("triton-9"),)
    site.start()
    tab.wait_live()
    tab.page.get_by_role("link", name="triton-9").first.wait_for()


def hide(tab: Tab, is_hidden: bool) -> None:
    """As when another tab is looked at."""
    tab.page.evaluate(
        """isHidden => {
            Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


async def rendered() -> list[str]:
    """The pages that somebody watches, by the tasks that keep them current."""
    names = (task.get_name() for task in asyncio.all_tasks())
    return [name for name in names if name.startswith("dashboard ")]


def test_a_tab_that_nobody_sees_gives_its_stream_back(site: FakeSite, tab: Tab) -> None:
    tab.expected.append(REFUSED)
    tab.page.clock.install()
    tab.open(site.url)
    hide(tab, True)
    tab.page.clock.fast_forward(25_000)
    wait_until(lambda: not site.run(rendered()), what="nothing is rendered for it any more")
    site.change(set_in_flight(51))  # type: ignore[arg-type]
    assert in_flight(tab) == "2"
    hide(tab, False)
    tab.page.clock.fast_forward(1000)
    wait_in_flight(tab, 51)
    assert tab.page.evaluate("document.documentElement.dataset.link") == "live"


def test_while_the_store_is_away_it_is_said(site: FakeSite, tab: Tab) -> None:
    tab.open(site.url)

    def lose(edge: Edge) -> None:
        edge.standing.standing = Standing("gate-1", is_store_away=True)

    site.change(lose)
    tab.page.get_by_text("It does not answer.").wait_for()
    assert "of this control plane only" in tab.page.locator("#plane").inner_text()
    tab.shoot("overview-store-away")


HOSTILE = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror=window.pwned=1>',
    "javascript:window.pwned=1//' onclick=window.pwned=1 {{7*7}}",
)


@pytest.mark.parametrize("name", HOSTILE, ids=("script", "attribute", "link"))
def test_hostile_names_are_only_text(name: str, tab: Tab) -> None:
    plain = name.replace("/", "!")  # a slash is in no engine's name: it is a folder's
    edge = busy_edge(plain, name, reason=name)
    edge.standing.standing = Standing(name, others=(name,), complaints=(name,))
    count_requests(edge, plain)
    with fake_site(edge) as site:
        site.run(begin_canary(edge, plain, name))
        tab.open(site.url)
        for fragment in ("attention", "engines", "instances", "plane", "lately"):
            shown = plain if fragment == "engines" else name
            assert shown in tab.page.locator(f"#{fragment}").inner_text()
        site.change(set_in_flight(77))  # type: ignore[arg-type]
        wait_in_flight(tab, 77)  # as it was morphed, too
        tab.page.locator(".engine h2 a").click()
        tab.wait_live()
        assert tab.page.locator("h1").inner_text() == plain
        tab.page.get_by_role("button", name="Abort").click()
        assert plain in tab.page.locator("#confirm-title").inner_text()
        tab.page.locator("#confirm-form [name=reason]").fill("because")
        tab.page.locator("#confirm-do").click()
        tab.page.locator("#said .notice").wait_for()
        tab.shoot("engine-hostile")
        assert tab.page.evaluate("window.pwned") is None
        # A violation of the policy would have been complained of.
        assert tab.complaints == []


async def variants(edge: Edge) -> list[dict[str, str]]:
    """What the overview has been at several moments."""
    dashboard = Dashboard(edge.services())
    from control_plane.rest_api.dashboard.overview import make_overview

    page = make_overview(edge.services(), dashboard.readings, dashboard.now)
    found = []
    for number in range(8):
        set_in_flight(number)(edge)  # type: ignore[operator]
        edge.rollouts.move(edge.rollouts.all[0].rollout_id, step=1 + number % 5)
        await begin_other(edge, number)
        found.append(dict(await dashboard.fragments(page, {"span": "5m"})))
        dashboard.readings.expire()
    return found


async def begin_other(edge: Edge, number: int) -> None:
    """One more entry of the audit."""
    last = edge.rollouts.records[-1]
    edge.rollouts.records.append(replace(last, number=last.number + 1, at_s=last.at_s + number))


MOST_EVENTS = 10_000


def test_ten_thousand_events_do_not_make_the_page_slow(
    site: FakeSite, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = site.run(variants(site.edge))
    turn = 0

    async def quick(*_: object) -> dict[str, str]:
        nonlocal turn
        turn += 1
        return shown[turn % len(shown)]

    monkeypatch.setattr(Dashboard, "fragments", quick)
    monkeypatch.setattr(live, "EVERY_S", 0.004)
    site.stop()
    site.start()
    tab.page.add_init_script(
        """
        window.events = 0;
        document.addEventListener("htmx:sseMessage", () => { window.events += 1; });
        """
    )
    tab.page.goto(site.url)  # and no wait for it to come to rest: it never does
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Performance.enable")
    tab.page.wait_for_function("() => window.events > 1000", timeout=120_000)
    before = measured(tab, session)
    tab.page.wait_for_function(f"() => window.events > {MOST_EVENTS}", timeout=300_000)
    tab.page.wait_for_function("() => document.documentElement.dataset.link === 'live'")

    def is_as_it_was() -> bool:
        """Alive, and no greater than it was 9,000 events ago: nodes, listeners, memory."""
        after = measured(tab, session)
        return (
            after["nodes"] <= 1.2 * before["nodes"]
            and after["Nodes"] <= 1.5 * before["Nodes"] + 500
            and after["JSEventListeners"] <= before["JSEventListeners"] + 50
            and after["JSHeapUsedSize"] <= before["JSHeapUsedSize"] + 4_000_000
        )

    # On a busy machine the browser takes its time to throw away what is not needed any more.
    wait_until(is_as_it_was, timeout_s=60, what="a page no greater than before")


def measured(tab: Tab, session: object) -> dict[str, float]:
    """What the page holds now that nobody needs what it held before."""
    tab.page.evaluate("gc()")
    tab.page.wait_for_timeout(50)
    tab.page.evaluate("gc()")
    found = {
        one["name"]: one["value"]
        for one in session.send("Performance.getMetrics")["metrics"]  # type: ignore[attr-defined]
    }
    # Some variants have longer lists than others; the longest is what counts.
    nodes = [tab.page.evaluate("document.querySelectorAll('*').length") for _ in range(60)]
    return {**found, "nodes": max(nodes)}


def test_the_page_is_used_by_keyboard_alone(site: FakeSite, tab: Tab) -> None:
    tab.open(site.url + ENGINE)
    page = tab.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Pause":
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.name") == "reason"
    page.keyboard.press("Escape")
    assert not page.locator("#confirm").is_visible()
    # Back where it was, though the page has been made anew around it.
    site.change(lambda edge: edge.rollouts.move(edge.rollouts.all[0].rollout_id, reason="other"))
    page.locator("#rollout").get_by_text("other").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Pause"
    page.keyboard.press("Enter")
    page.keyboard.type("lunch")
    page.keyboard.press("Enter")
    page.locator("#said .notice--good").wait_for()
    assert site.edge.rollouts.records[-1].entry.reason == "lunch"


@pytest.mark.parametrize("path", ["/", ENGINE], ids=("overview", "engine"))
def test_a_phone_needs_no_scrolling_to_the_side(site: FakeSite, phone: Tab, path: str) -> None:
    phone.open(site.url + path)
    widths = "[document.documentElement.scrollWidth, innerWidth]"
    assert phone.page.evaluate(widths) == [360, 360]
    phone.shoot(f"phone-{'engine' if path != '/' else 'overview'}")


def test_a_phone_needs_none_either_where_an_instance_says_nothing(
    site: FakeSite, phone: Tab
) -> None:
    why = "scrape failed: no whole answer within 0.6 s, and nothing before " + "x" * 60

    def forget(edge: Edge) -> None:
        edge.status.instance_views = tuple(
            replace(view, load=None, load_reason=why) for view in edge.status.instance_views
        )

    site.change(forget)
    phone.open(site.url)
    phone.page.locator("#instances", has_text="no whole answer").wait_for()
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("path", ["/", ENGINE], ids=("overview", "engine"))
def test_in_the_dark_the_page_is_dark(site: FakeSite, dark_tab: Tab, path: str) -> None:
    dark_tab.open(site.url + path)
    assert brightness(dark_tab) < 60
    dark_tab.shoot(f"dark-{'engine' if path != '/' else 'overview'}")


def brightness(tab: Tab) -> float:
    return float(
        tab.page.evaluate(
            "Math.max(...getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g))"
        )
    )


def test_colours_that_were_chosen_stay(site: FakeSite, tab: Tab) -> None:
    tab.open(site.url + ENGINE)
    assert brightness(tab) > 200
    button = tab.page.locator("#theme")
    button.click()
    assert button.get_attribute("aria-label") == "Colours: light"
    button.click()
    assert brightness(tab) < 60
    tab.page.reload()
    tab.wait_live()
    assert brightness(tab) < 60
    assert button.get_attribute("aria-label") == "Colours: dark"
    button.click()
    assert brightness(tab) > 200


def test_what_was_chosen_is_in_the_address(site: FakeSite, tab: Tab) -> None:
    tab.open(site.url + ENGINE)
    tab.page.get_by_role("link", name="5 min", exact=True).click()
    tab.wait_live()
    tab.page.get_by_role("link", name="p99", exact=True).click()
    tab.wait_live()
    assert tab.page.url.endswith("?span=5m&latency=p99")
    tab.page.reload()
    tab.wait_live()
    chosen = tab.page.locator(".choose [aria-current]").all_inner_texts()
    assert chosen == ["5 min", "p99"]


def test_an_order_that_nobody_answers_is_said_to_be_unknown(site: FakeSite, tab: Tab) -> None:
    tab.expected.append(REFUSED)
    with Proxy(site.port) as proxy:
        tab.open(f"http://127.0.0.1:{proxy.port}{ENGINE}")
        tab.page.get_by_role("button", name="Pause").click()
        proxy.refuse()
        proxy.cut()
        tab.page.locator("#confirm-do").click()
        tab.page.get_by_text("whether it was done is not known").wait_for()


PROBLEM = '{"detail": "<b>no</b> room", "correlation_id": "abc-1"}'


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (502, "<h1>Bad gateway</h1><p>elsewhere</p>", "Something else answered for the control"),
        (403, PROBLEM, "Not done: <b>no</b> room. In the log under abc-1."),
        (500, PROBLEM, "<b>no</b> room: whether it was done is not known."),
    ],
)
def test_an_answer_that_is_no_notice_is_not_put_into_the_page(
    site: FakeSite, tab: Tab, status: int, body: str, words: str
) -> None:
    tab.expected.append(f"status of {status}|Response Status Error Code {status}|object ")
    tab.page.route("**/rollout/pause", lambda route: route.fulfill(status=status, body=body))
    tab.open(site.url + ENGINE)
    tab.page.get_by_role("button", name="Pause").click()
    tab.page.locator("#confirm-do").click()
    tab.page.locator("#said").get_by_text(words).wait_for()
    assert tab.page.locator("#said h1, #said b").count() == 0


def test_a_late_answer_closes_no_other_dialog(site: FakeSite, tab: Tab) -> None:
    held: list[Route] = []
    tab.page.route("**/rollout/pause", lambda route: held.append(route))
    tab.open(site.url + ENGINE)
    page = tab.page
    page.get_by_role("button", name="Pause").click()
    page.locator("#confirm-do").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Abort").click()
    page.locator("#confirm[open]").wait_for()
    page.locator("#confirm-form [name=reason]").fill("worse")
    held[0].fulfill(status=200, body="<p data-done>Paused at last.</p>")
    page.get_by_text("Paused at last.").wait_for()
    page.wait_for_timeout(50)
    assert page.locator("#confirm[open]").count() == 1
    assert page.locator("#confirm-form [name=reason]").input_value() == "worse"


def test_the_focus_stays_where_the_order_changes(site: FakeSite, tab: Tab) -> None:
    def fleet(*names: str) -> object:
        def change(edge: Edge) -> None:
            edge.status.instance_views = tuple(map(instance_view, names))

        return change

    site.change(fleet("triton-0", "triton-1", "triton-2"))  # type: ignore[arg-type]
    tab.open(site.url)
    tab.page.get_by_role("link", name="triton-2", exact=True).first.focus()
    site.change(fleet("triton-2", "triton-0", "triton-1"))  # type: ignore[arg-type]
    tab.page.locator("#instances tbody tr:first-child", has_text="triton-2").wait_for()
    assert tab.page.evaluate("document.activeElement.textContent") == "triton-2"
