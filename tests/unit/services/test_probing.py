"""A probe is a real inference on the golden input, and what comes back is judged once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tritonclient.grpc import service_pb2

from control_plane.core.catalogue import Release
from control_plane.core.golden import Golden, Tolerance
from control_plane.core.health import ProbeResult
from control_plane.services.instance import Instance
from control_plane.services.probing import Probed, Prober, ProbeTimes
from tests.unit.fakes import Answer, FakeClock, FakeInstance, call_failed, echo
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, MEASURED, VOLUME, write_tensors

TOLERANCE = Tolerance(atol=0.1, rtol=0.0)
STORED = {name: values[None] for name, values in MEASURED.items()}
INPUTS = {"X": np.array([7], np.int32)}


def answering(tensors: Mapping[str, npt.NDArray[Any]]) -> Answer:
    return lambda request: write_tensors(tensors, model_name=request.model_name)


class Site:
    """One Triton, and a prober that knows ``damage`` by a photo and ``volume`` by its tensors."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.triton = FakeInstance(answer=answer or answering(MEASURED))
        self.clock = FakeClock()
        self.instance = Instance("triton-0", "host:8001", self.triton)
        goldens = {
            "damage": Golden(TOLERANCE, photo=b"photo", answers={"1.0.0": STORED}),
            "volume": Golden(TOLERANCE, inputs=INPUTS, answers={"4.0.0": INPUTS}),
        }
        times = ProbeTimes(timeout_s=2.5, slow_s=1.0, by_engine={"volume": 15.0})
        self.prober = Prober(goldens, times=times, clock=self.clock)

    async def probe(self, release: Release = DAMAGE, *, inferences: int = 1) -> Probed:
        return await self.prober.probe(self.instance, release, inferences=inferences)

    def fail(self, status: str, message: str) -> None:
        self.triton.failures["damage--1.0.0"] = call_failed(status, message)


class TestAnswers:
    async def test_the_right_one_is_ok(self) -> None:
        site = Site()
        assert await site.probe() == Probed(ProbeResult.OK)
        assert site.triton.calls == ["damage--1.0.0/1"]
        assert site.triton.timeouts_s == [2.5]
        assert site.prober.engines == {"damage", "volume"}

    async def test_tensors_are_compared_with_their_batch_dimension_if_they_have_one(self) -> None:
        site = Site(echo)
        assert await site.probe(VOLUME) == Probed(ProbeResult.OK)
        assert site.triton.calls == ["volume/4"]

    async def test_an_engine_may_have_more_time_than_others(self) -> None:
        site = Site(echo)
        await site.probe(VOLUME)
        assert site.triton.timeouts_s == [15.0]

    async def test_one_within_tolerance_is_ok(self) -> None:
        near = {**MEASURED, "CONFIDENCE": MEASURED["CONFIDENCE"] + np.float32(0.09)}
        assert await Site(answering(near)).probe() == Probed(ProbeResult.OK)

    async def test_another_one_is_wrong_and_says_where(self) -> None:
        far = {**MEASURED, "CONFIDENCE": MEASURED["CONFIDENCE"] + np.float32(0.11)}
        probed = await Site(answering(far)).probe()
        assert probed.result is ProbeResult.WRONG_ANSWER
        assert probed.reason.startswith("CONFIDENCE[0] is 0.98")

    @pytest.mark.parametrize(
        "raw",
        [
            write_tensors({"VOLUME_M3": np.zeros(1, np.float32)}),
            service_pb2.ModelInferResponse(),
            write_tensors(MEASURED | {"EXTRA": np.zeros(1, np.float32)}),
        ],
    )
    async def test_other_outputs_are_wrong(self, raw: service_pb2.ModelInferResponse) -> None:
        probed = await Site(lambda _: raw).probe()
        assert probed.result is ProbeResult.WRONG_ANSWER
        assert probed.reason.startswith("outputs are ")

    @pytest.mark.parametrize("shape", [[], [0, 1]])
    async def test_one_without_a_batch_is_wrong(self, shape: list[int]) -> None:
        answer = write_tensors(MEASURED)
        answer.outputs[0].shape[:] = shape
        answer.raw_output_contents[0] = b"" if shape else bytes(4)
        assert (await Site(lambda _: answer).probe()).result is ProbeResult.WRONG_ANSWER

    async def test_one_that_cannot_be_read_is_wrong(self) -> None:
        answer = write_tensors(MEASURED)
        answer.raw_output_contents[0] = b"\x00"
        probed = await Site(lambda _: answer).probe()
        assert probed.result is ProbeResult.WRONG_ANSWER
        assert probed.reason.startswith("the instance's answer cannot be read: ")

    async def test_a_release_without_a_stored_answer_proves_that_it_answers(self) -> None:
        assert await Site(echo).probe(DAMAGE_NEXT) == Probed(ProbeResult.OK)
        unreadable = service_pb2.ModelInferResponse(raw_output_contents=[b"\x00"])
        probed = await Site(lambda _: unreadable).probe(DAMAGE_NEXT)
        assert probed.result is ProbeResult.WRONG_ANSWER

    @pytest.mark.parametrize(("took_s", "result"), [(1.0, ProbeResult.OK), (1.5, ProbeResult.SLOW)])
    async def test_a_right_one_that_comes_late_is_slow(
        self, took_s: float, result: ProbeResult
    ) -> None:
        site = Site(late(MEASURED, took_s, lambda: site.clock))
        assert (await site.probe()).result is result

    async def test_a_wrong_one_that_comes_late_is_wrong(self) -> None:
        site = Site(late({}, 1.5, lambda: site.clock))
        assert (await site.probe()).result is ProbeResult.WRONG_ANSWER


def late(
    tensors: Mapping[str, npt.NDArray[Any]], took_s: float, clock: Callable[[], FakeClock]
) -> Answer:
    def answer(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        clock().advance(took_s)
        return write_tensors(tensors)

    return answer


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "message", "result"),
        [
            ("INTERNAL", "Stub process 'damage_detector_0_1' is not healthy", ProbeResult.DEAD),
            ("INTERNAL", "Stub process 'a_stranger_0_1' is not healthy", ProbeResult.FAILED),
            ("INVALID_ARGUMENT", "unexpected shape", ProbeResult.FAILED),
            ("DEADLINE_EXCEEDED", "Deadline Exceeded", ProbeResult.FAILED),
            ("UNAVAILABLE", "failed to connect to all addresses", ProbeResult.FAILED),
            ("UNAVAILABLE", "Exceeds maximum queue size", ProbeResult.BUSY),
            ("RESOURCE_EXHAUSTED", "too many", ProbeResult.BUSY),
        ],
    )
    async def test_what_a_failed_call_amounts_to(
        self, status: str, message: str, result: ProbeResult
    ) -> None:
        site = Site()
        site.fail(status, message)
        assert await site.probe() == Probed(result, f"{status}: {message}")
        assert not site.instance.look_again.is_set()

    @pytest.mark.parametrize(
        ("status", "message"),
        [("UNAVAILABLE", "version 1 is not at ready state"), ("NOT_FOUND", "is not found")],
    )
    async def test_one_that_is_not_ready_there_has_failed_and_is_looked_at(
        self, status: str, message: str
    ) -> None:
        site = Site()
        site.fail(status, message)
        assert (await site.probe()).result is ProbeResult.FAILED
        assert site.instance.look_again.is_set()

    @pytest.mark.parametrize(
        ("answered_at_s", "result"),
        [(999.9, ProbeResult.FAILED), (1000.0, ProbeResult.BUSY), (1001.0, ProbeResult.BUSY)],
    )
    async def test_out_of_time_while_others_are_answered_it_is_busy(
        self, answered_at_s: float, result: ProbeResult
    ) -> None:
        site = Site()
        site.fail("DEADLINE_EXCEEDED", "Deadline Exceeded")
        site.instance.answered_at_s["damage", "1.0.0"] = answered_at_s
        assert (await site.probe()).result is result

    async def test_others_of_another_engine_say_nothing(self) -> None:
        site = Site()
        site.fail("DEADLINE_EXCEEDED", "Deadline Exceeded")
        site.instance.answered_at_s["volume", "4.0.0"] = 1001.0
        assert (await site.probe()).result is ProbeResult.FAILED

    async def test_a_fault_is_one_also_while_others_are_answered(self) -> None:
        site = Site()
        site.fail("INTERNAL", "Stub process 'x' is not healthy")
        site.instance.answered_at_s["damage", "1.0.0"] = 1001.0
        assert (await site.probe()).result is ProbeResult.FAILED

    async def test_a_long_story_is_cut(self) -> None:
        site = Site()
        site.fail("INTERNAL", "x" * 1000)
        assert len((await site.probe()).reason) == 300


class TestRows:
    async def test_a_row_is_so_many_inferences(self) -> None:
        site = Site()
        assert await site.probe(inferences=6) == Probed(ProbeResult.OK)
        assert site.triton.calls == ["damage--1.0.0/1"] * 6

    @pytest.mark.parametrize(("odd", "asked"), [("wrong", 3), ("failed", 3), ("slow", 6)])
    async def test_it_ends_at_the_first_that_is_no_proof(self, odd: str, asked: int) -> None:
        def answer(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
            if len(site.triton.calls) < 3:
                return write_tensors(MEASURED)
            if odd == "failed":
                raise call_failed("INTERNAL", "Stub process 'x' is not healthy")
            if odd == "wrong":
                return write_tensors({})
            if len(site.triton.calls) == 3:
                site.clock.advance(2.0)
            return write_tensors(MEASURED)

        site = Site(answer)
        results = {
            "wrong": ProbeResult.WRONG_ANSWER,
            "failed": ProbeResult.FAILED,
            "slow": ProbeResult.SLOW,
        }
        assert (await site.probe(inferences=6)).result is results[odd]
        assert len(site.triton.calls) == asked


class TestMessages:
    async def asked(self, release: Release) -> service_pb2.ModelInferRequest:
        found = []

        def answer(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
            found.append(request)
            return echo(request)

        await Site(answer).probe(release)
        (request,) = found
        return request

    async def test_a_photo_goes_ahead_of_the_callers_requests(self) -> None:
        request = await self.asked(DAMAGE)
        assert (request.model_name, request.model_version) == ("damage--1.0.0", "1")
        assert request.parameters["priority"].int64_param == 1
        (tensor,) = request.inputs
        assert (tensor.name, tensor.datatype, list(tensor.shape)) == ("IMAGE", "BYTES", [1, 1])
        assert list(request.raw_input_contents) == [b"\x05\x00\x00\x00photo"]

    async def test_and_so_do_tensors(self) -> None:
        request = await self.asked(VOLUME)
        assert (request.model_name, request.model_version) == ("volume", "4")
        assert request.parameters["priority"].int64_param == 1
        (tensor,) = request.inputs
        assert (tensor.name, tensor.datatype, list(tensor.shape)) == ("X", "INT32", [1])
        assert list(request.raw_input_contents) == [b"\x07\x00\x00\x00"]
