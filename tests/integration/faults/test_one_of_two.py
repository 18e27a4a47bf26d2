"""One of two Tritons dies, hangs, lies or forgets, under load: no caller's request fails."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest
import tritonclient.grpc as triton

from tests.integration.faults.load import Outcome, steady_load
from tests.integration.running import ROOT, RunningTidegate, wait_until

FIRST = "triton-0"
SETTLED = 60


@pytest.fixture(scope="module")
def tidegate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTidegate]:
    running = RunningTidegate(
        folder=tmp_path_factory.mktemp("faults"),
        model_repository=ROOT / "benchmarks" / "models",
        tritons=2,
    )
    running.start()
    try:
        running.wait_ready()
        wait_until(running.are_all_ready, what="both Tritons ready")
        yield running
    finally:
        running.stop()


def processes_of(tidegate: RunningTidegate, name: str, word: str) -> list[psutil.Process]:
    """The processes of that name below the first Triton's guardian."""
    port = str(tidegate.triton_base_port)
    return [
        child
        for process in psutil.Process(tidegate.process.pid).children(recursive=True)
        if process.name() == "tritonserver" and port in " ".join(process.cmdline())
        for child in (process, *process.children(recursive=True))
        if child.name() == name and word in " ".join(child.cmdline())
    ]


def is_serving(tidegate: RunningTidegate, name: str = FIRST) -> bool:
    (found,) = (one for one in tidegate.instances() if one["name"] == name)
    return bool(found["serving"])


def loaded(outcome: Outcome) -> None:
    """So many more requests have been asked that what was to go wrong has."""
    asked = outcome.asked
    wait_until(lambda: outcome.asked >= asked + SETTLED, what="more requests")


def test_a_killed_triton_fails_no_request_and_comes_back(tidegate: RunningTidegate) -> None:
    outcome = Outcome()
    (server,) = processes_of(tidegate, "tritonserver", "")
    with steady_load(tidegate.grpc, outcome):
        loaded(outcome)
        server.send_signal(signal.SIGKILL)
        wait_until(lambda: not is_serving(tidegate), what="out of rotation")
        loaded(outcome)
        wait_until(lambda: is_serving(tidegate), what="back in rotation")
        loaded(outcome)
    assert outcome.errors == [], outcome.summary()


def test_a_hung_triton_fails_no_request_and_is_taken_out(tidegate: RunningTidegate) -> None:
    outcome = Outcome()
    (server,) = processes_of(tidegate, "tritonserver", "")
    with steady_load(tidegate.grpc, outcome):
        loaded(outcome)
        server.suspend()
        try:
            wait_until(lambda: not is_serving(tidegate), what="out of rotation")
            loaded(outcome)
        finally:
            server.resume()
        wait_until(lambda: is_serving(tidegate), what="back in rotation")
        loaded(outcome)
    assert outcome.errors == [], outcome.summary()


def test_a_component_unloaded_behind_our_back_fails_no_request_and_is_restored(
    tidegate: RunningTidegate,
) -> None:
    outcome = Outcome()
    with (
        triton.InferenceServerClient(tidegate.triton_urls[FIRST]) as direct,
        steady_load(tidegate.grpc, outcome),
    ):
        loaded(outcome)
        direct.unload_model("echo")
        wait_until(lambda: not direct.is_model_ready("echo", "1"), what="unloaded")
        wait_until(lambda: direct.is_model_ready("echo", "1"), what="restored")
        loaded(outcome)
    assert outcome.errors == [], outcome.summary()


def test_a_dead_model_on_a_triton_that_calls_it_ready_is_mended_and_fails_no_request(
    tidegate: RunningTidegate,
) -> None:
    outcome = Outcome()

    def stub() -> psutil.Process | None:
        return next(iter(processes_of(tidegate, "triton_python_backend_stub", "echo")), None)

    dead = stub()
    assert dead is not None
    with steady_load(tidegate.grpc, outcome):
        loaded(outcome)
        dead.send_signal(signal.SIGKILL)

        def is_mended() -> bool:
            found = stub()
            return found is not None and found.pid != dead.pid and is_serving(tidegate)

        wait_until(is_mended, what="mended")
        loaded(outcome)
    assert outcome.errors == [], outcome.summary()
