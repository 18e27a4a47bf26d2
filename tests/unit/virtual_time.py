"""An event loop on a virtual clock: timers come in their order, and nobody waits for them."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Jumping(selectors.SelectSelector):
    """Instead of waiting for the next timer, it is that time."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("nothing will ever happen again, and somebody waits for it")
        self.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Begins at 0 s. complaints: what was reported to its exception handler."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self.complaints: list[str] = []
        self.set_exception_handler(lambda _, context: self.complaints.append(str(context)))

    def time(self) -> float:
        return self._jumping.now_s

    def now_s(self) -> float:
        return self.time()


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Runs it to its end. Raises AssertionError when an error was left to nobody."""
    loop = VirtualTimeLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main)
    assert loop.complaints == []
    return result
