"""A Triton that is ill and well in turn, faster than anybody can make up his mind about it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.integration.faults.load import (
    Asking,
    Outcome,
    echoing,
    photographing,
    steady_load,
    wait_for_more,
)
from tests.integration.faults.shown import Figure, Shown, callers
from tests.integration.faults.sights import times_so, watched
from tests.integration.faults.stage import FIRST, TRIO, ordered, server_of
from tests.integration.photos import small_photo
from tests.integration.running import RunningTidegate

FLAP_S = 2.0
ANSWERED_AT_LEAST = 0.999
MENDS_AT_MOST = 8  # in a row, as shipped; then the engine stays out there until it is healed

LEAST_OPEN_S = 0.5
"""The shortest first opening of a breaker: half of 1 s, by its jitter; each next one doubles."""


def flap_by_stopping(tidegate: RunningTidegate, for_s: float) -> Shown:
    """SIGSTOP and SIGCONT of one Triton in turn."""
    server = server_of(tidegate)

    @contextmanager
    def stopped() -> Iterator[None]:
        server.suspend()
        try:
            yield
        finally:
            server.resume()

    return _flap(tidegate, "stops", "echo", echoing, stopped, for_s)


def flap_by_failing(tidegate: RunningTidegate, for_s: float) -> Shown:
    """The model of one Triton fails every request, and none, in turn."""
    engine = TRIO[1].name
    asking = photographing(engine, small_photo())
    return _flap(
        tidegate, "fails", engine, asking, lambda: ordered(tidegate, engine, "fail", FIRST), for_s
    )


def most_opened(for_s: float) -> int:
    """How often a breaker may open in a time, if each opening lasts twice as long.

    The n-th can begin when those before it are over: LEAST_OPEN_S * (2^(n-1) - 1) seconds.
    """
    opened = 1
    while LEAST_OPEN_S * (2**opened - 1) <= for_s:
        opened += 1
    return opened


def _flap(
    tidegate: RunningTidegate,
    does: str,
    engine: str,
    asking: Asking,
    ill: Callable[[], AbstractContextManager[None]],
    for_s: float,
) -> Shown:
    outcome = Outcome()
    with watched(tidegate) as sights, steady_load(tidegate.grpc, outcome, asking=asking):
        wait_for_more(outcome)
        began_s, never = time.monotonic(), threading.Event()
        while time.monotonic() - began_s < for_s:
            with ill():
                never.wait(FLAP_S)
            never.wait(FLAP_S)
        ended_s = time.monotonic()
        wait_for_more(outcome)
        seen = sights.after(began_s)
    flapped = outcome.between(began_s, ended_s)
    return Shown(
        f"one Triton {does} for {FLAP_S:g} s and is well for {FLAP_S:g} s, {for_s:g} s long",
        (
            *callers(flapped, failed_at_most=None),
            Figure("answered", flapped.answered / flapped.asked, at_least=ANSWERED_AT_LEAST),
            Figure(
                "breaker opened",
                times_so(seen, lambda sight: sight.breaker(FIRST, engine) == "open"),
                "times",
                at_most=most_opened(ended_s - began_s),
            ),
            Figure(
                "mended",
                times_so(seen, lambda sight: sight.fitness(FIRST, engine) == "mending"),
                "times",
                at_most=MENDS_AT_MOST,
            ),
        ),
        Counter(outcome.errors),
    )
