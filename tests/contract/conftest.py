"""Each instance of the contract: the fake, and the adapter in front of one real Triton."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil
import pytest
from tritonclient.grpc import service_pb2

from control_plane.adapters.triton import TritonInstance
from control_plane.core.catalogue import Config
from control_plane.core.loading import with_versions
from control_plane.embedded import FleetOptions
from control_plane.ports import CallFailed
from tests.contract import repository
from tests.integration.tritons import RunningTritons, free_base_port, skip_without_triton
from tests.unit.fakes import FakeInstance, echo

LOAD_TIMEOUT_S = 60.0
UNLOADED_WITHIN_S = 20.0


def named_output(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
    answer = echo(request)
    answer.outputs[0].name = "OUTPUT"
    return answer


@dataclass
class Contracted:
    """One instance, ``echo`` loaded in its version 1, and the steps that the tests share."""

    instance: FakeInstance | TritonInstance

    async def load(self, model: str, *versions: int) -> None:
        config = with_versions(repository.spec(model), versions)
        await self.instance.load(model, config, timeout_s=LOAD_TIMEOUT_S)

    async def load_twin(self, name: str, config: Config) -> None:
        await self.instance.load(name, config, is_twin=True, timeout_s=LOAD_TIMEOUT_S)

    async def ready(self, model: str) -> frozenset[int]:
        seen = await self.instance.observe([], timeout_s=10.0)
        return seen.ready_versions.get(model, frozenset())

    async def status_of(self, call: object) -> str:
        with pytest.raises(CallFailed) as failed:
            await call  # type: ignore[misc]
        return failed.value.failure.status

    async def pause(self) -> None:
        """From now on ``pause`` answers late."""
        if isinstance(self.instance, FakeInstance):
            self.instance.hold.clear()
        else:
            await self.load("pause", 1)

    async def unload(self, model: str) -> None:
        await self.instance.unload(model, timeout_s=LOAD_TIMEOUT_S)

    def kill(self, model: str) -> None:
        """The process behind a model dies."""
        if isinstance(self.instance, FakeInstance):
            self.instance.kill(model)
            return
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.ZombieProcess):
                words = process.cmdline()
                if "triton_python_backend_stub" in words[0] and f"/{model}/" in words[1]:
                    process.kill()

    async def until_ready(self, model: str, *versions: int) -> None:
        """A dropped version ends in the background."""
        async with asyncio.timeout(UNLOADED_WITHIN_S):
            while await self.ready(model) != set(versions):  # noqa: ASYNC110 -- a Triton tells nobody
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def triton_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("contract")
    options = FleetOptions(
        repository.write(folder / "models"),
        count=1,
        base_port=free_base_port(1),
        runtime_root=folder,
    )
    skip_without_triton(options)
    running = RunningTritons(options)
    running.start()
    yield running.grpc_urls[0]
    running.stop()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.triton)])
async def contracted(request: pytest.FixtureRequest) -> AsyncIterator[Contracted]:
    if request.param == "fake":
        folders = {name: set(found) for name, found in repository.FOLDERS.items()}
        contracted = Contracted(
            FakeInstance(
                folders=folders, answer=named_output, broken={"broken": "it cannot be loaded"}
            )
        )
        await contracted.load("echo", 1)
        yield contracted
        return
    adapter = TritonInstance(request.getfixturevalue("triton_url"), max_message_bytes=1 << 20)
    contracted = Contracted(adapter)
    try:
        await contracted.load("echo", 1)
        await contracted.until_ready("echo", 1)
        yield contracted
    finally:
        await adapter.close()
