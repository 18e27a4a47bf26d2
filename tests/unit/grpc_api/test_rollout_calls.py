"""Rollouts and the audit over gRPC: begun, shown, watched, steered, taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from control_plane.core.accuracy import AccuracyGate
from control_plane.core.rollout import Kind, Plan, State, Verdict
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.grpc_api.protos import operations_pb2 as pb
from control_plane.grpc_api.rollout_calls import KIND_OF
from control_plane.grpc_api.rollout_messages import KINDS, STATES, VERDICTS
from tests.unit.fakes import FakeClock, FakeInstance, FakePhotos
from tests.unit.grpc_api.conftest import OPERATIONS, Edge, make_server, trailing
from tests.unit.rollouts import NOT_WORSE_YET, FakeRollouts, assessment, figures
from tests.unit.samples import make_fleet

START = pb.StartRolloutRequest(engine="damage", release="1.1.0")


async def ask(edge: Edge, message: Message, kind: Any = pb.Rollout) -> Any:
    """The answer to a request, whose name is that of its method."""
    method = message.DESCRIPTOR.name.removesuffix("Request")
    raw, _ = await edge.call(OPERATIONS + method, message.SerializeToString())
    return kind.FromString(raw)


async def refused(edge: Edge, message: Message) -> tuple[str, str, str | None]:
    method = message.DESCRIPTOR.name.removesuffix("Request")
    refusal = await edge.refusal(OPERATIONS + method, message.SerializeToString())
    code = refusal.metadata["x-tidegate-code"]
    return refusal.status, code, refusal.metadata.get("x-tidegate-field")


async def test_a_rollout_begins_by_the_defaults_of_the_server(edge: Edge) -> None:
    begun = await ask(edge, START)
    shown = json_format.MessageToDict(begun, preserving_proto_field_name=True)
    assert shown == {
        "id": "damage-0001",
        "engine": "damage",
        "kind": "ROLLOUT_KIND_CANARY",
        "state": "ROLLOUT_STATE_PENDING",
        "steps_percent": [5, 50],
        "stable": "1.0.0",
        "target": "1.1.0",
        "reason": "asked by an operator",
        "started_at": "2025-01-31T12:00:00Z",
        "since": "2025-01-31T12:00:00Z",
        "min_step_s": 30.0,
        "max_step_s": 600.0,
        "min_samples": 20,
        "instances": {"triton-0": "ready", "triton-1": "loading"},
    }
    assert await ask(edge, pb.GetRolloutRequest(rollout="damage")) == begun
    (record,) = edge.rollouts.records
    assert record.entry.who == "grpc"


async def test_all_of_a_plan_may_be_said(edge: Edge) -> None:
    request = pb.StartRolloutRequest(
        engine="material",
        release="1.1.0",
        steps_percent=[2, 20],
        shadow_percent=25,
        min_step_s=0,
        max_step_s=50.5,
        min_samples=7,
        manual=True,
        who="ada",
        reason="new data",
        ignore=["latency", "confidence"],
        accuracy=pb.AccuracyGate(score="f1", least=40),
    )
    begun = await ask(edge, request)
    assert (begun.engine, begun.shadow_percent, begun.is_manual) == ("materials", 25, True)
    (made,) = edge.rollouts.all
    ignored = ("confidence", "latency")
    assert made.plan == Plan(
        Kind.CANARY,
        (2, 20),
        25,
        0,
        50.5,
        7,
        600,
        is_manual=True,
        ignored=ignored,
        accuracy=AccuracyGate("f1", 0.1, 40),
    )
    assert begun.accuracy == pb.AccuracyGate(score="f1", margin=0.1, least=40)
    assert tuple(begun.ignored) == ignored
    (record,) = edge.rollouts.records
    assert (record.entry.who, record.entry.reason) == ("ada", "new data")


@pytest.mark.parametrize(
    ("request_", "plan"),
    [
        (
            pb.StartRolloutRequest(engine="damage", release="1.1.0", kind=pb.ROLLOUT_KIND_DIRECT),
            Plan.direct(),
        ),
        (
            pb.StartRolloutRequest(engine="damage", release="1.1.0", kind=pb.ROLLOUT_KIND_SHADOW),
            Plan.shadow(10),
        ),
        (
            pb.StartExperimentRequest(engine="damage", split={"1.0.0": 60, "1.1.0": 40}),
            Plan.experiment(40),
        ),
        (
            pb.StartExperimentRequest(
                engine="damage", split={"1.0.0": 60, "1.1.0": 40}, ignore=["confidence"]
            ),
            Plan.experiment(40, ignored=("confidence",)),
        ),
    ],
)
async def test_every_kind_begins(edge: Edge, request_: Message, plan: Plan) -> None:
    begun = await ask(edge, request_)
    assert (begun.target, begun.kind) == ("1.1.0", KINDS[plan.kind])
    assert edge.rollouts.all[0].plan == plan


@pytest.mark.parametrize(
    ("request_", "status", "code", "field"),
    [
        (pb.StartRolloutRequest(engine="damage"), "INVALID_ARGUMENT", None, "release"),
        (
            pb.StartRolloutRequest(engine="damage", release="9.0.0"),
            "NOT_FOUND",
            "unknown_release",
            "release",
        ),
        (
            pb.StartRolloutRequest(engine="roof", release="1.1.0"),
            "NOT_FOUND",
            "unknown_engine",
            "engine",
        ),
        (
            pb.StartRolloutRequest(engine="damage", release="1.1.0", kind=77),  # type: ignore[arg-type]
            "INVALID_ARGUMENT",
            None,
            "kind",
        ),
        (
            pb.StartRolloutRequest(
                engine="damage", release="1.1.0", kind=pb.ROLLOUT_KIND_EXPERIMENT
            ),
            "INVALID_ARGUMENT",
            None,
            "kind",
        ),
        (
            pb.StartRolloutRequest(
                engine="damage", release="1.1.0", kind=pb.ROLLOUT_KIND_DIRECT, min_step_s=0
            ),
            "INVALID_ARGUMENT",
            None,
            "min_step_s",
        ),
        (
            pb.StartRolloutRequest(engine="damage", release="1.1.0", ignore=["errors"]),
            "INVALID_ARGUMENT",
            None,
            "ignore",
        ),
        (
            pb.StartRolloutRequest(engine="damage", release="1.1.0", who="a\x1b[2J"),
            "INVALID_ARGUMENT",
            None,
            "who",
        ),
        (
            pb.StartRolloutRequest(engine="damage", release="1.1.0", reason="r" * 201),
            "INVALID_ARGUMENT",
            None,
            "reason",
        ),
        (
            pb.StartExperimentRequest(engine="damage", split={"1.0.0": 60}),
            "INVALID_ARGUMENT",
            None,
            "split",
        ),
        (pb.RollBackRequest(engine="damage"), "FAILED_PRECONDITION", "conflict", "to"),
        (pb.GetRolloutRequest(rollout="x"), "NOT_FOUND", "not_found", "rollout"),
        (pb.GetRolloutEvidenceRequest(rollout="x"), "NOT_FOUND", "not_found", "rollout"),
        (pb.PauseRolloutRequest(rollout="x"), "NOT_FOUND", "not_found", "rollout"),
        (pb.ListRolloutsRequest(limit=501), "INVALID_ARGUMENT", None, "limit"),
        (pb.ListAuditEntriesRequest(limit=1001), "INVALID_ARGUMENT", None, "limit"),
    ],
)
async def test_a_refusal_has_its_code_and_its_field(
    edge: Edge, request_: Message, status: str, code: str | None, field: str | None
) -> None:
    assert await refused(edge, request_) == (status, code or "invalid_argument", field)
    assert edge.rollouts.all == []


async def test_a_store_that_does_not_answer_is_unavailable(edge: Edge) -> None:
    edge.rollouts.error = ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "no answer")
    assert await refused(edge, START) == ("UNAVAILABLE", "store_unavailable", None)


async def test_a_step_is_shown_with_its_evidence(edge: Edge) -> None:
    assert not (await ask(edge, START)).HasField("slow_s")
    edge.rollouts.move("damage", state=State.PAUSED, paused_in=State.STEP, step=2)
    alarm_only = figures(metric="sample_ratio", clear_log_e=None, clear_log_threshold=None)
    edge.rollouts.looks["damage-0001"] = [
        assessment(1),
        assessment(2, figures(), alarm_only),
    ]
    shown = await ask(edge, pb.GetRolloutRequest(rollout="damage"))
    assert (shown.state, shown.paused_in) == (pb.ROLLOUT_STATE_PAUSED, pb.ROLLOUT_STATE_STEP)
    assert (shown.step, shown.weight_bp, shown.samples) == (2, 5000, 312)
    assert shown.slow_s == 0.25
    assert (shown.verdict, shown.assessment.reason) == (pb.VERDICT_UNDECIDED, NOT_WORSE_YET)
    errors, ratio = shown.assessment.metrics
    assert (errors.metric, errors.verdict) == ("errors", pb.VERDICT_UNDECIDED)
    assert (errors.evidence, errors.threshold) == (1.25, 4.5)
    assert (errors.clear_evidence, errors.clear_threshold) == (3.0, 4.0)
    assert (errors.stable, errors.target) == (0.004, 0.006)
    assert not ratio.HasField("clear_evidence")
    evidence = await ask(edge, pb.GetRolloutEvidenceRequest(rollout="damage"), pb.RolloutEvidence)
    assert (evidence.rollout, evidence.engine) == ("damage-0001", "damage")
    assert [look.step for look in evidence.assessments] == [1, 2]
    last = pb.GetRolloutEvidenceRequest(rollout="damage", limit=1)
    assert [one.step for one in (await ask(edge, last, pb.RolloutEvidence)).assessments] == [2]


async def test_a_rollout_obeys_and_an_engine_is_taken_back(edge: Edge) -> None:
    await ask(edge, START)
    edge.rollouts.move("damage", state=State.STEP, step=1)
    signed = {"rollout": "damage", "who": "ada", "reason": "looks odd"}
    states = [
        (await ask(edge, kind(**signed))).state
        for kind in (
            pb.PauseRolloutRequest,
            pb.ResumeRolloutRequest,
            pb.AdvanceRolloutRequest,
            pb.AbortRolloutRequest,
        )
    ]
    assert states == [
        pb.ROLLOUT_STATE_PAUSED,
        pb.ROLLOUT_STATE_STEP,
        pb.ROLLOUT_STATE_STEP,
        pb.ROLLOUT_STATE_ROLLING_BACK,
    ]
    assert {record.entry.who for record in edge.rollouts.records[1:]} == {"ada"}
    taken = await ask(edge, pb.RollBackRequest(engine="damage"))
    assert taken.state == pb.ROLLOUT_STATE_ROLLING_BACK
    edge.rollouts.move("damage", state=State.ROLLED_BACK)
    other = await ask(edge, pb.RollBackRequest(engine="damage", to="1.2.0"))
    assert (other.target, other.is_reversal) == ("1.2.0", True)


async def test_rollouts_are_listed(edge: Edge) -> None:
    await ask(edge, START)
    await ask(edge, pb.StartRolloutRequest(engine="materials", release="1.1.0"))

    async def listed(**asked: Any) -> list[str]:
        request = pb.ListRolloutsRequest(**asked)
        return [one.id for one in (await ask(edge, request, pb.ListRolloutsResponse)).rollouts]

    assert await listed() == ["materials-0002", "damage-0001"]
    assert await listed(limit=1) == ["materials-0002"]
    assert await listed(engine="damage") == ["damage-0001"]


async def test_the_audit_is_listed(edge: Edge) -> None:
    await ask(edge, pb.StartRolloutRequest(engine="damage", release="1.1.0", who="ada"))
    await ask(edge, pb.PauseRolloutRequest(rollout="damage", reason="looks odd"))

    async def listed(**asked: Any) -> list[Any]:
        request = pb.ListAuditEntriesRequest(**asked)
        return list((await ask(edge, request, pb.ListAuditEntriesResponse)).entries)

    paused, promoted = await listed()
    assert (promoted.number, promoted.who, promoted.action) == (1, "ada", "promote")
    assert (paused.engine, paused.rollout, paused.reason) == ("damage", "damage-0001", "looks odd")
    assert dict(paused.before) == {"state": "pending"}
    assert dict(paused.after) == {"state": "paused"}
    assert paused.at.ToDatetime().hour == 12
    assert await listed(before=2) == [promoted]
    assert await listed(limit=1) == [paused]
    assert await listed(engine="materials") == []
    assert await listed(rollout="damage-0001", before=2) == [promoted]


def watching(edge: Edge, **asked: Any) -> Any:
    message = pb.WatchRolloutRequest(interval_s=0.1, **asked).SerializeToString()
    return edge.channel.unary_stream(OPERATIONS + "WatchRollout")(message, timeout=20)


async def test_a_watch_shows_changes_until_it_is_finished(edge: Edge) -> None:
    """An engine's name is the rollout it had first, also when another one has begun."""
    await ask(edge, START)
    moves: list[Callable[[], object]] = [
        lambda: None,
        lambda: None,
        lambda: edge.rollouts.move("damage-0001", state=State.STEP, step=1),
        lambda: edge.rollouts.looks.setdefault("damage-0001", []).append(assessment(1)),
        lambda: edge.rollouts.move("damage-0001", state=State.ROLLED_BACK),
    ]
    edge.rollouts.looked = lambda _: moves.pop(0)()
    shown = [pb.Rollout.FromString(raw) async for raw in watching(edge, rollout="damage")]
    assert moves == []
    assert [one.state for one in shown] == [
        pb.ROLLOUT_STATE_PENDING,
        pb.ROLLOUT_STATE_STEP,
        pb.ROLLOUT_STATE_STEP,
        pb.ROLLOUT_STATE_ROLLED_BACK,
    ]
    assert [one.samples for one in shown] == [0, 0, 312, 312]


async def test_a_watch_ends_when_its_caller_goes() -> None:
    """Seen by its place being free again, on a server that takes one call at a time."""
    rollouts = FakeRollouts()
    await rollouts.start("damage", "1.1.0", Plan(), who="ada", reason="")
    server = make_server(
        *(make_fleet(FakeInstance()), FakeClock(), FakePhotos({})),
        max_concurrent_calls=1,
        rollouts=rollouts,
    )
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        watch = channel.unary_stream(OPERATIONS + "WatchRollout")(
            pb.WatchRolloutRequest(rollout="damage", interval_s=3600).SerializeToString()
        )
        await watch.read()
        read = channel.unary_unary(OPERATIONS + "ListRollouts")
        with pytest.raises(grpc.aio.AioRpcError) as full:
            await read(b"", timeout=10)
        assert full.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        watch.cancel()
        async with asyncio.timeout(10):
            while not await is_answered(read(b"", timeout=10)):
                pass
    await server.stop(0)


async def is_answered(call: Any) -> bool:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return False
    return True


async def test_a_watch_ends_when_the_server_stops(edge: Edge) -> None:
    await ask(edge, START)
    message = pb.WatchRolloutRequest(rollout="damage", interval_s=3600).SerializeToString()
    call = edge.channel.unary_stream(OPERATIONS + "WatchRollout")(message, timeout=20)
    await call.read()
    stopping = asyncio.create_task(edge.server.stop(10))
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert trailing(ended.value.trailing_metadata())["x-tidegate-code"] == "shutting_down"
    await asyncio.wait_for(stopping, 5)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (pb.WatchRolloutRequest(rollout="x"), grpc.StatusCode.NOT_FOUND),
        (pb.WatchRolloutRequest(interval_s=0.01), grpc.StatusCode.INVALID_ARGUMENT),
        (pb.WatchRolloutRequest(interval_s=3601), grpc.StatusCode.INVALID_ARGUMENT),
        (pb.WatchRolloutRequest(interval_s=float("nan")), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_a_watch_is_refused_as_any_call(
    edge: Edge, message: pb.WatchRolloutRequest, status: grpc.StatusCode
) -> None:
    method = edge.channel.unary_stream(OPERATIONS + "WatchRollout")
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await method(message.SerializeToString()).read()
    assert refusal.value.code() is status


def test_every_word_has_its_number() -> None:
    assert set(KINDS) == set(Kind)
    assert set(STATES) == set(State)
    assert set(VERDICTS) == set(Verdict)
    for words, numbers in (
        (KINDS, pb.RolloutKind),
        (STATES, pb.RolloutState),
        (VERDICTS, pb.Verdict),
    ):
        assert {0, *words.values()} == set(numbers.values())
    assert set(KIND_OF) == set(pb.RolloutKind.values())
