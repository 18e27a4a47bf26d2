"""SIGTERM of the control plane under load: no request that was accepted fails.

Accepted is what a handler began with. Seen from outside: what was asked before the notice was
over, and whatever reached a Triton, which writes the ids that it is sent into a journal. What
comes later may be refused; then no Triton has seen it, and its caller can safely ask elsewhere.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.utils import InferenceServerException

from tests.integration.asking import image_input
from tests.integration.photos import small_photo
from tests.integration.repositories import SLOW_S, add_slow
from tests.integration.running import RunningTidegate, options_of, wait_until

pytestmark = pytest.mark.triton

NOTICE_S = 2.0
SETTLED = 100
CLIENT_TIMEOUT_S = 10.0
DETECT = "/api/v1/orchestrator/detect"

CONFIG = """
backend: "python"
max_batch_size: 1
input [ { name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "DONE" data_type: TYPE_INT32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 2 } ]
"""
MODEL = """
import os
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.journal = os.open({journal!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def execute(self, requests):
        answers = []
        for request in requests:
            os.write(self.journal, (request.request_id() + "\\n").encode())
            time.sleep(0.02)
            done = pb_utils.Tensor("DONE", np.array([[1]], np.int32))
            answers.append(pb_utils.InferenceResponse([done]))
        return answers
"""


@dataclass(frozen=True)
class Asked:
    """One request as its caller saw it, by the wall clock. error: "" when it was answered."""

    engine: str
    request_id: str
    started_s: float
    ended_s: float
    error: str


@dataclass
class Load:
    """Steady load in a thread of its own: 50 requests/s by the official client, 12 by REST."""

    tidegate: RunningTidegate
    asked: list[Asked] = field(default_factory=list)

    def failed(self) -> list[Asked]:
        return [one for one in self.asked if one.error]

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._ask_until(stop)))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    async def _ask_until(self, stop: threading.Event) -> None:
        async with (
            triton_aio.InferenceServerClient(self.tidegate.grpc) as kserve,
            httpx.AsyncClient(base_url=self.tidegate.url, timeout=CLIENT_TIMEOUT_S) as rest,
            asyncio.TaskGroup() as group,
        ):

            async def repeat(per_s: float, engine: str, call: Callable[[str, str], Any]) -> None:
                started_s, count = time.monotonic(), 0
                while not stop.is_set():
                    request_id = f"{engine}-{time.monotonic_ns()}"
                    group.create_task(self._note(engine, request_id, call(engine, request_id)))
                    count += 1
                    await asyncio.sleep(max(0.0, started_s + count / per_s - time.monotonic()))

            async def infer(engine: str, request_id: str) -> str:
                await kserve.infer(
                    engine,
                    image_input(small_photo()),
                    request_id=request_id,
                    client_timeout=CLIENT_TIMEOUT_S,
                )
                return request_id

            async def detect(engine: str, _: str) -> str:
                answer = await rest.post(
                    DETECT,
                    files={"photo": ("photo.jpg", small_photo())},
                    data={"detection_types": engine},
                )
                assert answer.status_code == 200, answer.text
                return str(answer.json()["request_id"])

            for per_s, engine, call in (
                (48, "work", infer),
                (2, "slow", infer),
                (10, "work", detect),
                (2, "slow", detect),
            ):
                group.create_task(repeat(per_s, engine, call))

    async def _note(self, engine: str, request_id: str, answer: Awaitable[str]) -> None:
        started_s, error = time.time(), ""
        try:
            request_id = await answer  # over REST it is the server's
        except InferenceServerException as failed:
            error = str(failed.status())
        except httpx.TransportError as failed:
            error = type(failed).__name__
        self.asked.append(Asked(engine, request_id, started_s, time.time(), error))


@contextmanager
def running(folder: Path, **settings: object) -> Iterator[RunningTidegate]:
    repository = folder / "models"
    add_slow(repository)
    version = repository / "work" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(MODEL.format(journal=str(folder / "journal")))
    (version.parent / "config.pbtxt").write_text(CONFIG)
    tidegate = RunningTidegate(folder / "run", repository, tritons=2, settings=options_of(settings))
    tidegate.start()
    try:
        tidegate.wait_ready()
        wait_until(tidegate.are_all_ready, what="both Tritons ready")
        yield tidegate
    finally:
        tidegate.stop()


@pytest.mark.alone
def test_no_request_that_was_accepted_fails(tmp_path: Path) -> None:
    settings = {"shutdown.notice_s": NOTICE_S, "requests.engine_timeout_s": 10}
    with running(tmp_path, **settings) as tidegate:
        load = Load(tidegate)
        with load.running(), open_stream(tidegate) as answers:
            assert answers.get(timeout=CLIENT_TIMEOUT_S)[1] is None
            wait_until(lambda: len(load.asked) >= SETTLED, what="steady load")
            told_s = time.time()
            tidegate.terminate()
            check_that_it_turns_callers_away_and_lives(tidegate)
            _, ended = answers.get(timeout=30)
            assert tidegate.wait_stopped() == 0
            wait_until(lambda: len(load.failed()) >= 10, what="refusals")
    assert ended is not None
    assert (ended.status(), "shutting down" in ended.message()) == ("StatusCode.UNAVAILABLE", True)

    drained_s = logged_at(tidegate, "draining")
    assert drained_s > told_s + NOTICE_S - 0.1  # two clocks
    answered = [one for one in load.asked if not one.error]
    # Whatever was asked before the notice was over; it takes a while from a client to a server.
    early = [one for one in load.failed() if one.ended_s < drained_s]
    assert early == [], Counter(one.error for one in early)
    # What was under way at that moment was finished.
    assert sum(one.started_s < drained_s < one.ended_s for one in answered) >= 4
    # What reached a Triton is what was answered.
    reached = set((tmp_path / "journal").read_text().split())
    assert reached - {"streamed"} == {one.request_id for one in answered if one.engine == "work"}
    # Who was refused knows that it can ask elsewhere.
    refusals = {one.error for one in load.failed()}
    # The last two: a connection kept alive that was closed just as the request was sent on it.
    assert refusals <= {
        "StatusCode.UNAVAILABLE",
        "ConnectError",
        "RemoteProtocolError",
        "ReadError",
    }


@pytest.mark.alone
def test_told_twice_it_cuts_what_is_under_way_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        running(tmp_path, **{"shutdown.notice_s": 600, "shutdown.grace_s": 600}) as tidegate,
        triton.InferenceServerClient(tidegate.grpc) as client,
    ):
        ended: queue.Queue[InferenceServerException | None] = queue.Queue()
        client.async_infer(
            "slow",
            image_input(small_photo()),
            callback=lambda result, error: ended.put(error),
            client_timeout=CLIENT_TIMEOUT_S,
        )
        wait_until(lambda: sum(one["in_flight"] for one in tidegate.instances()) == 1)
        started_s = time.monotonic()
        tidegate.terminate()
        wait_until(lambda: not tidegate.is_ready(), what="the first order")
        tidegate.terminate()
        error = ended.get(timeout=30)
        assert time.monotonic() - started_s < SLOW_S
        assert error is not None
        assert tidegate.wait_stopped() == 0


def check_that_it_turns_callers_away_and_lives(tidegate: RunningTidegate) -> None:
    """Over both edges, as long as the notice lasts."""
    readiness = wait_until(lambda: unready(tidegate), what="readiness off")
    assert readiness.status_code == 503
    assert (readiness.json()["code"], readiness.json()["detail"]) == (
        "shutting_down",
        "shutting down",
    )
    assert httpx.get(f"{tidegate.url}/healthz").status_code == 200
    with triton.InferenceServerClient(tidegate.grpc) as client:
        assert client.is_server_live()
        assert not client.is_server_ready()
    with grpc.insecure_channel(tidegate.grpc) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING


def unready(tidegate: RunningTidegate) -> httpx.Response | None:
    answer = httpx.get(f"{tidegate.url}/readyz")
    return answer if answer.status_code != 200 else None


Answer = tuple[triton.InferResult | None, InferenceServerException | None]


@contextmanager
def open_stream(tidegate: RunningTidegate) -> Iterator[queue.Queue[Answer]]:
    """A stream on which one request is asked, and which its caller leaves open."""
    answers: queue.Queue[Answer] = queue.Queue()
    with triton.InferenceServerClient(tidegate.grpc) as client:
        client.start_stream(callback=lambda result, error: answers.put((result, error)))
        client.async_stream_infer("work", image_input(small_photo()), request_id="streamed")
        yield answers


def logged_at(tidegate: RunningTidegate, event: str) -> float:
    (line,) = (line for line in tidegate.log_lines() if line["event"] == event)
    return datetime.fromisoformat(line["timestamp"]).timestamp()
