"""What the scrape relies on in a real Triton's ``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from control_plane.adapters.triton import TritonInstance
from control_plane.adapters.triton_metrics import TritonMetrics, open_client
from control_plane.core.triton_metrics import PENDING, pending_by_component
from tests.contract.conftest import Contracted
from tests.contract.test_instance import asking, load_release, pinned

pytestmark = pytest.mark.triton


@pytest.fixture
async def triton(triton_url: str) -> AsyncIterator[Contracted]:
    adapter = TritonInstance(triton_url, max_message_bytes=1 << 20)
    yield Contracted(adapter)
    await adapter.close()


@pytest.fixture
async def metrics(triton_url: str) -> AsyncIterator[TritonMetrics]:
    host, _, port = triton_url.rpartition(":")
    async with open_client(1) as client:
        yield TritonMetrics(f"http://{host}:{int(port) + 1}/metrics", client)


async def test_what_waits_for_a_component_is_counted_and_what_it_runs_is_not(
    triton: Contracted, metrics: TritonMetrics
) -> None:
    await triton.load("echo", 1)
    await triton.load("pause", 1)
    calls = [
        asyncio.create_task(triton.instance.infer(asking("pause", "1"), timeout_s=30.0))
        for _ in range(3)
    ]
    async with asyncio.timeout(30):
        # One instance of the model runs one of them.
        while (await pending(metrics))["pause", 1] != 2:  # noqa: ASYNC110 -- a Triton tells nobody
            await asyncio.sleep(0.02)
    assert (await pending(metrics))["echo", 1] == 0
    await asyncio.gather(*calls)
    assert (await pending(metrics))["pause", 1] == 0


async def test_every_metric_can_be_had_and_a_twin_is_a_model_of_its_own(
    triton: Contracted, metrics: TritonMetrics
) -> None:
    await triton.load("echo", 1)
    release = pinned("9.0.0", 1)
    await load_release(triton, release)
    await triton.instance.infer(asking(release.model_name, "1"), timeout_s=10.0)
    async with asyncio.timeout(10):
        while True:  # it counts after it has answered
            families = {each.name: each for each in await metrics.scrape("nv_", timeout_s=10.0)}
            succeeded = families["nv_inference_request_success"]
            counts = {
                (each.labels["model"], each.labels["version"]): each.value
                for each in succeeded.samples
            }
            if counts[release.model_name, "1"] == 1.0:
                break
    assert succeeded.kind == "counter"
    assert families[PENDING].kind == "gauge"
    summary = families["nv_inference_request_summary_us"]
    assert {"quantile", "model", "version"} in [set(each.labels) for each in summary.samples]


async def pending(metrics: TritonMetrics) -> dict[tuple[str, int], int]:
    return pending_by_component(await metrics.scrape(PENDING, timeout_s=10.0))
