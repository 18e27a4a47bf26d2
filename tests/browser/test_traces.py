"""The page of the requests in a real Chromium: from the list to one waterfall."""

from __future__ import annotations

from tests.integration.photos import photo_of
from tests.integration.running import RunningTidegate
from tests.servers.chromium import PHONE, Tab


def test_a_request_is_found_by_its_engine_and_leads_to_its_waterfall(
    tidegate: RunningTidegate, tab: Tab
) -> None:
    for engine in ("damage", "volume"):
        assert tidegate.detect(photo_of(engine), detection_types=engine).status_code == 200
    tab.open(tidegate.url + "/")
    page = tab.page
    page.get_by_role("link", name="Requests", exact=True).click()
    tab.wait_live()
    page.locator(".requests tbody tr").first.wait_for()
    page.get_by_label("Engine").select_option("volume")
    page.get_by_role("button", name="Filter").click()
    tab.wait_live()
    assert page.url.endswith("/dashboard/traces?engine=volume")
    rows = page.locator(".requests tbody tr")
    assert all("volume" in text for text in rows.all_inner_texts())
    tab.shoot("traces")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.shoot("traces-phone")
    rows.first.get_by_role("link").click()
    tab.wait_live()
    page.locator(".fall-span").first.wait_for()
    assert "Correlation id" in page.locator("#outcome").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.shoot("trace-phone")
    # Slower than any: the page says that there are others.
    tab.open(tidegate.url + "/dashboard/traces?slower_than_ms=3600000")
    page.locator("#latest", has_text="kept is like that").wait_for()
