"""KServe v2 through the gateway, with Triton's official client: as against a Triton itself."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from google.protobuf.message_factory import GetMessageClass
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from tests.integration.asking import (
    INFER,
    OUTPUTS,
    call_raw,
    image_input,
    infer_request,
    refusal_of,
)
from tests.integration.photos import photo_of, small_photo
from tests.integration.running import RunningTidegate

pytestmark = pytest.mark.triton

ENGINES = tuple(OUTPUTS)
SERVICE = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
CHANGES_A_SERVER = (
    "RepositoryModelLoad",
    "RepositoryModelUnload",
    "SystemSharedMemoryStatus",
    "SystemSharedMemoryRegister",
    "SystemSharedMemoryUnregister",
    "CudaSharedMemoryStatus",
    "CudaSharedMemoryRegister",
    "CudaSharedMemoryUnregister",
    "TraceSetting",
    "LogSettings",
)


class TestAboutTheServer:
    def test_is_live_and_ready(self, client: triton.InferenceServerClient) -> None:
        assert client.is_server_live()
        assert client.is_server_ready()

    def test_metadata_says_who_answers(self, client: triton.InferenceServerClient) -> None:
        metadata = client.get_server_metadata()
        assert metadata.name == "tidegate"
        assert metadata.version
        assert "statistics" in metadata.extensions

    @pytest.mark.parametrize("engine", ENGINES)
    def test_stable_is_ready(self, client: triton.InferenceServerClient, engine: str) -> None:
        assert client.is_model_ready(engine)
        assert client.is_model_ready(engine, "1.0.0")
        assert client.is_model_ready(engine, "stable")

    def test_what_does_not_serve_is_not_ready(self, client: triton.InferenceServerClient) -> None:
        assert not client.is_model_ready("damage", "1.1.0")
        assert not client.is_model_ready("damage", "9.9.9")
        assert not client.is_model_ready("damage", "canary")

    @pytest.mark.parametrize("engine", ENGINES)
    def test_metadata_of_an_engine(self, client: triton.InferenceServerClient, engine: str) -> None:
        metadata = client.get_model_metadata(engine)
        assert metadata.name == engine
        assert list(metadata.versions) == ["1.0.0"]
        assert [tensor.name for tensor in metadata.inputs] == ["IMAGE"]
        shapes = {tensor.name: tuple(tensor.shape)[1:] for tensor in metadata.outputs}
        assert shapes == OUTPUTS[engine]

    @pytest.mark.parametrize("engine", ENGINES)
    def test_config_of_an_engine_has_its_pins(
        self, client: triton.InferenceServerClient, engine: str
    ) -> None:
        config = client.get_model_config(engine, "1.0.0").config
        assert config.name == engine
        assert config.ensemble_scheduling.step
        assert all(step.model_version > 0 for step in config.ensemble_scheduling.step)

    def test_a_component_can_be_asked_about(self, client: triton.InferenceServerClient) -> None:
        assert client.get_model_config("preprocess").config.name == "preprocess"

    def test_a_component_is_not_inferred(self, client: triton.InferenceServerClient) -> None:
        with pytest.raises(InferenceServerException) as refused:
            client.infer("preprocess", image_input(small_photo()))
        assert refused.value.status() == "StatusCode.NOT_FOUND"

    def test_statistics_add_up_over_the_instances(
        self, client: triton.InferenceServerClient, tidegate: RunningTidegate
    ) -> None:
        for _ in range(2):
            client.infer("damage", image_input(small_photo()))
        together = client.get_inference_statistics("damage").model_stats
        assert [(entry.name, entry.version) for entry in together] == [("damage", "1.0.0")]
        apart = []
        for url in tidegate.triton_urls.values():
            with triton.InferenceServerClient(url) as direct:
                (entry,) = direct.get_inference_statistics("damage--1.0.0").model_stats
                apart.append(entry.inference_stats.success.count)
        assert all(count > 0 for count in apart)
        assert together[0].inference_stats.success.count == sum(apart)

    def test_statistics_of_everything(self, client: triton.InferenceServerClient) -> None:
        entries = client.get_inference_statistics().model_stats
        names = {entry.name for entry in entries}
        assert set(ENGINES) | {"preprocess", "damage_detector"} <= names
        assert not [name for name in names if "--" in name]
        releases = {entry.name: entry.version for entry in entries}
        assert (releases["damage"], releases["preprocess"]) == ("1.0.0", "1")

    def test_index_lists_engines_and_releases(self, client: triton.InferenceServerClient) -> None:
        index = client.get_model_repository_index()
        states = {(model.name, model.version): model.state for model in index.models}
        assert states[("damage", "1.0.0")] == "READY"
        assert states[("damage", "1.1.0")] == "UNAVAILABLE"
        assert {name for name, _ in states} == set(ENGINES)

    @pytest.mark.parametrize("method", CHANGES_A_SERVER)
    def test_what_changes_a_server_is_refused(self, tidegate: RunningTidegate, method: str) -> None:
        status, message, metadata = refusal_of(
            tidegate.grpc, f"/inference.GRPCInferenceService/{method}", b""
        )
        assert status is grpc.StatusCode.PERMISSION_DENIED
        assert method in message
        assert metadata["x-tidegate-code"] == "permission_denied"

    @pytest.mark.parametrize("method", [method.name for method in SERVICE.methods])
    def test_every_method_of_tritons_service_is_known(
        self, tidegate: RunningTidegate, method: str
    ) -> None:
        """A newer tritonclient may bring methods: each is to be served or refused on purpose."""
        request = GetMessageClass(SERVICE.methods_by_name[method].input_type)()
        path = f"/{SERVICE.full_name}/{method}"
        with grpc.insecure_channel(tidegate.grpc) as channel:
            if SERVICE.methods_by_name[method].client_streaming:
                call = channel.stream_stream(path)(iter(()), timeout=20)
            else:
                call = channel.unary_unary(path).future(request.SerializeToString(), timeout=20)
            assert call.code() is not grpc.StatusCode.UNIMPLEMENTED


class TestInfer:
    @pytest.mark.parametrize("engine", ENGINES)
    def test_the_outputs_have_the_contracts_shapes(
        self, client: triton.InferenceServerClient, engine: str
    ) -> None:
        result = client.infer(engine, image_input(photo_of(engine)), request_id="mine-1")
        response = result.get_response()
        assert (response.model_name, response.model_version) == (engine, "1.0.0")
        assert response.id == "mine-1"
        for name, shape in OUTPUTS[engine].items():
            assert result.as_numpy(name).shape == (1, *shape)

    @pytest.mark.parametrize("release", ["", "1.0.0", "stable"])
    def test_releases_that_serve(self, client: triton.InferenceServerClient, release: str) -> None:
        result = client.infer("damage", image_input(small_photo()), model_version=release)
        assert result.get_response().model_version == "1.0.0"

    @pytest.mark.parametrize(
        ("engine", "release", "status", "code"),
        [
            ("damage", "9.9.9", grpc.StatusCode.NOT_FOUND, "unknown_release"),
            ("damage", "v1.0.0", grpc.StatusCode.NOT_FOUND, "unknown_release"),
            ("damage", "1", grpc.StatusCode.NOT_FOUND, "unknown_release"),
            ("damage", "1.1.0", grpc.StatusCode.UNAVAILABLE, "release_not_ready"),
            ("damage", "canary", grpc.StatusCode.UNAVAILABLE, "release_not_ready"),
            ("roofs", "", grpc.StatusCode.NOT_FOUND, "unknown_engine"),
            ("damage--1.0.0", "", grpc.StatusCode.NOT_FOUND, "unknown_engine"),
            ("", "", grpc.StatusCode.NOT_FOUND, "unknown_engine"),
        ],
    )
    def test_what_does_not_serve_is_refused(
        self,
        tidegate: RunningTidegate,
        engine: str,
        release: str,
        status: grpc.StatusCode,
        code: str,
    ) -> None:
        message = infer_request(small_photo(), engine, release).SerializeToString()
        found, words, metadata = refusal_of(tidegate.grpc, INFER, message)
        assert (found, metadata["x-tidegate-code"]) == (status, code)
        assert (release or engine) in words

    def test_trailing_metadata_says_who_served_it(self, tidegate: RunningTidegate) -> None:
        message = infer_request(small_photo(), "damage", request_id="77").SerializeToString()
        _, metadata = call_raw(
            tidegate.grpc, INFER, message, metadata=(("x-correlation-id", "kserve-77"),)
        )
        assert metadata["x-correlation-id"] == "kserve-77"
        assert metadata["x-tidegate-release"] == "1.0.0"
        assert metadata["x-tidegate-instance"] in tidegate.triton_urls
        assert metadata["x-tidegate-attempts"] == "1"

    def test_a_correlation_id_is_made_where_none_came(self, tidegate: RunningTidegate) -> None:
        message = infer_request(small_photo(), "damage").SerializeToString()
        ids = {call_raw(tidegate.grpc, INFER, message)[1]["x-correlation-id"] for _ in range(2)}
        assert len(ids) == 2
        assert all(len(one) == 32 for one in ids)

    @pytest.mark.parametrize("priority", [0, 1, 2, 3])
    def test_every_priority_is_carried(
        self, client: triton.InferenceServerClient, priority: int
    ) -> None:
        client.infer("damage", image_input(small_photo()), priority=priority)

    def test_only_the_outputs_asked_for_come_back(
        self, client: triton.InferenceServerClient
    ) -> None:
        wanted = [triton.InferRequestedOutput("COUNT")]
        result = client.infer("damage", image_input(small_photo()), outputs=wanted)
        assert [output.name for output in result.get_response().outputs] == ["COUNT"]

    def test_a_compressed_request(self, client: triton.InferenceServerClient) -> None:
        result = client.infer("damage", image_input(small_photo()), compression_algorithm="gzip")
        assert result.as_numpy("COUNT").shape == (1, 1)

    def test_a_wrong_input_is_told_in_the_engines_own_name(
        self, client: triton.InferenceServerClient
    ) -> None:
        (tensor,) = image_input(small_photo())
        wrong = triton.InferInput("PICTURE", [1, 1], "BYTES")
        wrong._raw_content = tensor._raw_content
        with pytest.raises(InferenceServerException) as refused:
            client.infer("damage", [wrong])
        assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
        assert "PICTURE" in refused.value.message()
        assert "damage--1.0.0" not in refused.value.message()

    @pytest.mark.parametrize("engine", ENGINES)
    def test_the_same_bytes_as_from_the_twin_itself(
        self, tidegate: RunningTidegate, engine: str
    ) -> None:
        """The gateway changes the name and the version, and nothing else of an answer."""
        request = infer_request(photo_of(engine), engine, request_id="same")
        through = _infer(tidegate.grpc, request)
        request.model_name, request.model_version = f"{engine}--1.0.0", "1"
        for url in tidegate.triton_urls.values():
            direct = _infer(url, request)
            assert list(direct.raw_output_contents) == list(through.raw_output_contents)
            direct.model_name, direct.model_version = engine, "1.0.0"
            assert direct.outputs == through.outputs
            assert (direct.model_name, direct.id) == (through.model_name, through.id)

    def test_both_tritons_are_used(self, tidegate: RunningTidegate) -> None:
        message = infer_request(small_photo(), "damage").SerializeToString()
        with ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(call_raw, tidegate.grpc, INFER, message) for _ in range(24)]
            served = {call.result()[1]["x-tidegate-instance"] for call in calls}
        assert served == {"triton-0", "triton-1"}


class TestAsyncClient:
    async def test_infers_and_asks(self, tidegate: RunningTidegate) -> None:
        async with triton_aio.InferenceServerClient(tidegate.grpc) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("damage")
            metadata = await client.get_model_metadata("damage", as_json=True)
            assert json.loads(json.dumps(metadata))["name"] == "damage"
            result = await client.infer("damage", image_input(small_photo()), request_id="a-1")
            assert result.get_response().id == "a-1"

    async def test_a_refusal_carries_the_status(self, tidegate: RunningTidegate) -> None:
        async with triton_aio.InferenceServerClient(tidegate.grpc) as client:
            with pytest.raises(InferenceServerException) as refused:
                await client.infer("damage", image_input(small_photo()), model_version="1.1.0")
        assert refused.value.status() == "StatusCode.UNAVAILABLE"


def _infer(address: str, request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
    answer, _ = call_raw(address, INFER, request.SerializeToString())
    return service_pb2.ModelInferResponse.FromString(answer)
