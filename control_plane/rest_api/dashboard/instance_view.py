"""One instance as its page shows it: what is believed of it, what it serves, what may be done.

Pure: values of the services go in, values to be written by a template come out. What is not
known is None and is never made a zero of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from control_plane.core.catalogue import twin_name
from control_plane.core.health import State
from control_plane.rest_api.dashboard.timeline import Timeline, timeline_of
from control_plane.services.operations import Action
from control_plane.services.status import ChangeView, EngineView, InstanceView, ReleaseView

CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ServedView:
    """One release that is served there. model: what the Triton itself calls it.

    pins: the models that it is made of, with their versions; empty where they are not known.
    breaker: the state of its breaker here.
    """

    release: str
    model: str
    pins: tuple[tuple[str, int], ...]
    role: str
    breaker: str


@dataclass(frozen=True, slots=True)
class EngineHereView:
    """One engine there. fitness: None where nothing is judged of it."""

    name: str
    fitness: str | None
    reason: str
    in_flight: int | None
    releases: tuple[ServedView, ...]
    breaker: str


@dataclass(frozen=True, slots=True)
class Offer:
    """An action that applies now. consequence: what follows from it, in a sentence.

    only_here: the releases that nobody else answers for; the action is refused, unless it is
    forced.
    """

    action: Action
    label: str
    consequence: str
    is_dangerous: bool
    only_here: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstancePage:
    view: InstanceView
    engines: tuple[EngineHereView, ...]
    offers: tuple[Offer, ...]
    history: tuple[ChangeView, ...]
    timeline: Timeline | None


LABELS: Mapping[Action, str] = {
    Action.DRAIN: "Drain",
    Action.UNDRAIN: "Undrain",
    Action.HEAL: "Heal",
    Action.ISOLATE: "Isolate",
}

APPLY_IN: Mapping[Action, frozenset[str]] = {
    Action.DRAIN: frozenset({"unknown", "healthy", "degraded", "unhealthy"}),
    Action.UNDRAIN: frozenset({"draining"}),
    Action.HEAL: frozenset({"unknown", "healthy", "degraded", "unhealthy", "isolated"}),
    Action.ISOLATE: frozenset({"unknown", "healthy", "degraded", "unhealthy", "draining"}),
}
"""The health in which each makes sense, as ``core/health/states.py`` has it (a test compares)."""


def show_instance(
    view: InstanceView,
    *,
    history: Sequence[ChangeView],
    engines: Sequence[EngineView],
    now: datetime,
) -> InstancePage:
    """history: the latest first. engines: all of them, for their releases."""
    by_name = {engine.name: engine for engine in engines}
    names = dict.fromkeys([*view.engines, *view.serving])
    return InstancePage(
        view=view,
        engines=tuple(_engine_here(view, name, by_name.get(name)) for name in names),
        offers=offers_of(view, engines),
        history=tuple(history),
        timeline=timeline_of(history, now),
    )


def offers_of(view: InstanceView, engines: Sequence[EngineView]) -> tuple[Offer, ...]:
    """What may be done now, each with what follows from it."""
    only_here = only_ready_here(view.name, engines)
    return tuple(
        Offer(
            action,
            LABELS[action],
            consequence_of(action, view),
            is_dangerous=action in (Action.DRAIN, Action.ISOLATE),
            only_here=only_here if action in (Action.DRAIN, Action.ISOLATE) else (),
        )
        for action in Action
        if view.health in APPLY_IN[action]
    )


def only_ready_here(name: str, engines: Sequence[EngineView]) -> tuple[str, ...]:
    """Releases with traffic that are ready nowhere else. A hint for who is about to act: what
    decides is the action itself."""
    return tuple(
        f"{engine.name} {release.release}"
        for engine in engines
        for release in engine.releases
        if release.is_serving and release.ready_on == (name,)
    )


def consequence_of(action: Action, view: InstanceView) -> str:
    """What follows, for who is asked whether he is sure."""
    if action is Action.DRAIN:
        return (
            f"{_in_flight(view.in_flight)} finished. Nothing new is sent, loaded or mended there "
            f"until somebody undrains it, also after a restart."
        )
    if action is Action.ISOLATE:
        return (
            f"{_in_flight(view.in_flight)} finished. It is trusted no more: nothing is sent, "
            f"loaded or mended there, and only heal brings it back, also after a restart."
        )
    if action is Action.UNDRAIN:
        return "It is looked at at once, and takes requests again as soon as it is found well."
    if view.health == State.ISOLATED:
        return (
            "It is trusted again: it is looked at at once, and takes requests as soon as it is "
            "found well. Its breakers close, and engines that were given up are tried again."
        )
    return (
        "It is believed to be well until shown otherwise: its breakers close, and engines that "
        "were given up are tried again."
    )


def _in_flight(count: int) -> str:
    if count == 0:
        return "Nothing is in flight there now; whatever is by then is"
    return f"What is in flight there, {count} request{'s' if count > 1 else ''} now, is"


def _engine_here(view: InstanceView, name: str, engine: EngineView | None) -> EngineHereView:
    there = view.engines.get(name)
    known = {} if engine is None else {one.release: one for one in engine.releases}
    is_ensemble = engine is not None and engine.kind == "ensemble"
    releases = tuple(
        ServedView(
            release=version,
            model=twin_name(name, version) if is_ensemble else name,
            pins=tuple(sorted(known[version].pins.items())) if version in known else (),
            role=_role(known.get(version)),
            breaker=view.breakers.get(f"{name} {version}", CLOSED),
        )
        for version in view.serving.get(name, ())
    )
    return EngineHereView(
        name=name,
        fitness=there.fitness if there else None,
        reason=there.reason if there else "",
        in_flight=there.in_flight if there else None,
        releases=releases,
        breaker=_worst_breaker(view.breakers, name),
    )


def _role(release: ReleaseView | None) -> str:
    """What the release is to its engine now."""
    if release is None:
        return "not in the catalogue"
    share = f"{release.weight_bp / 100:g} % of the traffic"
    if release.is_stable:
        return f"stable, {share}"
    if release.is_canary:
        return f"canary, {share}"
    if release.shadow_bp:
        return f"shadow, {release.shadow_bp / 100:g} % copied to it"
    return share if release.weight_bp else "no traffic"


def _worst_breaker(breakers: Mapping[str, str], engine: str) -> str:
    """Of its releases there, those too that are not served at the moment."""
    states = {state for key, state in breakers.items() if key.rpartition(" ")[0] == engine}
    return next((one for one in ("isolated", "open", "half_open") if one in states), CLOSED)
