"""What every call shares: correlation, keys, deadlines, typed refusals, one log line."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs
from tritonclient.grpc import service_pb2

from control_plane.core.catalogue import Release
from control_plane.core.deadline import Deadline
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.grpc_api.calls import CallTimeouts, read_deadline, within_deadline
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Place
from tests.unit.fakes import FakeClock, call_failed
from tests.unit.grpc_api.conftest import KSERVE, MAX_MESSAGE_BYTES, ORCHESTRATOR, Edge
from tests.unit.samples import infer_request

INFER = KSERVE + "ModelInfer"
LIVE = KSERVE + "ServerLive"
TIMEOUTS = CallTimeouts(30.0, 60.0)


async def test_a_correlation_id_goes_through(edge: Edge) -> None:
    for method, message in ((INFER, infer_request("damage")), (LIVE, b"")):
        _, metadata = await edge.call(method, message, x_correlation_id="job-7:a/b._c")
        assert metadata["x-correlation-id"] == "job-7:a/b._c"
    assert edge.triton.metadata == [{"x-correlation-id": "job-7:a/b._c"}]
    refusal = await edge.refusal(INFER, infer_request("roof"), x_correlation_id="job-8")
    assert refusal.metadata["x-correlation-id"] == "job-8"


@pytest.mark.parametrize(
    "given", [{}, {"x_correlation_id": "a b"}, {"x_correlation_id": "x" * 129}]
)
async def test_without_a_usable_one_a_correlation_id_is_made(
    edge: Edge, given: dict[str, str]
) -> None:
    seen = {(await edge.call(LIVE, b"", **given))[1]["x-correlation-id"] for _ in range(3)}
    assert len(seen) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", made) for made in seen)


async def test_a_longest_correlation_id_is_kept(edge: Edge) -> None:
    _, metadata = await edge.call(LIVE, b"", x_correlation_id="x" * 128)
    assert metadata["x-correlation-id"] == "x" * 128


async def test_a_routing_key_is_bounded(edge: Edge) -> None:
    await edge.call(INFER, infer_request("damage"), x_routing_key="k" * 128)
    refusal = await edge.refusal(INFER, infer_request("damage"), x_routing_key="k" * 129)
    assert refusal.status == "INVALID_ARGUMENT"
    assert refusal.message == "x-routing-key has 129 characters; the limit is 128"
    assert refusal.metadata["x-tidegate-code"] == "invalid_argument"
    assert refusal.metadata["x-tidegate-field"] == "x-routing-key"


async def test_an_unknown_priority_is_refused(edge: Edge) -> None:
    refusal = await edge.refusal(INFER, infer_request("damage"), x_priority="urgent")
    assert refusal.status == "INVALID_ARGUMENT"
    assert refusal.metadata["x-tidegate-field"] == "priority"


async def test_a_deadline_is_the_callers_or_the_default(edge: Edge) -> None:
    await edge.call(INFER, infer_request("damage"), timeout_s=2.0)
    await edge.call(INFER, infer_request("damage"), timeout_s=None)
    callers, default = edge.triton.timeouts_s
    assert 1.0 < callers < 2.5  # gRPC rounds a deadline up
    assert default == 2.0  # of a try


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig", "ModelStatistics"])
async def test_a_read_takes_what_the_callers_deadline_allows(edge: Edge, method: str) -> None:
    request = getattr(service_pb2, f"{method}Request")(name="damage").SerializeToString()
    await edge.call(KSERVE + method, request, timeout_s=2.0)
    await edge.call(KSERVE + method, request, timeout_s=None)
    callers, default = edge.triton.timeouts_s
    assert 1.0 < callers < 2.5  # gRPC rounds a deadline up
    assert default == 3.0


@dataclass(frozen=True, slots=True)
class Context:
    """As much of a ServicerContext as a deadline needs."""

    remaining_s: float | None

    def time_remaining(self) -> float | None:
        return self.remaining_s


@pytest.mark.parametrize(
    ("remaining_s", "deadline"),
    [(None, 1030.0), (2.5, 1002.5), (60.0, 1060.0), (100.0, 1060.0), (0.0, 1000.0), (-1.0, 999.0)],
)
def test_a_deadline_is_on_the_clock_of_the_services(
    remaining_s: float | None, deadline: float
) -> None:
    assert read_deadline(Context(remaining_s), FakeClock(1000.0), TIMEOUTS) == Deadline(deadline)


@pytest.mark.parametrize("remaining_s", [0.0, -1.0])
async def test_work_that_takes_no_deadline_is_ended_at_it(remaining_s: float) -> None:
    with pytest.raises(ControlPlaneError) as late:
        async with within_deadline(Context(remaining_s), TIMEOUTS):
            await asyncio.Event().wait()
    assert late.value.code is ErrorCode.DEADLINE_EXCEEDED


async def test_work_that_is_done_in_time_is_left_alone() -> None:
    async with within_deadline(Context(None), TIMEOUTS):
        pass


async def test_a_deadline_already_past_costs_no_instance_anything(edge: Edge) -> None:
    refusal = await edge.refusal(INFER, infer_request("damage"), timeout_s=-1.0)
    assert refusal.status == "DEADLINE_EXCEEDED"
    assert edge.triton.calls == []


@pytest.mark.parametrize(
    ("message", "status", "code", "field"),
    [
        (infer_request("roof"), "NOT_FOUND", "unknown_engine", "model_name"),
        (infer_request("damage", "9.9.9"), "NOT_FOUND", "unknown_release", "model_version"),
        (infer_request("damage", "1.1.0"), "UNAVAILABLE", "release_not_ready", "model_version"),
        (infer_request("damage", "canary"), "UNAVAILABLE", "release_not_ready", "model_version"),
        (b"\x0a\x7f", "INVALID_ARGUMENT", "invalid_argument", "message"),
        (b"\x0a\x01\xff", "INVALID_ARGUMENT", "invalid_argument", "model_name"),
    ],
)
async def test_a_refusal_is_typed_and_costs_only_its_own_request(
    edge: Edge, message: bytes, status: str, code: str, field: str
) -> None:
    with capture_logs() as logs:
        refusal = await edge.refusal(INFER, message)
    assert refusal.status == status
    assert refusal.metadata["x-tidegate-code"] == code
    assert refusal.metadata["x-tidegate-field"] == field
    (line,) = logs
    assert (line["event"], line["method"], line["code"]) == ("call refused", "ModelInfer", code)
    assert line["reason"] == refusal.message
    await edge.call(INFER, infer_request("damage"))


async def test_when_to_try_again_is_told(edge: Edge) -> None:
    edge.fleet.publish("triton-0", serving=(), is_live=True, reason="", now_s=0.0)
    refusal = await edge.refusal(INFER, infer_request("damage"))
    assert refusal.status == "UNAVAILABLE"
    assert refusal.metadata["x-tidegate-retry-after-s"] == "1"
    assert "x-tidegate-field" not in refusal.metadata


@pytest.mark.parametrize(
    "method", ["ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "RepositoryIndex"]
)
async def test_a_message_that_is_none_names_the_message(edge: Edge, method: str) -> None:
    refusal = await edge.refusal(KSERVE + method, b"\xff")
    assert refusal.status == "INVALID_ARGUMENT"
    assert refusal.message == f"malformed protobuf: no {method}Request"
    assert refusal.metadata["x-tidegate-field"] == "message"


async def test_a_detect_request_that_is_none_names_the_message(edge: Edge) -> None:
    refusal = await edge.refusal(ORCHESTRATOR + "Detect", b"\xff")
    assert refusal.message == "malformed protobuf: no DetectRequest"
    assert refusal.metadata["x-tidegate-field"] == "message"


async def test_a_message_above_the_bound_is_refused_and_the_service_goes_on(edge: Edge) -> None:
    too_large = infer_request("damage", values=bytes(MAX_MESSAGE_BYTES))
    refusal = await edge.refusal(INFER, too_large)
    assert refusal.status == "RESOURCE_EXHAUSTED"
    assert str(MAX_MESSAGE_BYTES) in refusal.message
    await edge.call(INFER, infer_request("damage"))


async def test_a_message_just_below_the_bound_comes_back_whole(edge: Edge) -> None:
    values = bytes(MAX_MESSAGE_BYTES - 200)
    raw, _ = await edge.call(INFER, infer_request("damage", values=values))
    answer = service_pb2.ModelInferResponse.FromString(raw)
    assert list(answer.raw_output_contents) == [values]


async def test_an_unexpected_error_is_logged_and_answered_opaquely(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reserve(self: Fleet, release: Release, **_: object) -> Place:
        raise RuntimeError("the secret of /etc/passwd")

    monkeypatch.setattr(Fleet, "reserve", reserve)
    with capture_logs() as logs:
        refusal = await edge.refusal(INFER, infer_request("damage"), x_correlation_id="job-9")
    assert refusal.status == "INTERNAL"
    assert refusal.message == "internal error; the log has more under this correlation id"
    assert refusal.metadata["x-tidegate-code"] == "internal"
    assert refusal.metadata["x-correlation-id"] == "job-9"
    (line,) = logs
    assert (line["event"], line["method"], line["log_level"]) == (
        "call failed",
        "ModelInfer",
        "error",
    )
    assert str(line["exc_info"]) == "the secret of /etc/passwd"


async def test_a_backends_long_words_are_cut_to_what_a_client_takes(edge: Edge) -> None:
    # A client takes 8 KiB of metadata: a whole traceback would replace the status by its own.
    traceback = "ÿ" * 20_000
    edge.triton.failures["damage--1.0.0"] = call_failed("INTERNAL", traceback)
    refusal = await edge.refusal(INFER, infer_request("damage"))
    assert refusal.status == "INTERNAL"
    assert refusal.metadata["x-tidegate-code"] == "backend_fault"
    assert refusal.message.startswith("ÿ" * 100)
    assert refusal.message.endswith("…")
