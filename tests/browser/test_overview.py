"""The overview in a real Chromium, over a real system."""

from __future__ import annotations

import httpx

from tests.integration.photos import photo_of
from tests.integration.running import NO_CERTIFICATES, RunningTidegate
from tests.servers.chromium import Tab


def test_engines_instances_and_queues_of_a_real_system(tidegate: RunningTidegate, tab: Tab) -> None:
    for engine in ("damage", "materials", "volume"):
        assert tidegate.detect(photo_of(engine), detection_types=engine).status_code == 200
    tab.open(tidegate.url + "/?span=1m")
    page = tab.page
    assert page.title() == "Overview · Tidegate"
    for engine in ("damage", "materials", "volume"):
        card = page.locator(f"[data-key='engine {engine}']")
        card.get_by_text("requests/s").wait_for()
        assert "1.0.0 100" in " ".join(card.inner_text().split())
    for instance in ("triton-0", "triton-1"):
        # On a busy machine one may be degraded for a while, which is told above too.
        page.locator(f"tr[data-key='instance {instance}']", has_text="healthy").wait_for()
    assert "high" in page.locator("#queues").inner_text()
    assert "leader" in page.locator("#plane").inner_text()
    assert "ago" in page.locator("#lately").inner_text()
    tab.shoot("overview")


def test_an_instance_that_is_drained_is_said_at_once(tidegate: RunningTidegate, tab: Tab) -> None:
    tab.open(tidegate.url + "/")
    address = f"{tidegate.url}/api/v1/fleet/triton-1/"
    httpx.post(address + "drain", json={"reason": "new driver"}, verify=NO_CERTIFICATES)
    try:
        finding = tab.page.locator(".finding--hold", has_text="triton-1")
        finding.get_by_text("It is drained and takes no new requests: new driver.").wait_for()
        tab.page.locator("#lately", has_text="new driver").wait_for()
    finally:
        httpx.post(address + "undrain", json={}, verify=NO_CERTIFICATES)
    tab.page.locator("tr[data-key='instance triton-1']", has_text="healthy").wait_for()
    finding.wait_for(state="detached")


def test_a_page_of_another_origin_cannot_act(tidegate: RunningTidegate) -> None:
    address = f"{tidegate.url}/dashboard/engines/damage/rollback"
    answer = httpx.post(address, data={"who": "eve"}, verify=NO_CERTIFICATES)
    assert answer.status_code == 403
    assert "takes orders from its own pages only" in answer.json()["detail"]


def test_the_docs_are_where_they_were(tidegate: RunningTidegate, tab: Tab) -> None:
    tab.page.goto(tidegate.url + "/docs")
    tab.page.locator("#swagger-ui .info").wait_for()
