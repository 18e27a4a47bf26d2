"""A tab of the one browser, on a wide screen or on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.chromium import PHONE, Chromium, Tab
from tests.servers.tidegate import all_in_order

__all__ = ["all_in_order"]


@pytest.fixture
def tab(chromium: Chromium) -> Iterator[Tab]:
    with chromium.tab() as opened:
        yield opened


@pytest.fixture
def dark_tab(chromium: Chromium) -> Iterator[Tab]:
    with chromium.tab(color_scheme="dark") as opened:
        yield opened


@pytest.fixture
def phone(chromium: Chromium) -> Iterator[Tab]:
    with chromium.tab(viewport=PHONE, has_touch=True, is_mobile=True) as opened:
        yield opened
