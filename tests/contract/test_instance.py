"""What the services rely on in an instance, asked of the fake and of the real Triton alike.

The real one is shared by the tests: each finds ``echo`` in version 1 only, and twins under names
of its own. Nothing here was ever loaded in version 9.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tritonclient.grpc import service_pb2

from control_plane.core.catalogue import Release
from control_plane.core.loading import twin_config
from control_plane.ports import CallFailed
from tests.contract import repository
from tests.contract.conftest import Contracted
from tests.unit.fakes import FakeInstance

VALUES = b"\x00\x00\x80\x3f"


def asking(model: str, version: str = "", *, request_id: str = "r") -> bytes:
    request = service_pb2.ModelInferRequest(model_name=model, model_version=version, id=request_id)
    request.inputs.add(name="INPUT", datatype="FP32", shape=[1])
    request.raw_input_contents.append(VALUES)
    return bytes(request.SerializeToString())


def pinned(version: str, pin: int) -> Release:
    return Release("pair", version, {"echo": pin}, is_ensemble=True)


async def load_release(contracted: Contracted, release: Release) -> None:
    await contracted.load_twin(release.model_name, twin_config(repository.spec("pair"), release))


class TestInfer:
    @pytest.mark.parametrize("version", ["1", ""])
    async def test_an_answer_names_model_version_and_id(
        self, contracted: Contracted, version: str
    ) -> None:
        raw = await contracted.instance.infer(asking("echo", version), timeout_s=10.0)
        answer = service_pb2.ModelInferResponse.FromString(raw)
        assert (answer.model_name, answer.model_version, answer.id) == ("echo", "1", "r")
        assert [tensor.name for tensor in answer.outputs] == ["OUTPUT"]
        assert list(answer.raw_output_contents) == [VALUES]

    async def test_without_a_version_the_newest_loaded_answers(
        self, contracted: Contracted
    ) -> None:
        await contracted.load("echo", 1, 2)
        raw = await contracted.instance.infer(asking("echo"), timeout_s=10.0)
        assert service_pb2.ModelInferResponse.FromString(raw).model_version == "2"

    @pytest.mark.parametrize(
        ("model", "version"), [("nobody", ""), ("nobody", "1"), ("pair", "1"), ("echo", "9")]
    )
    async def test_what_was_never_loaded_is_not_found(
        self, contracted: Contracted, model: str, version: str
    ) -> None:
        call = contracted.instance.infer(asking(model, version), timeout_s=10.0)
        assert await contracted.status_of(call) == "NOT_FOUND"

    async def test_a_version_that_was_dropped_is_unavailable(self, contracted: Contracted) -> None:
        await contracted.load("echo", 1, 2)
        await contracted.load("echo", 1)
        await contracted.until_ready("echo", 1)
        call = contracted.instance.infer(asking("echo", "2"), timeout_s=10.0)
        assert await contracted.status_of(call) == "UNAVAILABLE"

    async def test_a_call_ends_at_its_timeout(self, contracted: Contracted) -> None:
        await contracted.pause()
        call = contracted.instance.infer(asking("pause"), timeout_s=0.2)
        assert await contracted.status_of(call) == "DEADLINE_EXCEEDED"


class TestStream:
    async def answers(
        self, contracted: Contracted, *messages: bytes
    ) -> list[service_pb2.ModelStreamInferResponse]:
        async def sent() -> AsyncIterator[bytes]:
            for message in messages:
                yield message

        found = [raw async for raw in contracted.instance.stream(sent())]
        return [service_pb2.ModelStreamInferResponse.FromString(raw) for raw in found]

    async def test_every_message_is_answered_for_the_last_time(
        self, contracted: Contracted
    ) -> None:
        answers = await self.answers(
            contracted, asking("echo", request_id="a"), asking("echo", "1", request_id="b")
        )
        assert sorted(answer.infer_response.id for answer in answers) == ["a", "b"]
        for answer in answers:
            assert answer.error_message == ""
            assert answer.infer_response.model_version == "1"
            assert answer.infer_response.parameters["triton_final_response"].bool_param
            assert list(answer.infer_response.raw_output_contents) == [VALUES]

    @pytest.mark.parametrize(("model", "version"), [("nobody", ""), ("echo", "9")])
    async def test_a_refused_message_is_named_and_the_stream_goes_on(
        self, contracted: Contracted, model: str, version: str
    ) -> None:
        refused, answered = await self.answers(
            contracted, asking(model, version, request_id="a"), asking("echo", request_id="b")
        )
        assert "unknown model" in refused.error_message
        assert (refused.infer_response.id, answered.infer_response.id) == ("a", "b")
        assert answered.error_message == ""

    async def test_an_empty_stream_ends(self, contracted: Contracted) -> None:
        assert await self.answers(contracted) == []


class TestRead:
    async def read(self, contracted: Contracted, method: str, name: str, version: str) -> bytes:
        request = getattr(service_pb2, f"{method}Request")(name=name, version=version)
        return await contracted.instance.read(method, request.SerializeToString(), timeout_s=10.0)

    async def test_metadata_config_and_statistics(self, contracted: Contracted) -> None:
        raw = await self.read(contracted, "ModelMetadata", "echo", "1")
        metadata = service_pb2.ModelMetadataResponse.FromString(raw)
        assert (metadata.name, list(metadata.versions)) == ("echo", ["1"])
        raw = await self.read(contracted, "ModelConfig", "echo", "1")
        assert service_pb2.ModelConfigResponse.FromString(raw).config.name == "echo"
        raw = await self.read(contracted, "ModelStatistics", "echo", "1")
        (statistics,) = service_pb2.ModelStatisticsResponse.FromString(raw).model_stats
        assert (statistics.name, statistics.version) == ("echo", "1")

    @pytest.mark.parametrize(("model", "version"), [("nobody", ""), ("echo", "9")])
    @pytest.mark.parametrize(
        ("method", "status"),
        [
            ("ModelMetadata", "NOT_FOUND"),
            ("ModelConfig", "NOT_FOUND"),
            ("ModelStatistics", "INVALID_ARGUMENT"),
        ],
    )
    async def test_of_what_is_not_loaded(
        self, contracted: Contracted, method: str, status: str, model: str, version: str
    ) -> None:
        call = self.read(contracted, method, model, version)
        assert await contracted.status_of(call) == status


class TestObserve:
    async def test_the_index_lists_the_ready_versions_of_the_repository(
        self, contracted: Contracted
    ) -> None:
        seen = await contracted.instance.observe([pinned("7.0.0", 1)], timeout_s=10.0)
        assert seen.ready_versions["echo"] == {1}
        assert "pair" not in seen.ready_versions
        assert seen.twin_pins == {}

    async def test_a_twin_is_seen_with_its_pins_when_asked_for(
        self, contracted: Contracted
    ) -> None:
        release = pinned("7.1.0", 1)
        await load_release(contracted, release)
        seen = await contracted.instance.observe([release, pinned("7.2.0", 1)], timeout_s=10.0)
        assert seen.twin_pins == {"pair--7.1.0": {"echo": 1}}
        assert seen.is_serving(release)
        assert release.model_name not in seen.ready_versions
        assert (await contracted.instance.observe([], timeout_s=10.0)).twin_pins == {}

    async def test_a_twin_without_its_pin_is_not_ready_until_the_pin_is_back(
        self, contracted: Contracted
    ) -> None:
        release = pinned("7.3.0", 1)
        await load_release(contracted, release)
        await contracted.load("echo", 2)
        await contracted.until_ready("echo", 2)
        assert (await contracted.instance.observe([release], timeout_s=10.0)).twin_pins == {}
        call = contracted.instance.infer(asking("pair--7.3.0", "1"), timeout_s=10.0)
        assert await contracted.status_of(call) == "UNAVAILABLE"
        await contracted.load("echo", 1, 2)
        assert (await contracted.instance.observe([release], timeout_s=10.0)).is_serving(release)


class TestReadiness:
    """What a server says of itself, started with ``--strict-readiness=false`` as ours are.

    Ready means that it answers. A strict one, which is Triton's default, was seen (2.51) to be not
    ready while a model loads, and for good once one has failed to, unloaded or not.
    """

    async def test_it_is_ready_while_a_model_loads(self, contracted: Contracted) -> None:
        seen = []
        load = asyncio.create_task(contracted.load("slow", 1))
        while not load.done():
            seen.append(await contracted.instance.observe([], timeout_s=10.0))
            await asyncio.sleep(0.02)
        await load
        assert all(one.is_ready for one in seen)
        loads_at_once = isinstance(contracted.instance, FakeInstance)
        assert loads_at_once or "slow" not in seen[0].ready_versions
        assert await contracted.ready("slow") == {1}
        await contracted.unload("slow")

    async def test_it_is_ready_after_a_load_that_failed(self, contracted: Contracted) -> None:
        await contracted.status_of(contracted.load("broken", 1))
        assert (await contracted.instance.observe([], timeout_s=10.0)).is_ready

    async def test_it_is_ready_with_nothing_loaded(self, contracted: Contracted) -> None:
        await contracted.unload("echo")
        assert (await contracted.instance.observe([], timeout_s=10.0)).is_ready


class TestLoad:
    async def test_versions_are_widened(self, contracted: Contracted) -> None:
        await contracted.load("echo", 1, 2)
        assert await contracted.ready("echo") == {1, 2}

    async def test_a_version_that_is_left_out_goes(self, contracted: Contracted) -> None:
        await contracted.load("echo", 2)
        await contracted.until_ready("echo", 2)

    async def test_a_version_without_a_folder_is_skipped_beside_another(
        self, contracted: Contracted
    ) -> None:
        await contracted.load("echo", 1, 9)
        assert await contracted.ready("echo") == {1}

    @pytest.mark.parametrize(
        ("model", "versions", "status"),
        [
            ("echo", (9,), "INVALID_ARGUMENT"),
            ("nobody", (1,), "INTERNAL"),
            ("broken", (1,), "INVALID_ARGUMENT"),
        ],
    )
    async def test_a_refused_load_changes_nothing(
        self, contracted: Contracted, model: str, versions: tuple[int, ...], status: str
    ) -> None:
        assert await contracted.status_of(contracted.load(model, *versions)) == status
        assert await contracted.ready("echo") == {1}

    async def test_a_twin_serves_under_its_own_name(self, contracted: Contracted) -> None:
        await load_release(contracted, pinned("7.4.0", 1))
        raw = await contracted.instance.infer(asking("pair--7.4.0", "1"), timeout_s=10.0)
        answer = service_pb2.ModelInferResponse.FromString(raw)
        assert (answer.model_name, answer.model_version, answer.id) == ("pair--7.4.0", "1", "r")
        assert list(answer.raw_output_contents) == [VALUES]

    @pytest.mark.parametrize("pin", [2, 9])
    async def test_a_twin_that_pins_what_is_not_loaded_is_refused(
        self, contracted: Contracted, pin: int
    ) -> None:
        release = pinned(f"8.{pin}.0", pin)
        assert await contracted.status_of(load_release(contracted, release)) == "INVALID_ARGUMENT"
        assert (await contracted.instance.observe([release], timeout_s=10.0)).twin_pins == {}


class TestUnload:
    async def test_a_model_goes_in_all_its_versions(self, contracted: Contracted) -> None:
        await contracted.load("echo", 1, 2)
        await contracted.unload("echo")
        assert await contracted.ready("echo") == set()
        call = contracted.instance.infer(asking("echo", "1"), timeout_s=10.0)
        assert await contracted.status_of(call) == "UNAVAILABLE"

    async def test_a_twin_goes_and_its_component_stays(self, contracted: Contracted) -> None:
        release = pinned("9.1.0", 1)
        await load_release(contracted, release)
        await contracted.unload(release.model_name)
        assert (await contracted.instance.observe([release], timeout_s=10.0)).twin_pins == {}
        assert await contracted.ready("echo") == {1}

    @pytest.mark.parametrize("model", ["nobody", "pair", "pair--9.2.0"])
    async def test_what_is_not_loaded_is_gone_already(
        self, contracted: Contracted, model: str
    ) -> None:
        await contracted.unload(model)
        assert await contracted.ready("echo") == {1}

    async def test_a_twin_is_down_with_its_component_and_back_with_it(
        self, contracted: Contracted
    ) -> None:
        release = pinned("9.3.0", 1)
        await load_release(contracted, release)
        await contracted.unload("echo")
        assert (await contracted.instance.observe([release], timeout_s=10.0)).twin_pins == {}
        await contracted.load("echo", 1)
        assert (await contracted.instance.observe([release], timeout_s=10.0)).is_serving(release)


class TestDeadProcess:
    """The process behind a Python model is killed; Triton does not notice."""

    async def says(self, contracted: Contracted, model: str = "echo") -> str:
        """What a request brings: nothing when it is answered."""
        try:
            await contracted.instance.infer(asking(model, "1"), timeout_s=10.0)
        except CallFailed as failed:
            return str(failed)
        return ""

    async def test_every_request_fails_while_all_calls_itself_ready(
        self, contracted: Contracted
    ) -> None:
        release = pinned("9.4.0", 1)
        await load_release(contracted, release)
        contracted.kill("echo")
        for model in ("echo", "echo", release.model_name):
            said = await self.says(contracted, model)
            assert said.startswith("INTERNAL: ")
            assert "Stub process 'echo_0_0' is not healthy" in said
        seen = await contracted.instance.observe([release], timeout_s=10.0)
        assert seen.is_ready
        assert seen.is_serving(release)
        await contracted.unload("echo")

    async def test_a_load_alone_changes_nothing_and_unload_and_load_heals(
        self, contracted: Contracted
    ) -> None:
        contracted.kill("echo")
        assert await self.says(contracted)
        await contracted.load("echo", 1)
        assert await self.says(contracted)
        await contracted.load("echo", 1, 2)
        assert await self.says(contracted)
        # On the real one it has failed requests, and stays UNLOADING for ever.
        await contracted.unload("echo")
        assert await contracted.ready("echo") == set()
        await contracted.load("echo", 1)
        assert await self.says(contracted) == ""
