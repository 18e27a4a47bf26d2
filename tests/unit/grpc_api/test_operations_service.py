"""``tidegate.v1.Operations`` over the real server."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest

from control_plane.adapters.stores.memory import MemoryStore
from control_plane.core.health import Fitness, State
from control_plane.core.state import State as StoredState
from control_plane.core.triton_load import InstanceLoad
from control_plane.grpc_api.operations_service import FITNESSES, HEALTHS, STATES
from control_plane.grpc_api.protos import operations_pb2 as pb
from control_plane.services.board import Board
from control_plane.services.holding import Holding
from control_plane.services.operations import Operations
from control_plane.services.status import LOADING, READY, UNPROBED, UNREACHABLE
from tests.unit.fakes import FakeCalendar, FakeClock, FakeInstance, FakePhotos
from tests.unit.grpc_api.conftest import OPERATIONS, Edge, make_server
from tests.unit.samples import TABLE, make_fleet

NAME = "triton-0"
CHANGED = pb.InstanceChange(instance=NAME, was="unknown", now="healthy", reason="all is well")
CHANGED.at.FromDatetime(FakeCalendar().utc(1000.0))


async def ask(edge: Edge, method: str, message: bytes) -> pb.Instance:
    raw, _ = await edge.call(OPERATIONS + method, message)
    return pb.Instance.FromString(raw)


async def instance(edge: Edge) -> pb.Instance:
    return await ask(edge, "GetInstance", pb.GetInstanceRequest(instance=NAME).SerializeToString())


async def test_instances_are_listed_with_what_changed_lately(edge: Edge) -> None:
    raw, _ = await edge.call(OPERATIONS + "ListInstances", b"")
    answer = pb.ListInstancesResponse.FromString(raw)
    (shown,) = answer.instances
    assert list(answer.changes) == [CHANGED]
    assert list(shown.history) == [CHANGED]
    assert (shown.name, shown.url, shown.in_flight) == (NAME, "host:8001", 0)
    assert shown.state == pb.INSTANCE_STATE_READY
    assert (shown.health, shown.health_reason) == (pb.INSTANCE_HEALTH_HEALTHY, "all is well")
    assert shown.health_since == CHANGED.at
    assert list(shown.serving["damage"].releases) == ["1.0.0"]
    assert shown.engines["damage"].fitness == pb.ENGINE_FITNESS_UNPROBED
    assert shown.observed_ago_s == 0.0
    assert not shown.HasField("load")
    assert shown.load_reason == "not scraped yet"


async def test_what_an_instance_says_of_its_load_is_shown_and_no_more() -> None:
    fleet = make_fleet(FakeInstance())
    load = InstanceLoad(pending=3, queue_s={("damage", "1.0.0"): 0.0125}, gpu_utilization=0.0)
    fleet.loaded(NAME, load, now_s=FakeClock().now_s(), until_s=1e9)
    server = make_server(fleet, FakeClock(), FakePhotos({}))
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        asked = pb.GetInstanceRequest(instance=NAME).SerializeToString()
        answer = await channel.unary_unary(OPERATIONS + "GetInstance")(asked, timeout=10)
    await server.stop(0)
    shown = pb.Instance.FromString(answer).load
    assert (shown.pending, dict(shown.queue_ms)) == (3, {"damage 1.0.0": 12.5})
    assert shown.HasField("gpu_utilization")
    assert not shown.HasField("gpu_memory_used_bytes")


async def test_an_instance_is_taken_out_and_brought_back(edge: Edge) -> None:
    drain = pb.DrainInstanceRequest(instance=NAME, reason="new driver", force=True)
    drained = await ask(edge, "DrainInstance", drain.SerializeToString())
    assert (drained.health, drained.health_reason) == (pb.INSTANCE_HEALTH_DRAINING, "new driver")
    assert [change.now for change in drained.history] == ["draining", "healthy"]
    undrain = pb.UndrainInstanceRequest(instance=NAME)
    undrained = await ask(edge, "UndrainInstance", undrain.SerializeToString())
    assert undrained.health == pb.INSTANCE_HEALTH_UNKNOWN
    isolate = pb.IsolateInstanceRequest(instance=NAME, force=True)
    isolated = await ask(edge, "IsolateInstance", isolate.SerializeToString())
    assert isolated.health == pb.INSTANCE_HEALTH_ISOLATED
    heal = pb.HealInstanceRequest(instance=NAME)
    healed = await ask(edge, "HealInstance", heal.SerializeToString())
    assert healed.health == pb.INSTANCE_HEALTH_UNKNOWN
    assert healed.history == (await instance(edge)).history


async def test_who_asks_is_written_down() -> None:
    fleet, store = make_fleet(FakeInstance()), MemoryStore(lambda: 0.0)
    holding = Holding(
        plane="plane-1",
        board=Board(StoredState()),
        store=store,
        audit=store,
        fleet=fleet,
        heal=fleet.heal,
    )
    operations = Operations(fleet, lambda: TABLE, holding=holding)
    server = make_server(fleet, FakeClock(), FakePhotos({}), operations=operations)
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:

        async def act(method: str, message: pb.IsolateInstanceRequest) -> None:
            await channel.unary_unary(OPERATIONS + method)(message.SerializeToString(), timeout=10)

        isolate = pb.IsolateInstanceRequest(instance=NAME, force=True, who="ada", reason="odd")
        await act("IsolateInstance", isolate)
        await act("HealInstance", pb.IsolateInstanceRequest(instance=NAME))
        isolate.who = "ada\a"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await act("IsolateInstance", isolate)
    await server.stop(0)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    healed, isolated = (record.entry for record in await store.entries())
    assert (isolated.who, isolated.action, isolated.reason) == ("ada", "isolate", "odd")
    assert (healed.who, healed.action) == ("grpc", "heal")


@pytest.mark.parametrize(
    ("method", "message", "status", "code"),
    [
        ("GetInstance", pb.GetInstanceRequest(instance="roof"), "NOT_FOUND", "not_found"),
        ("HealInstance", pb.HealInstanceRequest(instance="roof"), "NOT_FOUND", "not_found"),
        (
            "UndrainInstance",
            pb.UndrainInstanceRequest(instance=NAME),
            "FAILED_PRECONDITION",
            "conflict",
        ),
        (
            "DrainInstance",
            pb.DrainInstanceRequest(instance=NAME),
            "FAILED_PRECONDITION",
            "conflict",
        ),
        (
            "IsolateInstance",
            pb.IsolateInstanceRequest(instance=NAME, reason="\a"),
            "INVALID_ARGUMENT",
            "invalid_argument",
        ),
    ],
)
async def test_a_refusal_has_its_code_and_changes_nothing(
    edge: Edge, method: str, message: pb.GetInstanceRequest, status: str, code: str
) -> None:
    before = await instance(edge)
    refusal = await edge.refusal(OPERATIONS + method, message.SerializeToString())
    assert (refusal.status, refusal.metadata["x-tidegate-code"]) == (status, code)
    assert await instance(edge) == before


@pytest.mark.parametrize("method", ["ListInstances", "GetInstance", "DrainInstance"])
async def test_what_is_no_message_is_refused(edge: Edge, method: str) -> None:
    assert (await edge.refusal(OPERATIONS + method, b"\xff")).status == "INVALID_ARGUMENT"


def test_every_word_has_its_number() -> None:
    assert set(HEALTHS) == set(State)
    assert set(FITNESSES) == {*Fitness, UNPROBED}
    assert set(STATES) == {READY, LOADING, UNREACHABLE}
    for words, numbers in (
        (HEALTHS, pb.InstanceHealth),
        (FITNESSES, pb.EngineFitness),
        (STATES, pb.InstanceState),
    ):
        assert {0, *words.values()} == set(numbers.values())
