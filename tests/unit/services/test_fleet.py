"""Reserving is picking: in turn, counted, and given back however the call ends."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest

from control_plane.core.balancing import LoadOptions, PolicyName, PoolOptions
from control_plane.core.outcomes import Verdict
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Instance
from tests.unit.fakes import FakeClock, FakeInstance
from tests.unit.samples import DAMAGE, MATERIALS, STABLE, make_fleet

SERVED = ("damage", "1.0.0")


def publish(fleet: Fleet, name: str, *serving: tuple[str, str], is_live: bool = True) -> bool:
    return fleet.publish(name, serving=serving, is_live=is_live, reason="why", now_s=7.0)


def picks(fleet: Fleet, count: int, verdict: Verdict = Verdict.SUCCESS) -> list[str]:
    found = []
    for _ in range(count):
        with fleet.reserve(DAMAGE) as place:
            place.settle(verdict)
            found.append(place.instance.name)
    return found


def test_ready_instances_are_taken_in_turn() -> None:
    fleet = make_fleet(FakeInstance(), FakeInstance(), FakeInstance())
    taken = picks(fleet, 6)
    assert sorted(taken[:3]) == ["triton-0", "triton-1", "triton-2"]
    assert sorted(taken[3:]) == ["triton-0", "triton-1", "triton-2"]
    publish(fleet, "triton-1")
    assert sorted(picks(fleet, 4)) == ["triton-0", "triton-0", "triton-2", "triton-2"]


def test_each_release_has_its_own_turn() -> None:
    fleet = make_fleet(FakeInstance(), FakeInstance())
    with fleet.reserve(DAMAGE) as one, fleet.reserve(MATERIALS) as other:
        assert one.instance is other.instance


def test_a_reservation_counts_and_is_given_back_also_after_an_error() -> None:
    fleet = make_fleet(FakeInstance())
    (instance,) = fleet.instances
    with fleet.reserve(DAMAGE), suppress(RuntimeError), fleet.reserve(DAMAGE):
        assert instance.in_flight == 2
        raise RuntimeError
    assert instance.in_flight == 0


@pytest.mark.parametrize("serving", [frozenset(), frozenset({("damage", "1.1.0")})])
def test_what_is_ready_nowhere_may_come_soon(serving: frozenset[tuple[str, str]]) -> None:
    fleet = make_fleet(FakeInstance(), serving=serving)
    with pytest.raises(ControlPlaneError) as refusal:
        fleet.reserve(DAMAGE)
    assert refusal.value.code is ErrorCode.RELEASE_NOT_READY
    assert refusal.value.retry_after_s == 1.0
    assert refusal.value.message == "release 1.0.0 of engine 'damage' is ready on no instance"


def test_what_was_seen_is_what_is_shown() -> None:
    fleet = make_fleet(FakeInstance(), serving=frozenset())
    (instance,) = fleet.instances
    assert publish(fleet, "triton-0", SERVED)
    assert (instance.serving, instance.is_live) == (frozenset({SERVED}), True)
    assert (instance.reason, instance.observed_at_s) == ("why", 7.0)
    assert fleet.ready_on(*SERVED) == (instance,)
    assert fleet.ready_on("damage", "1.1.0") == ()


def test_only_a_change_is_called_one() -> None:
    fleet = make_fleet(FakeInstance(), serving=frozenset())
    assert publish(fleet, "triton-0", SERVED)
    assert not publish(fleet, "triton-0", SERVED)
    assert publish(fleet, "triton-0", SERVED, is_live=False)
    assert publish(fleet, "triton-0", is_live=False)
    assert not publish(fleet, "triton-0", is_live=False)
    assert fleet.ready_on(*SERVED) == ()


def test_an_instance_is_first_not_observed() -> None:
    fleet = make_fleet(FakeInstance(), serving=STABLE)
    fresh = Fleet(fleet.instances, options=PoolOptions(), clock=FakeClock(), rng=Random(7))
    assert fresh.ready_on(*SERVED) == ()  # ready is what this fleet was told, nothing else
    assert "calls" not in repr(fleet.instances[0])


@pytest.mark.parametrize(("fault_counts_as_s", "is_shunned"), [(15.0, True), (2.5, False)])
def test_what_a_fault_costs_is_its_engines_own_measure(
    fault_counts_as_s: float, is_shunned: bool
) -> None:
    """An answer takes 10 s: a fault must not look quicker than it."""
    clock = FakeClock()
    load = LoadOptions(fault_counts_as_s=fault_counts_as_s, decay_s=1000.0)
    fleet = Fleet(
        [Instance(name, "host:1", FakeInstance()) for name in ("well", "ill")],
        options=PoolOptions(),
        by_engine={"damage": PoolOptions(load=load)},
        clock=clock,
        rng=Random(7),
    )
    for name in ("well", "ill"):
        publish(fleet, name, SERVED)
    clock.advance(60.0)
    for name, verdict, took_s in (("well", Verdict.SUCCESS, 10.0), ("ill", Verdict.FAILURE, 0.001)):
        with fleet.reserve(DAMAGE, tried={"well", "ill"} - {name}) as place:
            clock.advance(took_s)
            place.settle(verdict)
    taken = picks(fleet, 20, Verdict.IGNORED)
    assert (taken.count("well") > taken.count("ill")) is is_shunned


def test_a_hint_of_what_waits_there_sends_calls_elsewhere() -> None:
    fleet = make_fleet(FakeInstance(), FakeInstance(), policy=PolicyName.P2C_EWMA)

    def where_go(calls: int) -> list[str]:
        """Where so many calls at once go; each is answered in no time, more or less."""
        places = [fleet.reserve(DAMAGE) for _ in range(calls)]
        for place in places:
            place.settle(Verdict.SUCCESS)
        return sorted(place.instance.name for place in places)

    assert where_go(4) == ["triton-0"] * 2 + ["triton-1"] * 2
    fleet.hint("triton-0", {("damage", "1.0.0"): 5})
    assert where_go(5) == ["triton-1"] * 5
    fleet.hint("triton-0", {})
    assert where_go(4) == ["triton-0"] * 2 + ["triton-1"] * 2


def test_streams_leave_the_probes_of_a_breaker_to_calls() -> None:
    clock = FakeClock()
    fleet = make_fleet(FakeInstance(), FakeInstance(), policy=PolicyName.P2C_EWMA, clock=clock)
    for _ in range(5):
        with fleet.reserve(DAMAGE, barred=["triton-1"]) as place:
            place.settle(Verdict.FAILURE)
    clock.advance(2.0)
    streams = []
    for _ in range(50):
        clock.advance(0.2)
        streams.append(fleet.reserve(DAMAGE, is_stream=True))
    assert {place.instance.name for place in streams} == {"triton-1"}
    for _ in range(50):
        clock.advance(0.2)
        picks(fleet, 1)
    assert fleet.breakers("triton-0") == {}, "proved by calls while the streams are open"


def test_a_hint_of_what_takes_no_requests_there_yet_is_nothing() -> None:
    fleet = make_fleet(FakeInstance(), probed=("damage",))
    fleet.hint("triton-0", {("damage", "1.0.0"): 5, ("volume", "4.0.0"): 1})
    assert fleet.ready_on("damage", "1.0.0") == ()
