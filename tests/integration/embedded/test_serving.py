"""The repository's models on the real Triton of the wheel."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tests.integration.embedded.clients import counts, infer, jpeg, load_twin
from tests.integration.tritons import RunningTritons

pytestmark = pytest.mark.triton

TWIN = "damage--serving-test"


@pytest.fixture(scope="module")
def client(tritons: RunningTritons) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(tritons.grpc_urls[0]) as client:
        load_twin(client, tritons.model_repository, "damage", TWIN)
        yield client
        client.unload_model(TWIN)


def test_both_instances_answer(tritons: RunningTritons) -> None:
    for url in tritons.grpc_urls:
        with InferenceServerClient(url) as client:
            assert client.is_server_ready()


@pytest.mark.parametrize(
    "path",
    [
        f"/v2/repository/models/{TWIN}/unload",
        f"/v2/repository/models/{TWIN}/load",
        "/v2/repository/index",
        "/v2/logging",
        "/v2/trace/setting",
        "/v2/systemsharedmemory/unregister",
    ],
)
def test_a_web_page_changes_nothing(
    client: InferenceServerClient, tritons: RunningTritons, path: str
) -> None:
    """As a browser sends it for a page of anybody's, without asking first."""
    host, _, port = tritons.grpc_urls[0].partition(":")
    with httpx.Client(base_url=f"http://{host}:{int(port) - 1}", trust_env=False) as browser:
        assert browser.get("/v2/health/ready").status_code == 200
        said = {"Origin": "http://stranger.example", "Content-Type": "text/plain"}
        refused = browser.post(path, content="{}", headers=said)
    assert refused.status_code == 403
    assert client.is_model_ready(TWIN)


def test_a_jpeg_goes_in_and_padded_boxes_come_out(client: InferenceServerClient) -> None:
    answer = infer(client, TWIN, jpeg())
    assert {name: array.shape for name, array in answer.items()} == {
        "BOXES": (1, 100, 4),
        "SCORES": (1, 100),
        "CLASSES": (1, 100),
        "COUNT": (1, 1),
    }
    count = int(answer["COUNT"][0, 0])
    assert 0 <= count <= 100
    assert (answer["BOXES"] <= [1280, 960, 1280, 960]).all()
    assert not answer["BOXES"][0, count:].any()
    assert (answer["CLASSES"][0, count:] == b"").all()


def test_the_materials_ensemble_serves_too(
    client: InferenceServerClient, tritons: RunningTritons
) -> None:
    twin = "materials--serving-test"
    load_twin(client, tritons.model_repository, "materials", twin)
    answer = infer(client, twin, jpeg())
    assert answer["BRANDS"].shape == (1, 100)
    client.unload_model(twin)


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (b"", "IMAGE: the photo is empty (0 bytes)"),
        (b"no photo", "IMAGE: not a JPEG, PNG or WebP image"),
        (jpeg()[:9000], "IMAGE: the JPEG image is truncated or corrupt"),
        (b"\xff" * 20_971_521, "IMAGE: 20971521 bytes, above the limit of 20971520 bytes"),
    ],
)
def test_a_bad_photo_is_the_callers_mistake_and_the_next_is_answered(
    client: InferenceServerClient, photo: bytes, message: str
) -> None:
    with pytest.raises(InferenceServerException) as caught:
        infer(client, TWIN, photo)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert caught.value.message() == f"in ensemble '{TWIN}', {message}"
    assert infer(client, TWIN, jpeg())["COUNT"].shape == (1, 1)


def test_several_photos_in_one_request(client: InferenceServerClient) -> None:
    answer = infer(client, TWIN, jpeg(), jpeg(640, 480, seed=1))
    assert answer["BOXES"].shape == (2, 100, 4)


def test_an_ensembles_step_asks_preprocess_for_what_it_maps_only(
    client: InferenceServerClient,
) -> None:
    """Seen from outside by the sizes: a request for one square gets one."""
    answer = infer(client, "preprocess", jpeg(), outputs=("PIXELS_256", "GEOMETRY"))
    assert {name: array.shape for name, array in answer.items()} == {
        "PIXELS_256": (1, 256, 256, 3),
        "GEOMETRY": (1, 2),
    }
    np.testing.assert_array_equal(answer["GEOMETRY"], [[1280, 960]])


@pytest.mark.parametrize("priority", [0, 1, 2, 3])
def test_priorities_are_accepted(client: InferenceServerClient, priority: int) -> None:
    assert infer(client, TWIN, jpeg(), priority=priority)["COUNT"].shape == (1, 1)


def test_a_request_whose_time_runs_out_in_a_queue_is_answered_so(
    client: InferenceServerClient,
) -> None:
    """A microsecond: only a request that finds every queue empty could make it."""

    def ask(_number: int) -> str:
        try:
            infer(client, TWIN, jpeg(320, 240), timeout=1)
        except InferenceServerException as late:
            return f"{late.status()} {late.message()}"
        return "ok"

    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(ask, range(24)))
    assert answers - {"ok"} == {
        f"StatusCode.UNAVAILABLE in ensemble '{TWIN}', Request timeout expired"
    }


def test_requests_that_come_together_form_batches(client: InferenceServerClient) -> None:
    photo = jpeg(320, 240)
    inferences, executions = counts(client, "damage_detector")
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: infer(client, TWIN, photo), range(96)))
    after, executed = counts(client, "damage_detector")
    assert after - inferences == 96
    assert executed - executions < 96
    for answer in answers[1:]:
        np.testing.assert_allclose(answer["SCORES"], answers[0]["SCORES"], atol=1e-4)


def test_bad_photos_among_good_ones_cost_nobody_else(client: InferenceServerClient) -> None:
    good = jpeg(320, 240)

    def ask(number: int) -> str:
        try:
            infer(client, TWIN, good if number % 3 else b"no photo")
        except InferenceServerException as refused:
            return str(refused.status())
        return "ok"

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(ask, range(60)))
    for number, answer in enumerate(answers):
        assert answer == ("ok" if number % 3 else "StatusCode.INVALID_ARGUMENT")


def test_a_network_that_does_not_fit_its_configuration_is_refused_with_the_reason(
    client: InferenceServerClient, tritons: RunningTritons
) -> None:
    network = (tritons.model_repository / "damage_detector/1/model.onnx").read_bytes()
    config = """{"name": "misfit", "backend": "onnxruntime", "max_batch_size": 8,
        "input": [{"name": "PHOTO", "data_type": "TYPE_UINT8", "dims": [512, 512, 3]}],
        "output": [{"name": "BOXES", "data_type": "TYPE_FP32", "dims": [100, 4]}]}"""
    with pytest.raises(InferenceServerException, match="the network has no input PHOTO"):
        client.load_model("misfit", config=config, files={"file:1/model.onnx": network})


def test_the_model_repository_stays_as_it_was(tritons: RunningTritons) -> None:
    assert not list(tritons.model_repository.rglob("__pycache__"))
