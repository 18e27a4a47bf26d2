"""What happens when something breaks, in a small Tidegate of its own with one Triton.

The tests share that process and follow its life: a broken component, a killed Triton, the
return of it, and in the end SIGTERM with requests in flight.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2

from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from tests.integration.asking import DETECT, INFER, call_raw, infer_request, refusal_of
from tests.integration.photos import small_photo
from tests.integration.repositories import (
    SLOW_S,
    UNLOADABLE_MODEL,
    add_echo,
    add_slow,
    break_component,
    copy_engines,
    forget_golden,
)
from tests.integration.running import RunningTidegate, command_line, options_of, wait_until

pytestmark = pytest.mark.triton

# As a caller feels it: far below the engines' timeout of 20 s.
AT_ONCE_S = 6.0
SETTINGS = options_of(
    {
        "requests.timeout_s": 30,
        "requests.engine_timeout_s": 20,
        "fleet.observe_timeout_s": 5,
    }
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTidegate]:
    folder = tmp_path_factory.mktemp("small")
    repository = copy_engines(folder / "models", "damage", "materials")
    break_component(repository, "materials_postprocess")
    forget_golden(repository, "materials")
    add_slow(repository)
    add_echo(repository)
    running = RunningTidegate(folder / "run", repository, tritons=1, settings=SETTINGS)
    running.start()
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def test_an_engine_that_fails_leaves_the_others_results(small: RunningTidegate) -> None:
    response = small.detect(small_photo(), detection_types="damage,materials,slow")
    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "partial"
    assert set(answer["results"]) == set(answer["model_versions"]) == {"damage", "slow"}
    assert answer["results"]["slow"] == {"SLEPT_S": [SLOW_S]}
    assert set(answer["errors"]) == {"materials"}
    assert answer["errors"]["materials"]["code"] == "backend_fault"
    assert "broken on purpose" in answer["errors"]["materials"]["message"]
    (line,) = [
        line
        for line in small.log_lines(answer["correlation_id"])
        if line["event"] == "engine failed"
    ]
    assert (line["engine"], line["level"]) == ("materials", "warning")


def test_the_same_over_grpc(small: RunningTidegate) -> None:
    request = pb.DetectRequest(photo=small_photo(), detection_types=["damage", "materials"])
    raw, _ = call_raw(small.grpc, DETECT, request.SerializeToString())
    answer = pb.Detection.FromString(raw)
    assert answer.status == pb.DETECTION_STATUS_PARTIAL
    assert set(answer.results) == {"damage"}
    assert answer.errors["materials"].code == "backend_fault"


def test_when_no_engine_answers_it_is_a_failure(small: RunningTidegate) -> None:
    response = small.detect(small_photo(), detection_types="materials")
    assert response.status_code == 502
    problem = response.json()
    assert problem["code"] == "backend_fault"
    assert problem["detection_status"] == "failed"
    assert set(problem["errors"]) == {"materials"}


def test_the_command_line_says_which_engine_failed(small: RunningTidegate, tmp_path: Path) -> None:
    photo = tmp_path / "roof.jpg"
    photo.write_bytes(small_photo())
    done = command_line("detect", str(photo), "--types", "damage,materials", url=small.url)
    assert done.returncode == 1
    assert "partial" in done.stdout
    assert f"tidegate: {photo}: materials failed: " in done.stderr


def test_an_engine_slower_than_the_deadline_fails_alone(small: RunningTidegate) -> None:
    started_s = time.monotonic()
    response = small.detect(
        small_photo(), detection_types="damage,slow", **{"x-request-timeout-s": "1"}
    )
    assert time.monotonic() - started_s < AT_ONCE_S
    answer = response.json()
    assert answer["errors"]["slow"]["code"] == "deadline_exceeded"
    small.wait_idle()


def test_a_plain_model_is_an_engine_too(small: RunningTidegate) -> None:
    tensor = triton.InferInput("INPUT", [4], "FP32")
    tensor.set_data_from_numpy(np.arange(4, dtype=np.float32))
    with triton.InferenceServerClient(small.grpc) as client:
        result = client.infer("echo", [tensor], model_version="1.0.0")
        assert result.as_numpy("OUTPUT").tolist() == [0, 1, 2, 3]
        assert result.get_response().model_version == "1.0.0"


def test_an_engine_that_takes_no_photo_is_not_asked_about_one(small: RunningTidegate) -> None:
    answer = small.detect(small_photo()).json()
    assert set(answer["results"]) == {"damage", "slow"}
    assert set(answer["errors"]) == {"materials"}
    refused = small.detect(small_photo(), detection_types="echo").json()
    assert (refused["code"], refused["field"]) == ("invalid_argument", "detection_types[0]")


def test_a_killed_triton_gives_typed_errors_at_once_and_comes_back(
    small: RunningTidegate, pool: ThreadPoolExecutor
) -> None:
    (server,) = small.tritonservers()
    waiting = pool.submit(
        refusal_of, small.grpc, INFER, infer_request(small_photo(), "slow").SerializeToString()
    )
    wait_until(lambda: small.instances()[0]["in_flight"] == 1)
    server.send_signal(signal.SIGKILL)
    killed_s = time.monotonic()

    status, _, metadata = waiting.result(timeout=AT_ONCE_S)
    assert status is grpc.StatusCode.UNAVAILABLE
    assert metadata["x-tidegate-code"] == "backend_unavailable"
    seen = _codes_until_ready(small, refused_by=server)
    assert time.monotonic() - killed_s < 120
    # Unreachable, then seen to be so, then starting with nothing loaded.
    assert seen <= {"backend_unavailable", "release_not_ready"}
    assert seen

    (successor,) = [one for one in small.tritonservers() if one.pid != server.pid]
    assert successor.is_running()
    wait_until(small.are_all_ready)
    answer = small.detect(small_photo(), detection_types="damage,slow").json()
    assert answer["status"] == "completed"
    lines = [line["event"] for line in small.log_lines()]
    assert any("killed by SIGKILL" in line for line in lines)
    assert lines.count("ready to serve") == 2
    assert "not ready to serve" in lines[lines.index("ready to serve") :]


def test_sigterm_lets_accepted_requests_finish(
    small: RunningTidegate, pool: ThreadPoolExecutor
) -> None:
    """The last of this file: it ends the shared process."""
    typed = pb.DetectRequest(photo=small_photo(), detection_types=["slow"]).SerializeToString()
    raw = infer_request(small_photo(), "slow").SerializeToString()
    over_rest = pool.submit(small.detect, small_photo(), detection_types="slow")
    over_grpc = pool.submit(call_raw, small.grpc, DETECT, typed)
    over_kserve = pool.submit(call_raw, small.grpc, INFER, raw)
    wait_until(lambda: small.instances()[0]["in_flight"] == 3)
    small.terminate()
    wait_until(lambda: _refuses(small), what="new connections are refused")

    assert _result(over_rest).status_code == 200
    assert _result(over_rest).json()["status"] == "completed"
    detection = pb.Detection.FromString(_result(over_grpc)[0])
    assert detection.status == pb.DETECTION_STATUS_COMPLETED
    inferred = service_pb2.ModelInferResponse.FromString(_result(over_kserve)[0])
    assert inferred.model_name == "slow"
    assert small.wait_stopped() == 0
    assert small.log_lines()[-1]["event"] == "stopped"


def test_a_release_that_cannot_be_loaded_costs_its_own_engine_only(tmp_path: Path) -> None:
    repository = copy_engines(tmp_path / "models", "damage", "materials")
    break_component(repository, "materials_postprocess", UNLOADABLE_MODEL)
    running = RunningTidegate(tmp_path / "run", repository, tritons=1, settings=SETTINGS)
    running.start()
    try:
        wait_until(lambda: _is_engine_ready(running, "damage"), timeout_s=120)
        assert running.detect(small_photo(), detection_types="damage").status_code == 200
        (instance,) = wait_until(
            lambda: [one for one in running.instances() if "cannot be loaded" in one["reason"]]
        )
        assert instance["state"] == "loading"
        readiness = httpx.get(f"{running.url}/readyz")
        assert readiness.status_code == 503
        assert readiness.json()["engines"] == ["materials"]
        assert running.get("/api/v1/orchestrator/health")["status"] == "degraded"
        answer = running.detect(small_photo()).json()
        assert answer["status"] == "partial"
        assert answer["errors"]["materials"]["code"] == "release_not_ready"
    finally:
        running.stop()


def _codes_until_ready(small: RunningTidegate, refused_by: psutil.Process) -> set[str]:
    """Asks without pause while the Triton is away; each answer must come at once."""
    wait_until(lambda: not refused_by.is_running())
    seen: set[str] = set()
    give_up_s = time.monotonic() + 120
    while time.monotonic() < give_up_s:
        asked_s = time.monotonic()
        response = small.detect(small_photo(), detection_types="damage")
        if response.status_code == 200:
            wait_until(small.is_ready)
            return seen
        assert response.status_code == 503
        assert time.monotonic() - asked_s < AT_ONCE_S
        seen.add(response.json()["errors"]["damage"]["code"])
    raise AssertionError(f"it did not come back:\n{small.last_words()}")


def _is_engine_ready(running: RunningTidegate, name: str) -> bool:
    assert running.process.poll() is None, running.last_words()
    try:
        engines = running.get("/api/v1/engines")["engines"]
    except httpx.TransportError:
        return False
    return any(engine["name"] == name and engine["is_ready"] for engine in engines)


def _refuses(small: RunningTidegate) -> bool:
    try:
        httpx.get(f"{small.url}/healthz", timeout=2)
    except httpx.TransportError:
        return True
    return False


def _result(future: Future[Any]) -> Any:
    return future.result(timeout=60)
