"""What is wrong, where, since when, and what to do: the strip above everything else.

It says what an operator has to know first, each in a sentence, the worst first. It decides
nothing and hides nothing: what it names is on the pages too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from control_plane.core.breaker import State as BreakerState
from control_plane.core.health import Fitness
from control_plane.core.health import State as HealthState
from control_plane.core.jobs import JobFigures
from control_plane.core.rollout import State as RolloutState
from control_plane.core.traffic import EngineSummary
from control_plane.rest_api.dashboard import words
from control_plane.rest_api.dashboard.engine_cards import MANY_ERRORS, SOME_ERRORS, failures_href
from control_plane.rest_api.dashboard.readings import Reading
from control_plane.rest_api.dashboard.tones import BAD, HOLD, INFO, WARN, is_silent
from control_plane.services.rollout_views import RolloutView
from control_plane.services.standing import Standing
from control_plane.services.status import UNPROBED, UNREACHABLE, EngineView, InstanceView

RECENT = timedelta(hours=1)
"""So long a rollout that was taken back is spoken of."""
LAST_S = 60
OLD_S = 60.0
"""A job that waits longer, though due, waits for more than its turn."""
MOST = 30
ORDER = (BAD, WARN, HOLD, INFO)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. key: names it while it lasts. since: None where it is not known,
    and then since when it is seen here. todo: what to do; href: where."""

    key: str
    tone: str
    where: str
    what: str
    todo: str
    href: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the findings are made of."""

    now: datetime
    engines: Sequence[EngineView]
    instances: Sequence[InstanceView]
    standing: Standing
    traffic: Mapping[str, EngineSummary]
    rollouts: Sequence[RolloutView] = ()
    jobs: Reading[JobFigures] = field(default_factory=Reading)
    store: Reading[Any] = field(default_factory=Reading)


class Attention:
    """The findings, and since when each is seen where nobody else knows."""

    def __init__(self) -> None:
        self._first: dict[str, datetime] = {}

    def findings(self, seen: Seen) -> list[Finding]:
        """The worst first, of these causes before what follows from them, then the latest; MOST
        at most."""
        looks = [tuple(look(seen)) for look in LOOKS]
        rank = {one.key: number for number, found in enumerate(looks) for one in found}
        found = [one for look in looks for one in look]
        self._first = {one.key: self._first.get(one.key, seen.now) for one in found}
        dated = [one if one.since else replace(one, since=self._first[one.key]) for one in found]
        dated.sort(key=lambda one: one.since or seen.now, reverse=True)
        dated.sort(key=lambda one: (ORDER.index(one.tone), rank[one.key]))
        return dated[:MOST]


def _of_stores(seen: Seen) -> Iterator[Finding]:
    if seen.standing.is_store_away:
        yield Finding(
            "store",
            BAD,
            "state store",
            "It does not answer. Requests are served by what was read before; no rollout moves, "
            "and nothing is written down.",
            "Bring the store back; see the log of this control plane.",
            since=seen.store.since,
        )
    if seen.standing.is_queue_away:
        yield Finding(
            "queue",
            BAD,
            "job queue",
            "It does not answer. No job is accepted or worked on; what is asked at once is "
            "answered.",
            "Bring the broker back; jobs that were accepted are kept.",
            "/dashboard/jobs",
        )
    for complaint in seen.standing.complaints:
        yield Finding(f"complaint {complaint}", WARN, "catalogue", complaint, "Mend what it names.")


def _of_engines(seen: Seen) -> Iterator[Finding]:
    if not seen.engines:
        yield Finding(
            "no engine",
            BAD,
            "catalogue",
            "No engine is known: every request is refused.",
            "See whether the model repository can be read, and has releases in it.",
        )
    for view in seen.engines:
        href = engine_href(view.name)
        if not view.is_ready:
            yield Finding(
                f"engine {view.name}",
                BAD,
                view.name,
                f"No instance is ready for its stable release {view.stable}: requests fail.",
                "See the instances below; heal or restart one that serves it.",
                href,
            )
        for release in view.releases:
            has_traffic = release.weight_bp or release.is_stable
            # Where none of all answers, that is said, and this only follows from it.
            if release.is_panicking and has_traffic and not _is_fleet_silent(seen):
                yield Finding(
                    f"panic {view.name} {release.release}",
                    BAD,
                    f"{view.name} {release.release}",
                    "So many of its instances are out that requests are sent to them all the same.",
                    "Mend the instances, or abort its rollout."
                    if release.is_canary
                    else "Mend the instances.",
                    href,
                )


def _of_traffic(seen: Seen) -> Iterator[Finding]:
    canaries = {
        view.name
        for view in seen.engines
        if any(one.is_canary and one.weight_bp for one in view.releases)
    }
    for name, summary in seen.traffic.items():
        last = summary.total[LAST_S]
        failed = last.errors - last.shed
        share = failed / last.requests if last.requests else 0.0
        if share >= SOME_ERRORS:
            yield Finding(
                f"errors {name}",
                BAD if share >= MANY_ERRORS else WARN,
                name,
                f"{words.percent(share)} of its requests failed in the last minute "
                f"({words.count(failed)} of {words.count(last.requests)}).",
                "See which failed and why; a canary that fails can be aborted."
                if name in canaries
                else "See which failed, why, and where.",
                failures_href(name),
            )
        if last.shed:
            yield Finding(
                f"shed {name}",
                WARN,
                name,
                f"{words.counted(last.shed, 'request')} refused in the last minute: no room.",
                "Add instances, or send less at once; high priority is refused last.",
                engine_href(name),
            )


_HEALTH = {
    HealthState.UNKNOWN.value: (INFO, "It has not been looked at yet"),
    HealthState.UNHEALTHY.value: (BAD, "It is not believed to be well and takes no requests"),
    HealthState.DEGRADED.value: (WARN, "Some of its engines take no requests"),
    HealthState.DRAINING.value: (HOLD, "It is drained and takes no new requests"),
    HealthState.ISOLATED.value: (HOLD, "It is isolated and takes no requests"),
}
_MENDS = {
    HealthState.UNKNOWN.value: "Wait for its first look; if none comes, see whether it answers.",
    HealthState.UNHEALTHY.value: "It is mended by itself where that can be; else restart it.",
    HealthState.DEGRADED.value: "See which engine is unfit, and why.",
    HealthState.DRAINING.value: "Undrain it when the work on it is done.",
    HealthState.ISOLATED.value: "Heal it when it is trusted again.",
}


def _takes_all(view: InstanceView) -> bool:
    return bool(view.engines) and all(
        there.fitness in (Fitness.FIT.value, UNPROBED) for there in view.engines.values()
    )


def _is_fleet_silent(seen: Seen) -> bool:
    """Of more than one instance, none answers as it should."""
    return len(seen.instances) > 1 and all(map(is_silent, seen.instances))


def _of_fleet(seen: Seen) -> Iterator[Finding]:
    if not _is_fleet_silent(seen):
        return
    is_unreachable = all(view.state == UNREACHABLE for view in seen.instances)
    reasons = {view.health_reason or view.reason for view in seen.instances}
    why = f": {reasons.pop()}" if len(reasons) == 1 and any(reasons) else ""
    yield Finding(
        "fleet",
        BAD,
        "fleet",
        f"None of the {len(seen.instances)} instances "
        f"{'answers' if is_unreachable else 'is believed to be well'}{why}.",
        "See what they have in common: the network, the machine, the model repository.",
    )


def _of_instances(seen: Seen) -> Iterator[Finding]:
    if not seen.instances:
        yield Finding(
            "no instance",
            BAD,
            "fleet",
            "No instance is configured: nothing can be answered.",
            "Name the Tritons in fleet.instances.",
        )
    if _is_fleet_silent(seen):
        return  # said once, of all
    for view in seen.instances:
        href = instance_href(view.name)
        if view.health in _HEALTH:
            (tone, what), mend = _HEALTH[view.health], _MENDS[view.health]
            if view.health == HealthState.DEGRADED.value and _takes_all(view):
                what = "It takes requests, and is not quite well"
                mend = "A slow probe: it has more to do than it can do in time, or its machine has."
            reason = view.health_reason or view.reason
            yield Finding(
                f"instance {view.name}",
                tone,
                view.name,
                f"{what}: {reason}." if reason else f"{what}.",
                mend,
                href,
                view.health_since,
            )
        elif view.state == UNREACHABLE:
            yield Finding(
                f"instance {view.name}",
                WARN,
                view.name,
                f"It does not answer looks: {view.reason}.",
                "See whether its process and its network are up.",
                href,
            )
        for served, state in view.breakers.items():
            is_held = state == BreakerState.ISOLATED
            yield Finding(
                f"breaker {view.name} {served}",
                HOLD if is_held else WARN,
                f"{served} on {view.name}",
                "Its breaker is isolated: nothing is sent there, until it is let go."
                if is_held
                else f"Its breaker is {state.replace('_', ' ')}: too many calls failed there.",
                "It stays so by itself; heal the instance when it is trusted again."
                if is_held
                else "It tries again by itself; heal the instance to close it at once.",
                href,
            )


def _of_rollouts(seen: Seen) -> Iterator[Finding]:
    for view in seen.rollouts:
        rollout = view.rollout
        href = engine_href(rollout.engine)
        where = f"{rollout.engine} {rollout.target}"
        if rollout.state is RolloutState.PAUSED:
            yield Finding(
                f"rollout {rollout.rollout_id}",
                WARN,
                where,
                f"Its rollout is paused: {rollout.reason}.",
                "Look at the evidence, then resume, advance or abort.",
                href,
                view.since,
            )
        is_back = rollout.state in (
            RolloutState.FAILED,
            RolloutState.ROLLING_BACK,
            RolloutState.ROLLED_BACK,
        )
        if is_back and seen.now - view.since < RECENT:
            yield Finding(
                f"rollout {rollout.rollout_id}",
                WARN if rollout.state is not RolloutState.FAILED else BAD,
                where,
                f"Its rollout was {_END[rollout.state]}: {rollout.reason}.",
                f"Traffic is with {rollout.stable}. Look at the evidence before another try.",
                href,
                view.since,
            )


_END = {
    RolloutState.FAILED: "given up before it had traffic",
    RolloutState.ROLLING_BACK: "taken back just now",
    RolloutState.ROLLED_BACK: "taken back",
}


def _of_jobs(seen: Seen) -> Iterator[Finding]:
    figures, href = seen.jobs.value, "/dashboard/jobs"
    if seen.jobs.problem and not seen.standing.is_store_away:
        yield Finding(
            "jobs", WARN, "jobs", f"Their figures cannot be read: {seen.jobs.problem}.",
            "See the log of this control plane.", href, seen.jobs.since,
        )  # fmt: skip
    if figures is None:
        return
    dead = sum(figures.dead.values())
    if dead:
        yield Finding(
            "dead",
            WARN,
            "jobs",
            f"{words.counted(dead, 'dead letter')}: what was given up.",
            "See of each kind what to do: the list says it.",
            href,
        )
    if figures.undelivered:
        yield Finding(
            "undelivered",
            WARN,
            "jobs",
            f"{words.counted(figures.undelivered, 'result')} could not be delivered, and no more "
            "tries are made.",
            "See whether the receiver answers, then send them again.",
            href,
        )
    oldest_s = max(figures.oldest_age_s.values(), default=0.0)
    if oldest_s > OLD_S:
        yield Finding(
            "old",
            WARN,
            "jobs",
            "Jobs that are due wait for more than a minute.",
            "Add workers or instances.",
            href,
            seen.now - timedelta(seconds=oldest_s),
        )


LOOKS: Sequence[Callable[[Seen], Iterator[Finding]]] = (
    _of_stores,
    _of_fleet,
    _of_instances,
    _of_engines,
    _of_rollouts,
    _of_traffic,
    _of_jobs,
)
"""Causes before what follows from them."""


def engine_href(name: str) -> str:
    return f"/dashboard/engines/{quote(name, safe='')}"


def instance_href(name: str) -> str:
    return f"/dashboard/instances/{quote(name, safe='')}"
