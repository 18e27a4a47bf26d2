"""A real Chromium, Debian's own, driven by Playwright: one browser for the session.

Each test has a context of its own, so that none sees another's storage, and is told of
everything that a browser complains of: errors in the console, exceptions in a page, what the
content security policy had to stop.

Playwright's calls that wait run an event loop of its own in this thread, which goes on between
them: asyncio would take every other test for a part of it. So it is the running loop only while
there is a tab.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page

MISSING = "Chromium or Playwright is missing (Debian: apt-get install chromium)"
TIMEOUT_MS = 20_000
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}


def find_program() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def has_chromium() -> bool:
    return find_program() is not None and find_spec("playwright") is not None


@dataclass
class Tab:
    """A page and what the browser complained of. expected: complaints that are meant to be."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def open(self, url: str) -> None:
        """Opens a page of the dashboard, and waits until it is live."""
        self.page.goto(url)
        self.wait_live()

    def wait_live(self) -> None:
        self.page.wait_for_selector("html[data-link=live]")

    def unexpected(self) -> list[str]:
        return [
            said
            for said in self.complaints
            if not any(re.search(pattern, said) for pattern in self.expected)
        ]

    def shoot(self, name: str) -> None:
        """A picture of the whole page, for a person to look at, where one asked for them."""
        folder = os.environ.get("TIDEGATE_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


class Chromium:
    """``start``, then a tab for each test."""

    def start(self) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=find_program(),
            # Tests may run as root, where Chromium has no sandbox.
            args=["--no-sandbox", "--disable-gpu", "--js-flags=--expose-gc"],
        )
        self._loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)

    def stop(self) -> None:
        asyncio._set_running_loop(self._loop)
        self._browser.close()
        self._playwright.stop()
        asyncio._set_running_loop(None)

    @contextmanager
    def tab(self, **options: Any) -> Iterator[Tab]:
        """options: of the context, such as ``viewport`` and ``color_scheme``.

        Raises AssertionError at its end if the browser complained of what was not expected.
        """
        before = asyncio._get_running_loop()  # of another tab, if there is one
        asyncio._set_running_loop(self._loop)
        context: BrowserContext = self._browser.new_context(
            **{"viewport": DESKTOP, "locale": "en-GB", "timezone_id": "UTC", **options}
        )
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        tab = Tab(page)

        def heard(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                tab.complaints.append(f"{message.type}: {message.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: tab.complaints.append(f"exception: {error}"))
        try:
            yield tab
            assert tab.unexpected() == [], tab.unexpected()
        finally:
            context.close()
            asyncio._set_running_loop(before)
