"""Steady load by the official client: so many requests a second, each with its deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

RATE_PER_S = 50
CLIENT_TIMEOUT_S = 5.0


@dataclass
class Outcome:
    """What the callers saw. latencies_s: of the requests that were answered."""

    latencies_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def asked(self) -> int:
        return len(self.latencies_s) + len(self.errors)

    def summary(self) -> str:
        return f"{self.asked} asked, {len(self.errors)} failed: {Counter(self.errors)}"


@contextmanager
def steady_load(url: str, outcome: Outcome) -> Iterator[None]:
    """Asks engine ``echo`` at RATE_PER_S in a thread of its own until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_ask_until(stop, url, outcome)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def _ask_until(stop: threading.Event, url: str, outcome: Outcome) -> None:
    async with triton.InferenceServerClient(url) as client:
        tensor = triton.InferInput("INPUT", [16], "FP32")
        tensor.set_data_from_numpy(np.arange(16, dtype=np.float32))
        started_s, count = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                group.create_task(_ask(client, tensor, outcome))
                count += 1
                await asyncio.sleep(max(0.0, started_s + count / RATE_PER_S - time.monotonic()))


async def _ask(
    client: triton.InferenceServerClient, tensor: triton.InferInput, outcome: Outcome
) -> None:
    asked_s = time.monotonic()
    try:
        answer = await client.infer("echo", [tensor], client_timeout=CLIENT_TIMEOUT_S)
        assert answer.as_numpy("OUTPUT").tolist() == list(range(16))
    except InferenceServerException as error:
        outcome.errors.append(f"{error.status()}: {error.message()}"[:200])
    else:
        outcome.latencies_s.append(time.monotonic() - asked_s)
