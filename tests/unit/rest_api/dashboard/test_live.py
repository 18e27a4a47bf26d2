"""Pages kept current: rendered once for all who watch, and sent when they have changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

import pytest
from structlog.testing import capture_logs

from control_plane.rest_api.dashboard.live import (
    EVERY_S,
    TICK_S,
    LivePages,
    write_fragments,
)
from control_plane.rest_api.dashboard.pages import Asked, Page
from tests.unit.virtual_time import run_virtually


async def look(_: Asked) -> Mapping[str, object]:
    return {}


PAGE = Page("overview", "/", ("engines", "queues"), look, filters={"span": "5m"})
ASKED = {"span": "5m"}


class Figures:
    """What is rendered, until a test changes it."""

    def __init__(self) -> None:
        self.fragments = {"engines": "<p>3</p>", "queues": "<p>0</p>"}
        self.rendered: list[Asked] = []
        self.error: Exception | None = None

    async def render(self, _: Page, asked: Asked) -> Mapping[str, str]:
        self.rendered.append(asked)
        if self.error is not None:
            raise self.error
        return self.fragments


async def close(*sources: AsyncGenerator[object]) -> None:
    for source in sources:
        await source.aclose()


def test_everything_first_and_then_what_has_changed() -> None:
    async def main() -> None:
        figures = Figures()
        live = LivePages(figures.render)
        source = live.watch(PAGE, ASKED)
        assert await anext(source) == figures.fragments
        figures.fragments = {**figures.fragments, "queues": "<p>7</p>"}
        assert await anext(source) == {"queues": "<p>7</p>"}
        await close(source)

    run_virtually(main())


def test_where_nothing_changes_there_is_a_sign_of_life() -> None:
    async def main() -> None:
        live = LivePages(Figures().render)
        source = live.watch(PAGE, ASKED)
        await anext(source)
        began_s = asyncio.get_running_loop().time()
        assert await anext(source) == {}
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(TICK_S, abs=EVERY_S)
        await close(source)

    run_virtually(main())


def test_the_sign_of_life_comes_in_time_though_rendering_is_slow() -> None:
    async def render(_: Page, __: Asked) -> Mapping[str, str]:
        await asyncio.sleep(2.5)
        return {"engines": "<p>3</p>"}

    async def main() -> None:
        source = LivePages(render).watch(PAGE, ASKED)
        await anext(source)
        for _ in range(3):
            began_s = asyncio.get_running_loop().time()
            assert await anext(source) == {}
            assert asyncio.get_running_loop().time() - began_s <= TICK_S + EVERY_S + 2.5
        await close(source)

    run_virtually(main())


def test_however_many_watch_it_is_rendered_once() -> None:
    async def main() -> None:
        figures = Figures()
        live = LivePages(figures.render)
        sources = [live.watch(PAGE, ASKED) for _ in range(20)]
        for source in sources:
            assert set(await anext(source)) == {"engines", "queues"}
        assert (len(figures.rendered), live.open) == (1, 1)
        figures.fragments = {"engines": "<p>4</p>", "queues": "<p>0</p>"}
        for source in sources:
            assert await anext(source) == {"engines": "<p>4</p>"}
        assert len(figures.rendered) == 2
        other = live.watch(PAGE, {"span": "1m"})
        await anext(other)
        assert live.open == 2
        await close(*sources, other)

    run_virtually(main())


def test_a_slow_watcher_gets_what_is_true_now_and_nothing_of_before() -> None:
    async def main() -> None:
        figures = Figures()
        live = LivePages(figures.render)
        source = live.watch(PAGE, ASKED)
        await anext(source)
        for number in range(50):
            figures.fragments = {**figures.fragments, "queues": f"<p>{number}</p>"}
            await asyncio.sleep(EVERY_S)
        assert await anext(source) == {"queues": "<p>49</p>"}
        await close(source)

    run_virtually(main())


def test_without_a_watcher_nothing_is_rendered() -> None:
    async def main() -> None:
        figures = Figures()
        live = LivePages(figures.render)
        first, second = live.watch(PAGE, ASKED), live.watch(PAGE, ASKED)
        await anext(first)
        await anext(second)
        await close(first)
        await asyncio.sleep(5)
        count = len(figures.rendered)
        assert count >= 5
        await close(second)
        assert live.open == 0
        await asyncio.sleep(5)
        assert len(figures.rendered) == count

    run_virtually(main())


def test_what_cannot_be_rendered_is_tried_again() -> None:
    async def main() -> None:
        figures = Figures()
        live = LivePages(figures.render)
        source = live.watch(PAGE, ASKED)
        await anext(source)
        figures.error = RuntimeError("boom")
        coming = asyncio.ensure_future(anext(source))
        with capture_logs() as logs:
            await asyncio.sleep(20)
        # Not even a sign of life: the page is to say that it grows old.
        assert not coming.done()
        assert {line["event"] for line in logs} == {"the dashboard could not render"}
        figures.error = None
        figures.fragments = {"engines": "<p>9</p>", "queues": "<p>0</p>"}
        assert await coming == {"engines": "<p>9</p>"}
        await close(source)

    run_virtually(main())


def test_a_fragment_is_an_event_whose_lines_stay_lines() -> None:
    written = write_fragments({"engines": "<p>\r\n3\n</p>\rx"}, b'{"at":1}', "7")
    assert written == (
        b"event: engines\ndata: <p>\ndata: 3\ndata: </p>\ndata: x\n\n"
        b'event: tick\nid: 7\ndata: {"at":1}\n\n'
    )


def test_what_is_no_unicode_ends_no_stream() -> None:
    assert b"data: <p>?</p>\n" in write_fragments({"engines": "<p>\ud800</p>"}, b"{}", "1")
