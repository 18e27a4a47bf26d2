"""Instances are taken out and brought back under load, by every way there is; nobody notices."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2

from control_plane.grpc_api.protos import operations_pb2 as pb
from tests.integration.asking import INFER, call_raw, image_input, refusal_of
from tests.integration.faults.load import Outcome, steady_load
from tests.integration.repositories import SLOW_S, add_slow
from tests.integration.running import ROOT, RunningTidegate, command_line, lines_of, wait_until

pytestmark = pytest.mark.triton

FIRST, SECOND = "triton-0", "triton-1"
OPERATIONS = "/tidegate.v1.Operations/"
ASKED = 30


@pytest.fixture(scope="module")
def tidegate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTidegate]:
    repository = tmp_path_factory.mktemp("repository") / "models"
    shutil.copytree(ROOT / "benchmarks" / "models", repository)
    add_slow(repository)
    running = RunningTidegate(
        folder=tmp_path_factory.mktemp("operations"), model_repository=repository, tritons=2
    )
    running.start()
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def shown(tidegate: RunningTidegate, name: str) -> dict[str, Any]:
    found: dict[str, Any] = tidegate.get(f"/api/v1/fleet/{name}")
    return found


def echo_request() -> bytes:
    message = service_pb2.ModelInferRequest(model_name="echo")
    message.inputs.add(name="INPUT", datatype="FP32", shape=[16])
    message.raw_input_contents.append(np.arange(16, dtype=np.float32).tobytes())
    return bytes(message.SerializeToString())


def servers_of(tidegate: RunningTidegate, count: int = ASKED) -> set[str]:
    """Who answered so many requests."""
    answers = (call_raw(tidegate.grpc, INFER, echo_request()) for _ in range(count))
    return {trailing["x-tidegate-instance"] for _, trailing in answers}


def act(tidegate: RunningTidegate, name: str, action: str, **body: Any) -> dict[str, Any]:
    """Over REST."""
    answer = httpx.post(f"{tidegate.url}/api/v1/fleet/{name}/{action}", json=body, timeout=10)
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, Any] = answer.json()
    return found


def operate(tidegate: RunningTidegate, method: str, message: Any) -> pb.Instance:
    """Over gRPC."""
    raw, _ = call_raw(tidegate.grpc, OPERATIONS + method, message.SerializeToString())
    return pb.Instance.FromString(raw)


def test_a_drain_and_its_end_from_the_terminal(tidegate: RunningTidegate) -> None:
    outcome = Outcome()
    with steady_load(tidegate.grpc, outcome):
        wait_until(lambda: outcome.asked > ASKED, what="requests")
        drained = command_line("fleet", "drain", FIRST, "--reason", "new driver", url=tidegate.url)
        assert (drained.returncode, drained.stderr) == (0, "")
        assert drained.stdout == f"{FIRST} is draining: nothing is in flight there\n"
        assert servers_of(tidegate) == {SECOND}
        assert shown(tidegate, FIRST)["in_flight"] == 0
        watched = command_line("fleet", "--times", "1", url=tidegate.url).stdout
        assert "1 draining, 1 healthy" in watched
        assert "new driver" in watched
        back = command_line("fleet", "undrain", FIRST, url=tidegate.url)
        assert back.returncode == 0
        wait_until(lambda: FIRST in servers_of(tidegate), what="requests there again")
    assert outcome.errors == [], outcome.summary()
    history = json.loads(command_line("fleet", "show", FIRST, "--json", url=tidegate.url).stdout)[
        "history"
    ]
    latest = [(change["was"], change["now"], change["reason"]) for change in history[:3]]
    assert latest == [
        ("unknown", "healthy", "all is well"),
        ("draining", "unknown", "asked by an operator"),
        ("healthy", "draining", "new driver"),
    ]


def test_a_drain_waits_for_what_is_in_flight(tidegate: RunningTidegate) -> None:
    answers: list[Any] = []

    def ask() -> None:
        with triton.InferenceServerClient(tidegate.grpc) as client:
            answers.append(client.infer("slow", image_input(b"a photo")).as_numpy("SLEPT_S"))

    caller = threading.Thread(target=ask)
    caller.start()
    busy = wait_until(
        lambda: [
            one["name"] for one in tidegate.instances() if one["engines"]["slow"]["in_flight"]
        ],
        what="the slow request in flight",
    )[0]
    act(tidegate, busy, "drain")
    drained = command_line("fleet", "drain", busy, "--json", url=tidegate.url)
    assert drained.returncode == 0, drained.stderr
    (instance,) = lines_of([drained.stdout.replace("\n", "")])
    assert (instance["health"], instance["in_flight"]) == ("draining", 0)
    caller.join()
    assert answers[0].item() == SLOW_S
    act(tidegate, busy, "undrain")


def test_an_isolated_instance_stays_out_until_it_is_healed(tidegate: RunningTidegate) -> None:
    outcome = Outcome()
    with steady_load(tidegate.grpc, outcome):
        isolated = act(tidegate, SECOND, "isolate", reason="burnt")
        assert (isolated["health"], isolated["health_reason"]) == ("isolated", "burnt")
        assert servers_of(tidegate) == {FIRST}
        refused = httpx.post(f"{tidegate.url}/api/v1/fleet/{SECOND}/undrain", json={})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        act(tidegate, SECOND, "heal")
        wait_until(lambda: SECOND in servers_of(tidegate), what="requests there again")
    assert outcome.errors == [], outcome.summary()


def test_the_same_over_grpc(tidegate: RunningTidegate) -> None:
    raw, _ = call_raw(tidegate.grpc, OPERATIONS + "ListInstances", b"")
    listed = pb.ListInstancesResponse.FromString(raw)
    assert {one.name: one.health for one in listed.instances} == {
        FIRST: pb.INSTANCE_HEALTH_HEALTHY,
        SECOND: pb.INSTANCE_HEALTH_HEALTHY,
    }
    drain = pb.DrainInstanceRequest(instance=FIRST, reason="over gRPC")
    assert operate(tidegate, "DrainInstance", drain).health == pb.INSTANCE_HEALTH_DRAINING
    assert servers_of(tidegate) == {SECOND}
    last = pb.IsolateInstanceRequest(instance=SECOND).SerializeToString()
    status, message, trailing = refusal_of(tidegate.grpc, OPERATIONS + "IsolateInstance", last)
    assert status is grpc.StatusCode.FAILED_PRECONDITION
    assert trailing["x-tidegate-code"] == "conflict"
    assert "the last instance that takes requests for echo" in message
    operate(tidegate, "UndrainInstance", pb.UndrainInstanceRequest(instance=FIRST))
    wait_until(lambda: FIRST in servers_of(tidegate), what="requests there again")
    got = operate(tidegate, "GetInstance", pb.GetInstanceRequest(instance=FIRST))
    assert "over gRPC" in [change.reason for change in got.history]


def test_with_nothing_left_callers_are_told_at_once(tidegate: RunningTidegate) -> None:
    act(tidegate, FIRST, "drain")
    refused = command_line("fleet", "drain", SECOND, url=tidegate.url)
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert servers_of(tidegate) == {SECOND}
    forced = command_line("fleet", "drain", SECOND, "--force", url=tidegate.url)
    assert forced.returncode == 0, forced.stderr
    status, _, trailing = refusal_of(tidegate.grpc, INFER, echo_request())
    assert status is grpc.StatusCode.UNAVAILABLE
    assert trailing["x-tidegate-code"] == "release_not_ready"
    assert float(trailing["x-tidegate-retry-after-s"]) > 0
    assert command_line("status", url=tidegate.url).returncode == 1
    for name in (FIRST, SECOND):
        act(tidegate, name, "undrain")
    wait_until(lambda: tidegate.is_ready(), what="ready again")
    assert servers_of(tidegate)
