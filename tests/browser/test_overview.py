"""The overview in a real Chromium, over a real system."""

from __future__ import annotations

from tests.integration.running import RunningTidegate
from tests.servers.chromium import Tab


def test_the_page_is_live(tidegate: RunningTidegate, tab: Tab) -> None:
    tab.open(tidegate.url + "/")
    assert tab.page.title() == "Overview · Tidegate"
    tab.shoot("overview")
