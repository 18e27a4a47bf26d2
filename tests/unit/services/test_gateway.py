"""One request: routed, balanced, re-targeted, settled; and what each ending means."""

from __future__ import annotations

import asyncio

import pytest
from tritonclient.grpc import service_pb2

from control_plane.core.deadline import Deadline
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import CallMetadata
from control_plane.services.calling import InferCall
from control_plane.services.gateway import Gateway, InferAnswer
from tests.unit.fakes import FakeClock, FakeInstance, call_failed
from tests.unit.samples import TABLE, infer_request, make_fleet, make_gateway


def call(
    engine: str = "damage",
    wanted: str = "",
    message: bytes | None = None,
    expires_at_s: float = 1030.0,
) -> InferCall:
    if message is None:
        message = infer_request("anything", "9", request_id="r-1")
    return InferCall(message, engine, wanted, "key", Deadline(expires_at_s), "c-1")


async def refusal_of(gateway: Gateway, asked: InferCall) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as refusal:
        await gateway.infer(asked)
    return refusal.value


async def test_a_request_is_retargeted_and_its_answer_comes_under_the_engines_name() -> None:
    triton = FakeInstance()
    answer = await make_gateway(make_fleet(triton)).infer(call())
    assert triton.calls == ["damage--1.0.0/1"]
    assert (answer.release, answer.instance, answer.attempts) == ("1.0.0", "triton-0", 1)
    response = service_pb2.ModelInferResponse.FromString(answer.message)
    assert (response.model_name, response.model_version) == ("damage", "1.0.0")
    assert (response.id, list(response.raw_output_contents)) == ("r-1", [b"\x01\x00\x00\x00"])


async def test_a_plain_model_is_asked_for_its_version() -> None:
    triton = FakeInstance()
    answer = await make_gateway(make_fleet(triton)).infer(call("volume", "stable"))
    assert triton.calls == ["volume/4"]
    response = service_pb2.ModelInferResponse.FromString(answer.message)
    assert (response.model_name, response.model_version) == ("volume", "4.0.0")


async def test_a_call_takes_what_the_engine_and_the_deadline_allow() -> None:
    triton, clock = FakeInstance(), FakeClock(1000.0)
    gateway = make_gateway(make_fleet(triton), clock)
    await gateway.infer(call("damage"))
    await gateway.infer(call("volume"))
    clock.advance(29.5)
    await gateway.infer(call("damage"))
    assert triton.timeouts_s == [2.0, 1.0, 0.5]


async def test_nothing_is_sent_after_the_deadline() -> None:
    triton = FakeInstance()
    refusal = await refusal_of(make_gateway(make_fleet(triton)), call(expires_at_s=1000.0))
    assert refusal.code is ErrorCode.DEADLINE_EXCEEDED
    assert triton.calls == []


@pytest.mark.parametrize(
    ("engine", "wanted", "code"),
    [
        ("roof", "", ErrorCode.UNKNOWN_ENGINE),
        ("damage", "9.0.0", ErrorCode.UNKNOWN_RELEASE),
        ("damage", "1.1.0", ErrorCode.RELEASE_NOT_READY),
        ("damage", "canary", ErrorCode.RELEASE_NOT_READY),
    ],
)
async def test_what_cannot_be_routed_is_refused(engine: str, wanted: str, code: ErrorCode) -> None:
    gateway = make_gateway(make_fleet(FakeInstance()))
    assert (await refusal_of(gateway, call(engine, wanted))).code is code


@pytest.mark.parametrize(
    ("status", "said", "code", "message"),
    [
        (
            "INVALID_ARGUMENT",
            "[request id: r-1] unexpected shape for input 'X' for model 'damage--1.0.0'",
            ErrorCode.INVALID_ARGUMENT,
            "[request id: r-1] unexpected shape for input 'X' for model 'damage'",
        ),
        (
            "INVALID_ARGUMENT",
            "in ensemble 'damage--1.0.0', IMAGE: the photo is empty (0 bytes)",
            ErrorCode.INVALID_ARGUMENT,
            "IMAGE: the photo is empty (0 bytes)",
        ),
        (
            "DEADLINE_EXCEEDED",
            "Deadline Exceeded",
            ErrorCode.DEADLINE_EXCEEDED,
            "engine 'damage' did not answer in time",
        ),
        (
            "UNAVAILABLE",
            "connection refused",
            ErrorCode.BACKEND_UNAVAILABLE,
            "instance 'triton-0' cannot be reached: connection refused",
        ),
        (
            "UNAVAILABLE",
            "Exceeds maximum queue size",
            ErrorCode.OVERLOADED,
            "Exceeds maximum queue size",
        ),
        ("INTERNAL", "stub died", ErrorCode.BACKEND_FAULT, "stub died"),
        ("UNKNOWN", "", ErrorCode.BACKEND_FAULT, "engine 'damage' failed (UNKNOWN)"),
    ],
)
async def test_how_a_call_ended_is_told_in_the_engines_name(
    status: str, said: str, code: ErrorCode, message: str
) -> None:
    triton = FakeInstance(failures={"damage--1.0.0": call_failed(status, said)})
    fleet = make_fleet(triton)
    refusal = await refusal_of(make_gateway(fleet), call())
    assert (refusal.code, refusal.message) == (code, message)
    assert fleet.instances[0].in_flight == 0


async def test_a_fault_over_a_message_that_is_none_is_the_callers_mistake() -> None:
    class Refusing(FakeInstance):
        """As Triton is on bytes its parser refuses."""

        async def infer(
            self, message: bytes, *, timeout_s: float, metadata: CallMetadata = ()
        ) -> bytes:
            raise call_failed("INTERNAL", "Unable to parse request")

    refusal = await refusal_of(make_gateway(make_fleet(Refusing())), call(message=b"\x2a\x01\xff"))
    assert refusal.code is ErrorCode.INVALID_ARGUMENT
    assert refusal.field == "message"
    assert refusal.message == "malformed protobuf: no ModelInferRequest"


@pytest.mark.parametrize(
    ("status", "said"), [("INTERNAL", "stub died"), ("UNKNOWN", "Unable to parse request")]
)
async def test_no_other_fault_has_the_message_parsed(
    monkeypatch: pytest.MonkeyPatch, status: str, said: str
) -> None:
    def parse(_message: bytes) -> bool:
        raise AssertionError("parsed")

    monkeypatch.setattr("control_plane.services.calling.is_infer_request", parse)
    triton = FakeInstance(failures={"damage--1.0.0": call_failed(status, said)})
    refusal = await refusal_of(make_gateway(make_fleet(triton)), call())
    assert (refusal.code, refusal.message) == (ErrorCode.BACKEND_FAULT, said)


async def test_a_fault_over_a_message_that_parses_is_the_instances() -> None:
    said = call_failed("INTERNAL", "Unable to parse request")
    triton = FakeInstance(failures={"damage--1.0.0": said})
    refusal = await refusal_of(make_gateway(make_fleet(triton)), call())
    assert refusal.code is ErrorCode.BACKEND_FAULT


async def test_a_cancelled_call_gives_its_place_back() -> None:
    triton = FakeInstance()
    triton.hold.clear()
    fleet = make_fleet(triton)
    task = asyncio.create_task(make_gateway(fleet).infer(call()))
    await triton.entered.get()
    assert fleet.instances[0].in_flight == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fleet.instances[0].in_flight == 0


async def test_the_table_is_read_anew_for_every_request() -> None:
    tables = [TABLE]
    gateway = make_gateway(make_fleet(FakeInstance()), table=lambda: tables[-1])
    await gateway.infer(call())
    tables.append(type(TABLE)(2, {}))
    assert gateway.table.revision == 2
    assert (await refusal_of(gateway, call())).code is ErrorCode.UNKNOWN_ENGINE


def test_messages_are_not_printed() -> None:
    assert "secret" not in repr(call(message=b"secret"))
    assert "secret" not in repr(InferAnswer(b"secret", "1.0.0", "triton-0", ()))
