"""TritonInstance against a server that speaks Triton's protocol, over a real connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
import pytest
from tritonclient.grpc import service_pb2

from control_plane.adapters import triton
from control_plane.adapters.clock import MonotonicClock
from control_plane.adapters.triton import HEADROOM_BYTES, TritonInstance
from control_plane.core.loading import Observation, twin_config, with_versions
from control_plane.ports import CallFailed
from tests.unit.adapters.fake_kserve import FakeTriton, served
from tests.unit.fakes import FakeInstance, call_failed
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, FOLDERS, SPECS, VOLUME, infer_request

LOADED = {"preprocess": {1}, "damage_detector": {1}, "volume": {3, 4}}
READY = {name: frozenset(versions) for name, versions in LOADED.items()}


class Site:
    """A fake Triton that is served, and the adapter that calls it."""

    def __init__(self, triton: FakeTriton, adapter: TritonInstance, url: str) -> None:
        self.triton = triton
        self.adapter = adapter
        self.url = url

    async def failure_of(self, call: object) -> tuple[str, str]:
        with pytest.raises(CallFailed) as failed:
            await call
        return failed.value.failure.status, failed.value.failure.message


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    instance = FakeInstance(folders=FOLDERS, loaded={k: set(v) for k, v in LOADED.items()})
    triton = FakeTriton(instance)
    async with served(triton) as url:
        adapter = TritonInstance(url, max_message_bytes=1 << 20)
        try:
            yield Site(triton, adapter, url)
        finally:
            await adapter.close()


async def test_bytes_go_in_and_come_out(site: Site) -> None:
    raw = await site.adapter.infer(infer_request("volume", "4", request_id="r"), timeout_s=5.0)
    answer = service_pb2.ModelInferResponse.FromString(raw)
    assert (answer.model_name, answer.model_version, answer.id) == ("volume", "4", "r")
    assert list(answer.raw_output_contents) == [b"\x01\x00\x00\x00"]


async def test_a_refusal_keeps_its_status_and_its_words(site: Site) -> None:
    failure = call_failed("UNAVAILABLE", "Exceeds maximum queue size")
    site.triton.instance.failures["volume"] = failure
    call = site.adapter.infer(infer_request("volume"), timeout_s=5.0)
    assert await site.failure_of(call) == ("UNAVAILABLE", "Exceeds maximum queue size")


async def test_a_call_ends_at_its_timeout(site: Site) -> None:
    site.triton.hangs.add("ModelInfer")
    call = site.adapter.infer(infer_request("volume"), timeout_s=0.05)
    assert (await site.failure_of(call))[0] == "DEADLINE_EXCEEDED"


async def test_a_message_at_the_edges_bound_may_grow_by_its_new_target(site: Site) -> None:
    await site.adapter.infer(infer_request("volume", values=bytes(1 << 20)), timeout_s=5.0)


async def test_a_message_above_the_bound_is_not_sent(site: Site) -> None:
    message = infer_request("volume", values=bytes((1 << 20) + HEADROOM_BYTES))
    status, said = await site.failure_of(site.adapter.infer(message, timeout_s=5.0))
    assert status == "RESOURCE_EXHAUSTED"
    assert "message larger than max" in said


async def test_a_triton_that_is_away_is_unavailable_at_once() -> None:
    adapter = TritonInstance("127.0.0.1:1", max_message_bytes=1 << 20)
    for call in (
        adapter.infer(b"", timeout_s=30.0),
        adapter.observe([], timeout_s=30.0),
        anext(adapter.stream(messages())),
        anext(adapter.stream(messages(b"", stays_open=True))),
    ):
        with pytest.raises(CallFailed) as failed:
            await call
        assert failed.value.failure.status == "UNAVAILABLE"
    await adapter.close()


async def messages(*found: bytes, stays_open: bool = False) -> AsyncIterator[bytes]:
    for message in found:
        yield message
    if stays_open:
        await asyncio.Event().wait()


async def test_a_stream_ends_when_both_sides_have(site: Site) -> None:
    asked = messages(infer_request("volume", request_id="1"), infer_request("volume"))
    found = [raw async for raw in site.adapter.stream(asked)]
    answers = [service_pb2.ModelStreamInferResponse.FromString(raw) for raw in found]
    assert [answer.infer_response.id for answer in answers] == ["1", ""]


async def test_a_stream_that_breaks_says_how(site: Site) -> None:
    site.triton.instance.failures["volume"] = call_failed("INTERNAL", "stub died")
    asked = messages(infer_request("volume"), stays_open=True)
    assert await site.failure_of(anext(site.adapter.stream(asked))) == ("INTERNAL", "stub died")


async def test_a_caller_that_is_cancelled_cancels_its_stream(site: Site) -> None:
    site.triton.instance.hold.clear()
    asked = messages(infer_request("volume"), stays_open=True)
    task = asyncio.create_task(anext(site.adapter.stream(asked)))
    await site.triton.instance.entered.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stream_that_is_left_is_cancelled(site: Site) -> None:
    asked = messages(infer_request("volume"), stays_open=True)
    async with aclosing(site.adapter.stream(asked)) as answers:
        await anext(answers)


async def test_what_is_observed_is_the_index_and_the_twins_asked_for(site: Site) -> None:
    assert await site.adapter.observe([DAMAGE, VOLUME], timeout_s=5.0) == Observation(READY, {})
    site.triton.instance.twins["damage--1.0.0"] = twin_config(SPECS["damage"], DAMAGE)
    seen = await site.adapter.observe([DAMAGE, DAMAGE_NEXT, VOLUME], timeout_s=5.0)
    assert seen == Observation(READY, {"damage--1.0.0": {"preprocess": 1, "damage_detector": 1}})
    assert seen.is_serving(DAMAGE)
    assert await site.adapter.observe([], timeout_s=5.0) == Observation(READY, {})


async def test_what_the_server_says_of_itself_is_observed(site: Site) -> None:
    site.triton.is_ready = False
    assert not (await site.adapter.observe([], timeout_s=5.0)).is_ready


@pytest.mark.parametrize("status", ["NOT_FOUND", "INVALID_ARGUMENT", "UNAVAILABLE"])
async def test_a_twin_that_went_away_between_two_questions_is_not_there(
    site: Site, status: str
) -> None:
    site.triton.instance.twins["damage--1.0.0"] = twin_config(SPECS["damage"], DAMAGE)
    site.triton.config_failure = getattr(grpc.StatusCode, status)
    assert (await site.adapter.observe([DAMAGE], timeout_s=5.0)).twin_pins == {}


async def test_another_failure_of_a_question_is_one(site: Site) -> None:
    site.triton.instance.twins["damage--1.0.0"] = twin_config(SPECS["damage"], DAMAGE)
    site.triton.config_failure = grpc.StatusCode.INTERNAL
    looked = site.adapter.observe([DAMAGE], timeout_s=5.0)
    assert await site.failure_of(looked) == ("INTERNAL", "no such model")


async def test_a_twin_with_a_step_of_no_model_is_a_failed_call(site: Site) -> None:
    site.triton.has_nameless_step = True
    site.triton.instance.twins["damage--1.0.0"] = twin_config(SPECS["damage"], DAMAGE)
    status, said = await site.failure_of(site.adapter.observe([DAMAGE], timeout_s=5.0))
    assert status == "INTERNAL"
    assert "damage--1.0.0 is not to be understood: KeyError('model_name')" in said


async def test_a_version_that_is_no_number_is_not_ready(site: Site) -> None:
    site.triton.odd_versions = ("\N{SUPERSCRIPT TWO}", "9" * 5000, "v1")
    observed = await site.adapter.observe([], timeout_s=5.0)
    assert observed.ready_versions == READY


@pytest.mark.parametrize("method", ["ServerReady", "RepositoryIndex", "ModelReady", "ModelConfig"])
async def test_a_look_ends_at_its_timeout(site: Site, method: str) -> None:
    site.triton.instance.twins["damage--1.0.0"] = twin_config(SPECS["damage"], DAMAGE)
    site.triton.hangs.add(method)
    looked = site.adapter.observe([DAMAGE], timeout_s=0.1)
    assert (await site.failure_of(looked))[0] == "DEADLINE_EXCEEDED"


async def test_an_answer_that_is_no_message_is_a_fault(site: Site) -> None:
    class Garbled(TritonInstance):
        """Reads bytes that are no message."""

        async def read(self, method: str, message: bytes, *, timeout_s: float) -> bytes:
            return b"\xff"

    adapter = Garbled(site.url, max_message_bytes=1 << 20)
    status, said = await site.failure_of(adapter.observe([], timeout_s=5.0))
    assert status == "INTERNAL"
    assert said.startswith("ServerReady: ")
    await adapter.close()


async def test_versions_are_loaded_by_the_models_own_configuration(site: Site) -> None:
    config = with_versions(SPECS["damage_detector"], (1, 2))
    await site.adapter.load("damage_detector", config, timeout_s=5.0)
    (load,) = site.triton.loads
    assert load.model_name == "damage_detector"
    assert list(load.parameters) == ["config"]
    assert json.loads(load.parameters["config"].string_param) == config
    seen = await site.adapter.observe([], timeout_s=5.0)
    assert seen.ready_versions["damage_detector"] == {1, 2}


async def test_a_twin_is_loaded_from_the_call_alone(site: Site) -> None:
    config = twin_config(SPECS["damage"], DAMAGE)
    await site.adapter.load("damage--1.0.0", config, is_twin=True, timeout_s=5.0)
    (load,) = site.triton.loads
    assert load.parameters["file:1/.keep"].WhichOneof("parameter_choice") == "bytes_param"
    assert load.parameters["file:1/.keep"].bytes_param == b""
    assert (await site.adapter.observe([DAMAGE], timeout_s=5.0)).is_serving(DAMAGE)


async def test_a_load_that_is_refused_says_why(site: Site) -> None:
    config = twin_config(SPECS["damage"], DAMAGE_NEXT)
    load = site.adapter.load("damage--1.1.0", config, is_twin=True, timeout_s=5.0)
    assert await site.failure_of(load) == (
        "INVALID_ARGUMENT",
        "required version 2 is not loaded",
    )


@pytest.fixture
def polls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton, "UNLOAD_POLL_S", 0.0)


@pytest.mark.usefixtures("polls_at_once")
class TestUnload:
    @pytest.mark.parametrize("lingers", [0, 1, triton.PATIENT_POLLS - 1])
    async def test_it_is_over_when_no_version_is_left(self, site: Site, lingers: int) -> None:
        site.triton.lingers = lingers
        await site.adapter.unload("volume", timeout_s=10.0)
        assert site.triton.unloads == ["volume"]
        assert site.triton.index_reads == lingers + 1
        assert "volume" not in (await site.adapter.observe([], timeout_s=5.0)).ready_versions

    async def test_one_that_never_gets_out_counts_as_gone(self, site: Site) -> None:
        site.triton.lingers = 10**9
        await site.adapter.unload("volume", timeout_s=10.0)
        assert site.triton.index_reads == triton.PATIENT_POLLS

    @pytest.mark.parametrize("model", ["never", "nobody"])
    async def test_one_that_is_not_loaded_is_gone_already(self, site: Site, model: str) -> None:
        await site.adapter.unload(model, timeout_s=10.0)
        assert site.triton.index_reads == 1

    async def test_a_twin_is_not_in_the_index_and_goes_as_well(self, site: Site) -> None:
        site.triton.instance.twins["damage--1.0.0"] = twin_config(SPECS["damage"], DAMAGE)
        await site.adapter.unload("damage--1.0.0", timeout_s=10.0)
        assert (await site.adapter.observe([DAMAGE], timeout_s=5.0)).twin_pins == {}

    async def test_one_that_stays_loaded_is_a_failed_call_after_its_time(self, site: Site) -> None:
        site.triton.odd_versions = ("1",)  # as when somebody loads it again
        call = site.adapter.unload("odd", timeout_s=0.3)
        assert await site.failure_of(call) == (
            "DEADLINE_EXCEEDED",
            "odd is not unloaded after 0.3 s",
        )

    async def test_a_twin_that_stays_is_a_failed_call_after_its_time(self, site: Site) -> None:
        site.triton.keeps_twins = True
        site.triton.instance.twins["damage--1.0.0"] = twin_config(SPECS["damage"], DAMAGE)
        call = site.adapter.unload("damage--1.0.0", timeout_s=0.3)
        assert (await site.failure_of(call))[0] == "DEADLINE_EXCEEDED"

    @pytest.mark.parametrize("method", ["RepositoryModelUnload", "RepositoryIndex", "ModelReady"])
    async def test_a_question_that_hangs_is_a_failed_call(self, site: Site, method: str) -> None:
        site.triton.hangs.add(method)
        call = site.adapter.unload("volume", timeout_s=0.1)
        assert (await site.failure_of(call))[0] == "DEADLINE_EXCEEDED"


def test_the_clock_only_goes_forward() -> None:
    clock = MonotonicClock()
    assert clock.now_s() <= clock.now_s()


async def test_metadata_goes_along_with_a_call_and_a_stream(site: Site) -> None:
    sent = (("x-correlation-id", "c-1"),)
    await site.adapter.infer(infer_request("volume"), timeout_s=5.0, metadata=sent)
    asked = messages(infer_request("volume"))
    async with aclosing(site.adapter.stream(asked, metadata=sent)) as answers:
        await anext(answers)
    assert site.triton.correlation_ids == ["c-1", "c-1"]
