"""What runs now, as it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from control_plane.core.admission import AdmissionStatistics
from control_plane.core.balancing import PoolOptions
from control_plane.core.catalogue import Engine
from control_plane.core.detections import Priority
from control_plane.core.health import ProbeResult
from control_plane.core.outcomes import Verdict
from control_plane.core.routing import RoutingTable, Shadow
from control_plane.core.triton_load import InstanceLoad
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Instance
from control_plane.services.status import (
    ChangeView,
    EngineThereView,
    EngineView,
    InstanceView,
    LoadView,
    ReleaseView,
    Status,
)
from tests.unit.fakes import FakeCalendar, FakeClock, FakeInstance
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, ENGINES, STABLE, TABLE, make_fleet

NOON = FakeCalendar().utc(1000.0)
ADMISSIONS = {
    name: AdmissionStatistics(
        limit=limit,
        in_flight=1,
        baseline_s=None,
        is_measuring=False,
        admitted=dict.fromkeys(Priority, 2),
        shed=dict.fromkeys(Priority, 0),
    )
    for name, limit in {"damage": 40, "materials": 50, "volume": 60}.items()
}
DAMAGE_ONLY = frozenset({("damage", "1.0.0")})


def make_status(
    fleet: Fleet,
    clock: FakeClock | None = None,
    table: RoutingTable = TABLE,
    engines: Mapping[str, Engine] = ENGINES,
) -> Status:
    clock = clock or FakeClock()
    return Status(
        engines=engines,
        fleet=fleet,
        table=lambda: table,
        admission=lambda engine: ADMISSIONS[engine],
        retry_budget=lambda engine: 29.5,
        clock=clock,
        calendar=FakeCalendar(),
    )


def test_an_engine_is_shown_with_all_its_releases() -> None:
    fleet = make_fleet(FakeInstance(), FakeInstance(), serving=DAMAGE_ONLY)
    damage, materials, volume = make_status(fleet).engines()
    assert damage == EngineView(
        name="damage",
        kind="ensemble",
        stable="1.0.0",
        is_ready=True,
        releases=(
            ReleaseView(
                release="1.0.0",
                pins={"preprocess": 1, "damage_detector": 1},
                is_stable=True,
                weight_bp=10_000,
                ready_on=("triton-0", "triton-1"),
                is_serving=True,
            ),
            ReleaseView(
                release="1.1.0",
                pins={"preprocess": 1, "damage_detector": 2},
                is_stable=False,
                weight_bp=0,
                ready_on=(),
            ),
        ),
        admission=ADMISSIONS["damage"],
        retry_budget_remaining=29.5,
    )
    assert (materials.name, materials.is_ready) == ("materials", False)
    assert (volume.name, volume.kind) == ("volume", "model")


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        ({}, (False, 0, False)),
        ({"canary": "1.1.0"}, (True, 0, True)),
        ({"shadow": Shadow("1.1.0", 500)}, (False, 500, True)),
        ({"shadow": Shadow("1.0.0", 500)}, (False, 0, True)),
    ],
)
def test_a_release_that_a_rollout_tries_is_marked(
    changes: dict[str, Any], marks: tuple[bool, int, bool]
) -> None:
    route = TABLE.routes["damage"]
    if changes:
        changes = {**changes, "serving": {**route.serving, "1.1.0": DAMAGE_NEXT}}
    table = RoutingTable(2, {**TABLE.routes, "damage": replace(route, **changes)})
    release = make_status(make_fleet(FakeInstance()), table=table).engines()[0].releases[1]
    assert (release.is_canary, release.shadow_bp, release.is_serving) == marks


def test_releases_are_in_the_order_of_their_numbers() -> None:
    later = {number: replace(DAMAGE, version=number) for number in ("1.10.0", "1.9.0", "1.0.0")}
    engines = {**ENGINES, "damage": replace(ENGINES["damage"], releases=later)}
    status = make_status(make_fleet(FakeInstance()), engines=engines)
    shown = [release.release for release in status.engines()[0].releases]
    assert shown == ["1.0.0", "1.9.0", "1.10.0"]


def test_who_is_kept_out_of_a_release_and_a_panic_are_shown() -> None:
    fleet = make_fleet(FakeInstance(), FakeInstance(), FakeInstance())

    def shown() -> tuple[int, int, bool, int]:
        release = make_status(fleet).engines()[0].releases[0]
        return release.ejected, release.benched, release.is_panicking, release.panics

    def fail(name: str) -> None:
        others = {one.name for one in fleet.instances} - {name}
        while ("damage", "1.0.0") not in fleet.breakers(name):
            with fleet.reserve(DAMAGE, tried=others) as place:
                place.settle(Verdict.FAILURE)

    def hang(name: str) -> None:
        for _ in range(2):  # as many bad looks as make it unhealthy
            fleet.publish(
                name, serving=(), is_live=True, is_answering=False, reason="", now_s=1001.0
            )

    assert shown() == (0, 0, False, 0)
    fail("triton-0")
    assert shown() == (1, 0, False, 0)
    hang("triton-1")
    assert shown() == (1, 1, False, 0)
    hang("triton-2")
    assert shown() == (1, 2, True, 0)
    with fleet.reserve(DAMAGE):
        pass
    assert shown() == (1, 2, True, 1)
    hang("triton-0")
    assert shown() == (0, 3, True, 1)


def test_it_is_ready_once_every_stable_release_is_somewhere() -> None:
    fleet = make_fleet(FakeInstance(), FakeInstance(), serving=DAMAGE_ONLY)
    status = make_status(fleet)
    assert not status.is_ready()
    rest = STABLE - DAMAGE_ONLY
    fleet.publish("triton-1", serving=rest, is_live=True, reason="", now_s=0.0)
    assert status.is_ready()


def test_once_it_was_ready_one_dead_engine_does_not_end_it() -> None:
    fleet = make_fleet(FakeInstance(), FakeInstance())
    status = make_status(fleet)
    assert status.is_ready()
    for name in ("triton-0", "triton-1"):
        fleet.publish(name, serving=DAMAGE_ONLY, is_live=True, reason="", now_s=0.0)
    assert status.is_ready()
    assert [engine.is_ready for engine in status.engines()] == [True, False, False]
    for name in ("triton-0", "triton-1"):
        fleet.publish(name, serving=(), is_live=False, reason="", now_s=0.0)
    assert not status.is_ready()
    for _ in range(3):  # as many good looks as make it better
        fleet.publish("triton-1", serving=DAMAGE_ONLY, is_live=True, reason="", now_s=0.0)
    assert status.is_ready()


def test_without_any_engine_it_is_not_ready() -> None:
    fleet = make_fleet(FakeInstance())
    status = Status(
        engines={},
        fleet=fleet,
        table=RoutingTable,
        admission=lambda engine: ADMISSIONS[engine],
        retry_budget=lambda engine: 29.5,
        clock=FakeClock(),
        calendar=FakeCalendar(),
    )
    assert not status.is_ready()


def test_nothing_is_ready_when_it_is_about_to_stop() -> None:
    status = make_status(make_fleet(FakeInstance()))
    assert (status.is_ready(), status.is_stopping) == (True, False)
    status.announce_stop()
    assert (status.is_ready(), status.is_stopping) == (False, True)


def test_an_instance_not_yet_looked_at_is_unreachable() -> None:
    triton = Instance("triton-0", "host:1", FakeInstance())
    fleet = Fleet([triton], options=PoolOptions(), clock=FakeClock(), rng=Random(7))
    assert make_status(fleet).instances() == (
        InstanceView(
            name="triton-0",
            url="host:1",
            state="unreachable",
            serving={},
            in_flight=0,
            breakers={},
            reason="not observed yet",
            observed_ago_s=None,
            health="unknown",
            health_reason="not looked at yet",
            health_since=None,
            engines={},
            last_change=None,
        ),
    )


@pytest.mark.parametrize(
    ("serving", "is_live", "state"),
    [
        (STABLE, True, "ready"),
        (STABLE | {("damage", "1.1.0")}, True, "ready"),
        (STABLE - DAMAGE_ONLY, True, "loading"),
        (frozenset(), True, "loading"),
        (frozenset(), False, "unreachable"),
    ],
)
def test_the_state_of_an_instance(
    serving: frozenset[tuple[str, str]], is_live: bool, state: str
) -> None:
    fleet = make_fleet(FakeInstance())
    fleet.publish("triton-0", serving=serving, is_live=is_live, reason="", now_s=0.0)
    assert make_status(fleet).instances()[0].state == state


def test_an_instance_shows_what_it_serves_and_how_old_that_is() -> None:
    fleet, clock = make_fleet(FakeInstance()), FakeClock(1000.0)
    both = DAMAGE_ONLY | {("damage", "1.1.0"), ("volume", "4.0.0")}
    fleet.publish("triton-0", serving=both, is_live=True, reason="loading", now_s=1000.0)
    clock.advance(1.23456)
    with fleet.reserve(DAMAGE):
        (view,) = make_status(fleet, clock).instances()
    assert view == InstanceView(
        name="triton-0",
        url="host:8001",
        state="loading",
        serving={"damage": ("1.0.0", "1.1.0"), "volume": ("4.0.0",)},
        in_flight=1,
        breakers={},
        reason="loading",
        observed_ago_s=1.235,
        health="healthy",
        health_reason="all is well",
        health_since=NOON,
        engines={
            "damage": EngineThereView("unprobed", "", 1),
            "volume": EngineThereView("unprobed", "", 0),
        },
        last_change=ChangeView(NOON, "triton-0", None, "unknown", "healthy", "all is well"),
    )


def test_a_load_is_shown_as_long_as_it_is_believed() -> None:
    clock = FakeClock()
    fleet = make_fleet(FakeInstance(), clock=clock)
    status = make_status(fleet, clock)
    (view,) = status.instances()
    assert (view.load, view.load_reason) == (None, "not scraped yet")
    now_s = clock.now_s()
    load = InstanceLoad(
        pending=3,
        queue_s={("damage", "1.0.0"): 0.0123456, ("damage", "1.1.0"): 0.5},
        gpu_utilization=0.5,
        gpu_memory_used_bytes=1,
        gpu_memory_total_bytes=2,
    )
    fleet.loaded("triton-0", load, now_s=now_s, until_s=now_s + 5.0)
    clock.advance(5.0)
    (view,) = status.instances()
    assert view.load_reason == ""
    assert view.load == LoadView(5.0, 3, {"damage 1.0.0": 12.346}, 0.5, 1, 2, None, None, None)
    clock.advance(0.1)
    (view,) = status.instances()
    assert (view.load, view.load_reason) == (None, "not scraped any more")
    fleet.load_lost("triton-0", "scrape failed: refused")
    assert status.instance("triton-0").load_reason == "scrape failed: refused"


def test_with_no_routes_every_instance_that_lives_is_ready() -> None:
    fleet = make_fleet(FakeInstance(), serving=frozenset())
    status = Status(
        engines={},
        fleet=fleet,
        table=RoutingTable,
        admission=lambda engine: ADMISSIONS[engine],
        retry_budget=lambda engine: 29.5,
        clock=FakeClock(),
        calendar=FakeCalendar(),
    )
    assert status.instances()[0].state == "ready"
    assert status.engines() == ()


def probed_fleet() -> tuple[Fleet, FakeClock]:
    """Two instances with every stable release; damage has a golden input."""
    clock = FakeClock()
    fleet = Fleet(
        [Instance(name, "host:1", FakeInstance()) for name in ("triton-0", "triton-1")],
        options=PoolOptions(),
        clock=clock,
        rng=Random(7),
        probed=["damage"],
    )
    for instance in fleet.instances:
        fleet.publish(instance.name, serving=STABLE, is_live=True, reason="", now_s=clock.now_s())
    return fleet, clock


def test_the_fitness_of_an_engine_is_shown_with_its_reason() -> None:
    fleet, clock = probed_fleet()
    status = make_status(fleet, clock)
    assert status.instance("triton-0").engines["damage"].fitness == "proving"
    assert status.instance("triton-0").engines["volume"].fitness == "unprobed"
    fleet.probed("triton-0", ("damage", "1.0.0"), ProbeResult.WRONG_ANSWER, "SCORES differ")
    shown = status.instance("triton-0").engines["damage"]
    assert shown == EngineThereView("unfit", "probe: wrong_answer: SCORES differ", 0)
    fleet.take_out("triton-0", "damage 1.0.0", "mending")
    serving = STABLE - DAMAGE_ONLY
    fleet.publish("triton-0", serving=serving, is_live=True, reason="", now_s=clock.now_s())
    # It is not loaded while it is mended, and that is just when one wants to see it.
    assert status.instance("triton-0").engines["damage"].fitness == "mending"
    assert "damage" not in status.instance("triton-0").serving


def test_what_changed_is_shown_the_latest_first() -> None:
    fleet, clock = probed_fleet()
    status = make_status(fleet, clock)
    clock.advance(60.0)
    fleet.drain("triton-1", "new driver")
    clock.advance(60.0)
    fleet.probed("triton-0", ("damage", "1.0.0"), ProbeResult.OK, "")
    latest = ChangeView(
        FakeCalendar().utc(1120.0), "triton-0", "damage 1.0.0", "proving", "fit", "probe: ok"
    )
    drained = ChangeView(
        FakeCalendar().utc(1060.0), "triton-1", None, "degraded", "draining", "new driver"
    )
    assert status.changes(2) == (latest, drained)
    assert [change.instance for change in status.changes(9)][2:] == ["triton-0", "triton-1"]
    assert [change.now for change in status.history("triton-1")] == ["draining", "degraded"]
    assert status.instance("triton-0").last_change == latest
    assert status.instance("triton-0").health_since == NOON
    assert status.instance("triton-1").health_since == drained.at


def test_an_instance_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    fleet, clock = probed_fleet()
    status = make_status(fleet, clock)
    for ask in (status.instance, status.history):
        with pytest.raises(ControlPlaneError) as refusal:
            ask("roof")
        assert (refusal.value.code, refusal.value.field) == (ErrorCode.NOT_FOUND, "instance")
        assert refusal.value.message == "unknown instance 'roof'; known: triton-0, triton-1"
