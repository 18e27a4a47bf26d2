"""One of two Tritons is kept busy by somebody else: balancing, told by a scrape, goes to the other.

In one process, so that a scrape happens when the test says so.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from tritonclient.grpc import service_pb2

from control_plane.adapters.clock import MonotonicClock
from control_plane.adapters.triton import TritonInstance
from control_plane.adapters.triton_metrics import TritonMetrics, open_client
from control_plane.core.balancing import PoolOptions
from control_plane.core.catalogue import Release
from control_plane.core.outcomes import Verdict
from control_plane.core.triton_metrics import PENDING, pending_by_component, pending_for
from control_plane.embedded import FleetOptions
from control_plane.loops.scrape import InstanceScrape
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Instance
from tests.integration.tritons import RunningTritons, free_base_port, skip_without_triton

BUSY, OTHER = "triton-0", "triton-1"
WORK_S = 0.05
AT_ONCE = 6
FROM_ELSEWHERE = 20
TIMEOUT_S = 30.0
RELEASE = Release("work", "1.0.0", {"work": 1}, is_ensemble=False)

TENSOR = {"data_type": "TYPE_FP32", "dims": [-1]}
CONFIG = {
    "name": "work",
    "backend": "python",
    "input": [{"name": "INPUT", **TENSOR}],
    "output": [{"name": "OUTPUT", **TENSOR}],
    "instance_group": [{"kind": "KIND_CPU", "count": 1}],
}
MODEL = f"""
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep({WORK_S} * len(requests))
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor(
                "OUTPUT", pb_utils.get_input_tensor_by_name(request, "INPUT").as_numpy())])
            for request in requests
        ]
"""
REQUEST = service_pb2.ModelInferRequest(model_name="work", raw_input_contents=[b"\0\0\0\0"])
REQUEST.inputs.add(name="INPUT", datatype="FP32", shape=[1])
MESSAGE = REQUEST.SerializeToString()


@pytest.fixture
def tritons(tmp_path: Path) -> Iterator[RunningTritons]:
    version = tmp_path / "models" / "work" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(MODEL)
    (version.parent / "config.pbtxt").write_text("")  # what is loaded brings its own
    options = FleetOptions(tmp_path / "models", base_port=free_base_port(), runtime_root=tmp_path)
    skip_without_triton(options)
    running = RunningTritons(options)
    running.start()
    yield running
    running.stop()


@pytest.fixture
async def fleet(tritons: RunningTritons) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        instances = []
        for name, url in zip((BUSY, OTHER), tritons.grpc_urls, strict=True):
            triton = TritonInstance(url, max_message_bytes=1 << 20)
            stack.push_async_callback(triton.close)
            await triton.load("work", CONFIG, timeout_s=TIMEOUT_S)
            instances.append(Instance(name, url, triton))
        fleet = Fleet(instances, options=PoolOptions(), clock=MonotonicClock(), rng=Random(7))
        for instance in fleet.instances:
            served = {(RELEASE.engine, RELEASE.version)}
            fleet.publish(instance.name, serving=served, is_live=True, reason="", now_s=0.0)
        yield fleet


async def served_by(fleet: Fleet) -> Counter[str]:
    """Which instances answer AT_ONCE requests, asked at once."""

    async def ask() -> str:
        with fleet.reserve(RELEASE) as place:
            await place.instance.calls.infer(MESSAGE, timeout_s=TIMEOUT_S)
            place.settle(Verdict.SUCCESS)
            return place.instance.name

    return Counter(await asyncio.gather(*(ask() for _ in range(AT_ONCE))))


@asynccontextmanager
async def load_from_elsewhere(url: str) -> AsyncIterator[None]:
    """FROM_ELSEWHERE requests at any time, straight to one Triton."""
    other = TritonInstance(url, max_message_bytes=1 << 20)

    async def ask_on() -> None:
        while True:
            await other.infer(MESSAGE, timeout_s=TIMEOUT_S)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask_on()) for _ in range(FROM_ELSEWHERE)]
        yield
        for task in tasks:
            task.cancel()
    await other.close()


@pytest.mark.triton
async def test_requests_go_where_nobody_elses_wait(tritons: RunningTritons, fleet: Fleet) -> None:
    # Both are known, and as quick as each other.
    assert await served_by(fleet) == {BUSY: AT_ONCE / 2, OTHER: AT_ONCE / 2}
    page = f"http://127.0.0.1:{tritons.options.ports(0).metrics}/metrics"
    async with open_client(1) as client, load_from_elsewhere(tritons.grpc_urls[0]):
        metrics = TritonMetrics(page, client)
        async with asyncio.timeout(TIMEOUT_S):
            while await waiting(metrics) < FROM_ELSEWHERE / 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        scrape = InstanceScrape(
            BUSY,
            metrics=metrics,
            fleet=fleet,
            releases=lambda: (RELEASE,),
            interval_s=1.0,
            timeout_s=TIMEOUT_S,
            clock=MonotonicClock(),
        )
        await scrape.scrape()
        load = fleet.instance(BUSY).scraped.load
        assert load is not None
        assert load.pending >= FROM_ELSEWHERE / 2
        # This Triton has no GPU, and what is not reported is not known.
        assert load.gpu_utilization is None
        assert await served_by(fleet) == {OTHER: AT_ONCE}
        # It was the hint that did it: without one they go to both, and some wait.
        fleet.hint(BUSY, {})
        assert (await served_by(fleet))[BUSY] > 0


async def waiting(metrics: TritonMetrics) -> int:
    return pending_for(
        RELEASE, pending_by_component(await metrics.scrape(PENDING, timeout_s=TIMEOUT_S))
    )
