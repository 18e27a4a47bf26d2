"""What is read of the fleet, the request path and the rollouts, as numbers."""

from __future__ import annotations

from dataclasses import replace

from control_plane.adapters.stores import Bounds
from control_plane.adapters.stores.memory import MemoryStore
from control_plane.core.admission import AdmissionOptions
from control_plane.core.breaker import State as BreakerState
from control_plane.core.concurrency_limit import LimitOptions
from control_plane.core.deadline import Deadline
from control_plane.core.detections import Priority
from control_plane.core.health import State as HealthState
from control_plane.core.rollout import Assessment, Plan, Rollout, Verdict
from control_plane.core.rollout import State as RolloutState
from control_plane.core.routing import RoutingTable
from control_plane.core.state import EngineState, State
from control_plane.errors import ControlPlaneError
from control_plane.services.board import Board
from control_plane.services.calling import CallTimes, InferCall
from control_plane.services.figures import (
    BREAKER_NUMBERS,
    HEALTH_NUMBERS,
    FleetFigures,
    RequestFigures,
    RolloutFigures,
)
from control_plane.services.gateway import GatewayOptions
from control_plane.services.result_cache import ResultReuse
from tests.unit.fakes import FakeClock, FakeInstance, FakeResultCache, call_failed
from tests.unit.samples import ENGINES, TABLE, infer_request, make_fleet, make_gateway

CALL = InferCall(infer_request("damage"), "damage", "", "key", Deadline(1030.0), "c-1")
NARROW = GatewayOptions(
    CallTimes(5.0, 2.0),
    admission=AdmissionOptions(LimitOptions(initial=8, min_limit=4, max_limit=8)),
)


async def test_admission_and_retry_budget_are_by_engine() -> None:
    gateway = make_gateway(make_fleet(FakeInstance()), options=NARROW)
    figures = RequestFigures(gateway, ENGINES, None)
    await gateway.infer(CALL)
    assert figures.limits() == {("damage",): 8, ("materials",): 8, ("volume",): 8}
    assert set(figures.in_flight().values()) == {0}
    assert figures.admitted()["damage", Priority.NORMAL.value] == 1
    assert set(figures.shed().values()) == {0}
    assert figures.retry_budgets()["damage",] == gateway.retry_budget("damage")
    assert (figures.reused(), figures.reuse_errors()) == ({}, {})


def test_the_use_of_the_cache_is_read_where_there_is_one() -> None:
    cache = FakeResultCache(failures=3)
    gateway = make_gateway(make_fleet(FakeInstance()))
    figures = RequestFigures(gateway, ENGINES, ResultReuse(cache, FakeClock()))
    assert figures.reused() == {("hit",): 0, ("miss",): 0, ("shared",): 0}
    assert figures.reuse_errors() == {(): 3}


def test_every_state_has_a_number_and_the_worse_the_higher() -> None:
    assert set(BREAKER_NUMBERS) == set(BreakerState)
    assert set(HEALTH_NUMBERS) == set(HealthState)
    for numbers in (BREAKER_NUMBERS, HEALTH_NUMBERS):
        assert sorted(numbers.values()) == list(range(len(numbers)))
    assert HEALTH_NUMBERS[HealthState.DEGRADED] < 2 <= HEALTH_NUMBERS[HealthState.UNKNOWN]


async def test_health_breakers_and_where_releases_are_ready() -> None:
    sick = FakeInstance(failures={"damage--1.0.0": call_failed("INTERNAL", "stub died")})
    fleet = make_fleet(sick, FakeInstance())
    figures = FleetFigures(fleet, ENGINES)
    assert figures.ready()["damage", "1.0.0"] == 2
    assert figures.ready()["damage", "1.1.0"] == 0
    gateway = make_gateway(fleet)
    for _ in range(30):
        await gateway.infer(CALL)
    breakers = figures.breakers()
    assert breakers["triton-0", "damage"] == BREAKER_NUMBERS[BreakerState.OPEN]
    assert breakers["triton-0", "volume"] == breakers["triton-1", "damage"] == 0
    fleet.drain("triton-1", "maintenance")
    assert figures.healths() == {("triton-0",): 0, ("triton-1",): 3}
    assert figures.in_flight() == {("triton-0",): 0, ("triton-1",): 0}
    assert figures.panics() == {
        ("damage", "1.0.0"): 0,
        ("materials", "1.0.0"): 0,
        ("volume", "4.0.0"): 0,
    }


async def test_a_request_that_failed_leaves_nothing_in_flight() -> None:
    broken = FakeInstance(failures={"damage--1.0.0": call_failed("INVALID_ARGUMENT", "no")})
    gateway = make_gateway(make_fleet(broken))
    try:
        await gateway.infer(CALL)
    except ControlPlaneError:
        assert RequestFigures(gateway, ENGINES, None).in_flight()["damage",] == 0


def rolling(state: RolloutState, step: int = 1, *, rollout_id: str = "r-1") -> Board:
    route = replace(
        TABLE.routes["damage"],
        weights_bp={"1.0.0": 9_500, "1.1.0": 500},
        serving={
            **TABLE.routes["damage"].serving,
            "1.1.0": ENGINES["damage"].releases["1.1.0"],
        },
    )
    rollout = Rollout(rollout_id, "damage", "1.0.0", "1.1.0", Plan(), state, step)
    engines = {"damage": EngineState("1.0.0", rollout), "volume": EngineState("4.0.0")}
    return Board(State(3, engines, RoutingTable(3, {"damage": route})))


async def test_weights_states_and_steps_of_rollouts() -> None:
    figures = RolloutFigures(rolling(RolloutState.STEP, 2), MemoryStore(Bounds()))
    assert figures.weights() == {("damage", "1.0.0"): 0.95, ("damage", "1.1.0"): 0.05}
    states = figures.states()
    assert states["damage", "step"] == 1
    assert sum(states.values()) == 1
    assert {engine for engine, _ in states} == {"damage"}
    assert {state for _, state in states} == {state.value for state in RolloutState}
    assert figures.steps() == {("damage",): 2}


async def test_the_latest_look_at_the_present_step_is_shown() -> None:
    store = MemoryStore(Bounds())
    look = Assessment(1000.0, 1, Verdict.UNDECIDED, "", 20)
    assert await RolloutFigures(rolling(RolloutState.STEP), store).looks() == {}
    await store.add_assessment("r-1", look)
    assert await RolloutFigures(rolling(RolloutState.STEP), store).looks() == {"damage": look}
    assert await RolloutFigures(rolling(RolloutState.STEP, 2), store).looks() == {}
    assert await RolloutFigures(rolling(RolloutState.COMPLETED), store).looks() == {}
