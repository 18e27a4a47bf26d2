"""How right each release is, added up from what was said of its answers.

The figures of all releases are refreshed by a loop, beside every request and scrape: the store is
asked whether anything was said since, and only the releases of which something was are added up
anew, in a thread, because the bootstrap of thousands of photos takes a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import numpy as np

from control_plane.core.accuracy import Accuracy, Metric, summarize
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import FeedbackStore
from control_plane.services.jobs.telling import told

TIMEOUT_S = 20.0

Figures = dict[tuple[str, ...], float]
Release = tuple[str, str]

EXPOSED = (
    Metric.PRECISION,
    Metric.RECALL,
    Metric.MAP50,
    Metric.COUNT_ERROR,
    Metric.VOLUME_ERROR,
    Metric.RIGHT_SHARE,
)
"""What is a series of its own; the others are derived, or told by REST."""


class AccuracyService(Protocol):
    async def of(self, engine: str, *, since_s: float | None = None) -> Mapping[str, Accuracy]:
        """By release, of those that anything was said of.

        since_s: only by what was said in the last so many seconds.
        Raises ControlPlaneError: UNKNOWN_ENGINE, STORE_UNAVAILABLE.
        """
        ...


class AccuracyBoard:
    """engines: the names of those there are. rng: for intervals; used by one thread at a time.

    most: photos of a release that are added up. epoch_s: seconds since the epoch, now.
    """

    def __init__(
        self,
        store: FeedbackStore,
        *,
        engines: Callable[[], Collection[str]],
        rng: np.random.Generator,
        epoch_s: Callable[[], float],
        most: int,
    ) -> None:
        self._store = store
        self._engines = engines
        self._rng = rng
        self._epoch_s = epoch_s
        self._most = most
        self._known: dict[Release, tuple[tuple[int, int], Accuracy]] = {}
        self._adding_up = asyncio.Lock()

    async def of(self, engine: str, *, since_s: float | None = None) -> Mapping[str, Accuracy]:
        """Raises as AccuracyService says."""
        async with told(ErrorCode.STORE_UNAVAILABLE, "the state store", timeout_s=TIMEOUT_S):
            versions = await self._store.versions()
            releases = [release for name, release in versions if name == engine]
            if not releases and engine not in self._engines():
                raise ControlPlaneError(
                    ErrorCode.UNKNOWN_ENGINE, f"there is no engine {engine[:80]!r}", field="engine"
                )
            if since_s is None:
                known = await self._refresh(versions, {(engine, one) for one in releases})
                return {release: accuracy for (_, release), accuracy in known.items()}
            after_s = self._epoch_s() - since_s
            found = {one: await self._add_up(engine, one, after_s=after_s) for one in releases}
        return {release: one for release, one in found.items() if one.photos}

    async def refresh(self) -> None:
        """All releases. Raises StoreUnavailable; then the figures stay as they were."""
        versions = await self._store.versions()
        await self._refresh(versions, set(versions))
        self._known = {one: known for one, known in self._known.items() if one in versions}

    def values(self) -> Figures:
        """By engine, release and metric, as of the last refresh."""
        return {
            (engine, release, metric.value): estimate.value
            for (engine, release), (_, accuracy) in self._known.items()
            for metric in EXPOSED
            if (estimate := accuracy.metrics.get(metric)) is not None and estimate.value is not None
        }

    def photos(self) -> Figures:
        """By engine and release: how many answers are judged."""
        return {release: accuracy.photos for release, (_, accuracy) in self._known.items()}

    async def _refresh(
        self, versions: Mapping[Release, tuple[int, int]], wanted: Collection[Release]
    ) -> dict[Release, Accuracy]:
        """Those that are wanted: ``_known`` may lose them again before all of them are there."""
        found: dict[Release, Accuracy] = {}
        for release in sorted(wanted):
            known = self._known.get(release)
            if known is None or known[0] != versions[release]:
                # As of a version that may be older than what is read: then it is read once more.
                known = versions[release], await self._add_up(*release)
                self._known[release] = known
            found[release] = known[1]
        return found

    async def _add_up(self, engine: str, release: str, *, after_s: float = 0.0) -> Accuracy:
        await self._adding_up.acquire()
        try:
            judged = await self._store.judged(engine, release, after_s=after_s, limit=self._most)
        except BaseException:
            self._adding_up.release()
            raise
        # A thread goes on when its caller has gone: until it ends, it is its turn.
        adding_up = asyncio.ensure_future(asyncio.to_thread(summarize, judged, self._rng))
        adding_up.add_done_callback(lambda _: self._adding_up.release())
        return await asyncio.shield(adding_up)
