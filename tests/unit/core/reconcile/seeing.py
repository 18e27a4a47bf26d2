"""Instances to plan for: what they were seen to have, and what they should have."""

from __future__ import annotations

from collections.abc import Iterable

from control_plane.core.catalogue import Release
from control_plane.core.loading import Observation
from control_plane.core.reconcile import InstanceFacts, Reason, Wanted, key_of
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, MATERIALS, VOLUME

KNOWN = (DAMAGE, DAMAGE_NEXT, MATERIALS, VOLUME)
STABLE = tuple(Wanted(release, Reason.STABLE) for release in (DAMAGE, MATERIALS, VOLUME))
CANARY = Wanted(DAMAGE_NEXT, Reason.CANARY)
DRAINING = Wanted(DAMAGE_NEXT, Reason.DRAINING)
OLD, NEW = key_of(DAMAGE), key_of(DAMAGE_NEXT)


def having(*releases: Release, besides: dict[str, Iterable[int]] | None = None) -> Observation:
    """An instance that has these releases, and these versions besides."""
    ready: dict[str, set[int]] = {}
    for release in releases:
        for component, version in release.pins.items():
            ready.setdefault(component, set()).add(version)
    for model, versions in (besides or {}).items():
        ready.setdefault(model, set()).update(versions)
    return Observation(
        {model: frozenset(versions) for model, versions in ready.items()},
        {release.model_name: release.pins for release in releases if release.is_ensemble},
    )


def serving(*releases: Release, besides: dict[str, Iterable[int]] | None = None) -> InstanceFacts:
    """An instance that has these releases, all proved."""
    proved = frozenset(map(key_of, releases))
    return InstanceFacts(having(*releases, besides=besides), proved)
