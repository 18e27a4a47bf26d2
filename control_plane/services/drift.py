"""How far each release's confidences have drifted, and the reference that stable is held to.

What is compared with what is in ``core.drift``. Here the first confidences of a release that is
stable are collected, until there are enough of them; whichever plane has them first freezes them
in the store, and all go by those, also after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from control_plane.core.drift import Drift, Reference, ReferenceSample, drifts
from control_plane.core.routing import RoutingTable
from control_plane.core.traffic import Distribution, bucket_of_confidence
from control_plane.ports import References


class ConfidenceDrift:
    """table: the routes in force."""

    def __init__(self, references: References, table: Callable[[], RoutingTable]) -> None:
        self._store = references
        self._table = table
        # None before they were read: until then nobody can say what is missing.
        self._references: Mapping[str, Reference] | None = None
        self._samples: dict[str, ReferenceSample] = {}

    def saw(self, engine: str, release: str, confidence: float) -> None:
        """Takes in one confidence, in 0..1. O(1)."""
        route = self._table().routes.get(engine)
        if self._references is None or route is None or release != route.stable:
            return
        known = self._references.get(engine)
        if known is not None and known.release == release:
            return
        sample = self._samples.get(engine)
        if sample is None or sample.release != release:
            sample = self._samples[engine] = ReferenceSample(release)
        sample.add(bucket_of_confidence(confidence))

    async def refresh(self) -> None:
        """Freezes what is full, and goes by what all planes go by. Raises StoreUnavailable."""
        for engine, sample in list(self._samples.items()):
            route = self._table().routes.get(engine)
            if route is None or route.stable != sample.release:
                del self._samples[engine]
            elif sample.is_full:
                await self._store.freeze(engine, sample.frozen())
                del self._samples[engine]
        self._references = await self._store.references()

    def of(self, engine: str, confidences: Mapping[str, Distribution]) -> dict[str, Drift]:
        """The drift of an engine's releases; none of an engine that has no route."""
        route = self._table().routes.get(engine)
        if route is None:
            return {}
        return drifts(confidences, route.stable, (self._references or {}).get(engine))
