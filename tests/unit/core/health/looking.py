"""Looks, probes and instances as the tests of health need them.

Two engines, both with a golden input, unless a test says otherwise.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from control_plane.core.health import (
    Change,
    HealthOptions,
    InstanceHealth,
    Look,
    ProbeResult,
    State,
)

OK, WRONG, FAILED, SLOW, BUSY = (
    ProbeResult.OK,
    ProbeResult.WRONG_ANSWER,
    ProbeResult.FAILED,
    ProbeResult.SLOW,
    ProbeResult.BUSY,
)
ENGINES = frozenset({"damage", "volume"})


def look(
    serving: AbstractSet[str] = ENGINES,
    *,
    is_live: bool = True,
    is_ready: bool = True,
    is_answering: bool = True,
    failure: str = "",
) -> Look:
    return Look(is_live, is_ready, serving, ENGINES, is_answering, failure)


WELL = look()
HUNG = look(is_ready=False, is_answering=False)
DEAD = look(frozenset(), is_live=False, is_ready=False)


def unseen(**options: int) -> InstanceHealth:
    return InstanceHealth("triton-0", HealthOptions(**options))


def well(**options: int) -> InstanceHealth:
    """Healthy, both engines proved."""
    instance = unseen(**options)
    instance.looked(WELL, 0.0)
    probe(instance, damage=OK, volume=OK)
    for _ in range(3):
        instance.looked(WELL, 0.5)
    assert (instance.state, instance.fit_engines) == (State.HEALTHY, ENGINES)
    return instance


def looks(instance: InstanceHealth, *seen: Look, from_s: float = 1.0) -> list[Change]:
    """One look a second; all that changed by them."""
    changes: list[Change] = []
    for number, one in enumerate(seen):
        changes += instance.looked(one, from_s + number)
    return changes


def probe(
    instance: InstanceHealth, now_s: float = 0.0, reason: str = "", **results: ProbeResult
) -> list[Change]:
    """One probe of each engine named; all that changed by them."""
    changes: list[Change] = []
    for engine, result in results.items():
        changes += instance.probed(engine, result, reason, now_s)
    return changes
