"""Mending: what to load anew where an engine fails while its instance calls it ready.

Facts this rests on (TRITON.md, measured): after the process behind a model has died, index
and readiness go on saying ready and loading again does nothing; *unload, then load* heals
it. A twin goes down silently with a component it pins, so twins go first and come last.

    TakeOut ─► UnloadTwin ─► UnloadComponent ─► LoadVersions ─► LoadTwin ─► Probe ─► BringBack
    (each engine)   (each twin)    (each component, all of its versions)   (each engine)

Engines share components (every photo goes through ``preprocess``), so a mend must not harm
what works: a component that a sound engine needs there stays. Where none of those that share
it is sound, the fault may well be in what they share, and they are mended together:

    components to unload = those of the engines mended - those of the sound engines
    engines mended       = the one asked for, and every failing one that uses a component
                           to unload; worked out until nothing is added

Which mends may run at all, and how often, is the ledger's part (``mend_ledger``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from control_plane.core.catalogue import Release
from control_plane.core.loading import LoadTwin, LoadVersions


class Soundness(StrEnum):
    """What is believed of an engine on the instance.

    SOUND: nothing speaks against it. SUSPECT: traffic fails, or a probe did; it may still
    answer some. FAILING: for sure, by its probes (two failed in a row, or a wrong answer).
    """

    SOUND = "sound"
    SUSPECT = "suspect"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class EngineThere:
    """One engine on the instance: the releases wanted of it there, and what it is worth."""

    releases: tuple[Release, ...]
    soundness: Soundness = Soundness.SOUND

    @property
    def components(self) -> frozenset[str]:
        return frozenset(name for release in self.releases for name in release.pins)


@dataclass(frozen=True, slots=True)
class TakeOut:
    """Send the engine no more requests there, and wait for those in flight."""

    engine: str


@dataclass(frozen=True, slots=True)
class UnloadTwin:
    """Remove a release's twin ensemble."""

    release: Release


@dataclass(frozen=True, slots=True)
class UnloadComponent:
    """Unload a model in all of its versions, and wait until the index says so."""

    model: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask for the golden answer of the first release wanted there, past the balancer."""

    release: Release


@dataclass(frozen=True, slots=True)
class BringBack:
    """Let the engine take requests there again, slowly at first, if its probe was good."""

    engine: str


MendAction = TakeOut | UnloadTwin | UnloadComponent | LoadVersions | LoadTwin | Probe | BringBack


@dataclass(frozen=True, slots=True)
class MendPlan:
    """engines: those mended, the one asked for first. actions: in order, each idempotent.

    When an action fails the rest is not run: the engines stay out and the mend has failed.
    """

    engines: tuple[str, ...]
    actions: tuple[MendAction, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """Better not touched now. reason: for a person."""

    reason: str


def plan_mend(
    engine: str, here: Mapping[str, EngineThere], *, serving_elsewhere: int
) -> MendPlan | Leave:
    """How to mend one engine on one instance.

    here: every engine of the instance, this one among them.
    serving_elsewhere: on how many other instances the engine is fit to serve.

    An engine that nothing speaks against is left alone. So is a suspect one that no other
    instance serves: it may be answering some requests, and mending answers none.
    """
    soundness = here[engine].soundness
    if soundness is Soundness.SOUND:
        return Leave(f"nothing speaks against engine {engine!r} here")
    if soundness is Soundness.SUSPECT and serving_elsewhere <= 0:
        return Leave(
            f"no other instance serves engine {engine!r}; it is mended once its probe has failed "
            f"for sure"
        )
    engines, components = _reach(engine, here)
    releases = tuple(release for name in engines for release in here[name].releases)
    twins = tuple(release for release in releases if release.is_ensemble)
    return MendPlan(
        engines,
        (
            *(TakeOut(name) for name in engines),
            *(UnloadTwin(twin) for twin in twins),
            *(UnloadComponent(name) for name in components),
            *(LoadVersions(name, _versions(name, releases)) for name in components),
            *(LoadTwin(twin) for twin in twins),
            *(
                step
                for name in engines
                for step in (Probe(here[name].releases[0]), BringBack(name))
            ),
        ),
    )


def _reach(engine: str, here: Mapping[str, EngineThere]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The engines to mend and the components to unload, both in a stable order.

    Only what is failing for sure is drawn in: a suspect neighbour keeps its components.
    """
    failing = [
        name
        for name, there in here.items()
        if name != engine and there.soundness is Soundness.FAILING
    ]
    kept = {
        component
        for name, there in here.items()
        if name != engine and name not in failing
        for component in there.components
    }
    engines = [engine]
    components = here[engine].components - kept
    while drawn_in := [name for name in failing if here[name].components & components]:
        engines += drawn_in
        failing = [name for name in failing if name not in drawn_in]
        components |= frozenset().union(*(here[name].components for name in drawn_in)) - kept
    return tuple(engines), tuple(sorted(components))


def _versions(component: str, releases: Collection[Release]) -> tuple[int, ...]:
    return tuple(
        sorted({release.pins[component] for release in releases if component in release.pins})
    )
