"""Mending: what to load anew where an engine fails while its instance calls it ready.

Facts this rests on (TRITON.md, measured): after the process behind a model has died, index
and readiness go on saying ready and loading again does nothing; *unload, then load* heals
it. A twin goes down silently with a component it pins, so twins go first and come last.

    TakeOut ─► UnloadTwin ─► UnloadComponent ─► LoadVersions ─► LoadTwin ─► Probe ─► BringBack
    (each engine)   (each twin)    (each component, all of its versions)   (each engine)

Engines share components (every photo goes through ``preprocess``), so a mend must not harm
what works. How far it reaches depends on what is known:

- The failure names the component whose process died: that one is loaded anew, and every
  engine that runs it is out meanwhile. The others fail by it too, whether or not their
  probes have met the dead one of its processes yet.
- Nothing is named: a component that a sound engine needs there stays. Where none of those
  that share it is sound, the fault may well be in what they share:

      components to unload = those of the engines mended - those of the sound engines
      engines mended       = the one asked for, and every failing one that uses a component
                             to unload; worked out until nothing is added

- That did not last: all of the engine's components, as long as another instance serves each
  of the engines that share them.

Which mends may run at all, and how often, is the ledger's part (``mend_ledger``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from control_plane.core.catalogue import Release
from control_plane.core.loading import LoadTwin, LoadVersions
from control_plane.core.outcomes import DEAD_PROCESS


class Soundness(StrEnum):
    """What is believed of an engine on the instance.

    SOUND: nothing speaks against it. SUSPECT: traffic fails, or a probe did; it may still
    answer some. FAILING: for sure (two probes failed in a row, a wrong answer, a dead process).
    """

    SOUND = "sound"
    SUSPECT = "suspect"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class EngineThere:
    """One engine on the instance.

    releases: those wanted of it there. reason: why it is not sound, as the instance said it.
    serving_elsewhere: on how many other instances it is fit to serve.
    """

    releases: tuple[Release, ...]
    soundness: Soundness = Soundness.SOUND
    reason: str = ""
    serving_elsewhere: int = 1

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
    engine: str, here: Mapping[str, EngineThere], *, attempt: int = 1
) -> MendPlan | Leave:
    """How to mend one engine on one instance.

    here: every engine of the instance, this one among them.
    attempt: the how-manieth mend in a row it is, from 1.

    An engine that nothing speaks against is left alone. So is a suspect one that no other
    instance serves: it may be answering some requests, and mending answers none.
    """
    soundness = here[engine].soundness
    serving_elsewhere = here[engine].serving_elsewhere
    if soundness is Soundness.SOUND:
        return Leave(f"nothing speaks against engine {engine!r} here")
    if soundness is Soundness.SUSPECT and serving_elsewhere <= 0:
        return Leave(
            f"no other instance serves engine {engine!r}; it is mended once its probe has failed "
            f"for sure"
        )
    engines, components = _reach(engine, here, attempt)
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


def _reach(
    engine: str, here: Mapping[str, EngineThere], attempt: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The engines to mend and the components to unload, both in a stable order."""
    own = here[engine].components
    named = DEAD_PROCESS.search(here[engine].reason)
    if named is not None and named[1] in own:
        return _sharing(engine, here, {named[1]}), (named[1],)
    if attempt > 1:
        sharing = _sharing(engine, here, own)
        if all(here[name].serving_elsewhere > 0 for name in sharing):
            return sharing, tuple(sorted(own))
    return _reach_of_failing(engine, here)


def _sharing(
    engine: str, here: Mapping[str, EngineThere], components: Collection[str]
) -> tuple[str, ...]:
    """The engine, and the others there that run one of the components."""
    others = (name for name in here if name != engine)
    return (engine, *(name for name in others if not here[name].components.isdisjoint(components)))


def _reach_of_failing(
    engine: str, here: Mapping[str, EngineThere]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Only what is failing for sure is drawn in: a suspect neighbour keeps its components."""
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
