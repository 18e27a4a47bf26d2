"""What one control plane's route of ``steady`` was, looked at all the time and kept."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.integration.rollouts.repository import ENGINE
from tests.integration.running import wait_until

LOOK_EVERY_S = 0.03


@dataclass(frozen=True, slots=True)
class RouteSight:
    """The route at one moment, since the epoch.

    weights_bp: of the releases that have any. ready_on: by release, where it is ready.
    """

    asked_s: float
    answered_s: float
    stable: str
    weights_bp: dict[str, int]
    ready_on: dict[str, tuple[str, ...]]

    @property
    def unready(self) -> list[str]:
        """The releases that are given traffic and are ready nowhere."""
        return [release for release in self.weights_bp if not self.ready_on[release]]


@dataclass
class RouteSights:
    """All sights since the watching began, oldest first."""

    seen: list[RouteSight] = field(default_factory=list)

    @property
    def changes(self) -> list[RouteSight]:
        """The sights with other weights than the one before."""
        seen = list(self.seen)
        return [
            now
            for before, now in zip([None, *seen], seen, strict=False)
            if before is None or before.weights_bp != now.weights_bp
        ]

    def named(self, release: str, from_s: float, to_s: float) -> bool:
        """Whether the route may have named a release at some moment of a time.

        May: the last look before it and the first one after it count too.
        """
        seen = list(self.seen)
        before = [one for one in seen if one.answered_s <= from_s][-1:]
        after = [one for one in seen if one.asked_s >= to_s][:1]
        within = [one for one in seen if one.answered_s > from_s and one.asked_s < to_s]
        return any(release in one.weights_bp for one in (*before, *within, *after))

    def first(
        self, condition: Callable[[RouteSight], bool], *, after_s: float, what: str
    ) -> RouteSight:
        """The first sight after a moment that was so; waits for it."""

        def found() -> RouteSight | None:
            later = (one for one in list(self.seen) if one.asked_s > after_s)
            return next(filter(condition, later), None)

        sight = wait_until(found, timeout_s=60, what=what)
        assert sight is not None
        return sight

    def held(self) -> list[tuple[dict[str, int], float, float]]:
        """Each time for which the weights stayed the same: the weights, from when, until when.

        Only what lies between two sights that agree, so that no edge is in it.
        """
        spans: list[tuple[dict[str, int], float, float]] = []
        for one in list(self.seen):
            if spans and spans[-1][0] == one.weights_bp:
                spans[-1] = (one.weights_bp, spans[-1][1], one.asked_s)
            else:
                spans.append((one.weights_bp, one.answered_s, one.answered_s))
        return spans


@contextmanager
def routes_watched(url: str) -> Iterator[RouteSights]:
    """Looks every LOOK_EVERY_S in a thread of its own until the block ends.

    A control plane that is not there is not seen; whoever starts it again need do nothing.
    """
    sights, stop = RouteSights(), threading.Event()

    def look() -> None:
        with httpx.Client(base_url=url, timeout=10) as client:
            while not stop.wait(LOOK_EVERY_S):
                asked_s = time.time()
                with contextlib.suppress(httpx.TransportError):
                    engines = client.get("/api/v1/engines").json()["engines"]
                    sight = _sight(engines, asked_s, time.time())
                    if sight is not None:
                        sights.seen.append(sight)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield sights
    finally:
        stop.set()
        thread.join()


def _sight(engines: list[dict[str, Any]], asked_s: float, answered_s: float) -> RouteSight | None:
    engine = next((one for one in engines if one["name"] == ENGINE), None)
    if engine is None:
        return None
    releases = engine["releases"]
    return RouteSight(
        asked_s,
        answered_s,
        engine["stable"],
        {one["release"]: one["weight_bp"] for one in releases if one["weight_bp"]},
        {one["release"]: tuple(one["ready_on"]) for one in releases},
    )
