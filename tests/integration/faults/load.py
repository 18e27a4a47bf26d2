"""Steady load by the official client: so many requests a second, each with its deadline.

The pace does not follow the answers: whoever is slow or fails gets as many requests as before
(an open loop), because callers in the field do not wait for each other either.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from math import ceil, inf

import grpc
import grpc.aio
import numpy as np
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from tests.integration.asking import DETECT, image_input
from tests.integration.running import wait_until

RATE_PER_S = 50
CLIENT_TIMEOUT_S = 5.0
SETTLED = 60

ECHOED = np.arange(16, dtype=np.float32)

Ask = Callable[[], Awaitable[str]]
"""One request. Returns "" when it was answered in full, else what went wrong."""

Asking = Callable[[str], AbstractAsyncContextManager[Ask]]
"""Opens a client of an address, and makes one kind of request with it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as its caller saw it. error: "" when it was answered."""

    started_s: float
    latency_s: float
    error: str


@dataclass
class Outcome:
    """What the callers saw. Times are of the monotonic clock."""

    requests: list[Asked] = field(default_factory=list)

    @property
    def asked(self) -> int:
        return len(self.requests)

    @property
    def errors(self) -> list[str]:
        return [one.error for one in self.requests if one.error]

    @property
    def answered(self) -> int:
        return self.asked - len(self.errors)

    @property
    def latencies_s(self) -> list[float]:
        """Of the requests that were answered, shortest first."""
        return sorted(one.latency_s for one in self.requests if not one.error)

    def between(self, from_s: float, to_s: float = inf) -> Outcome:
        """What was asked from one moment to before another."""
        return Outcome([one for one in self.requests if from_s <= one.started_s < to_s])

    def failures(self) -> Outcome:
        """Only what failed."""
        return Outcome([one for one in self.requests if one.error])

    def summary(self) -> str:
        return f"{self.asked} asked, {len(self.errors)} failed: {Counter(self.errors)}"


def quantile(sorted_values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share does not exceed; not a number without values."""
    if not sorted_values:
        return float("nan")
    return sorted_values[max(0, ceil(share * len(sorted_values)) - 1)]


@asynccontextmanager
async def echoing(url: str) -> AsyncIterator[Ask]:
    """Engine ``echo`` by the official client; an answer other than what was sent is an error."""
    tensor = triton.InferInput("INPUT", [len(ECHOED)], "FP32")
    tensor.set_data_from_numpy(ECHOED)
    async with triton.InferenceServerClient(url) as client:

        async def ask() -> str:
            try:
                answer = await client.infer("echo", [tensor], client_timeout=CLIENT_TIMEOUT_S)
            except InferenceServerException as error:
                return refusal(error)
            return "" if np.array_equal(answer.as_numpy("OUTPUT"), ECHOED) else "a wrong answer"

        yield ask


def photographing(engine: str, photo: bytes, *, priority: int = 0) -> Asking:
    """An engine that takes a photo, by the official client. priority: 1 high to 3 low, or 0."""
    inputs = image_input(photo)

    @asynccontextmanager
    async def asking(url: str) -> AsyncIterator[Ask]:
        async with triton.InferenceServerClient(url) as client:

            async def ask() -> str:
                try:
                    await client.infer(
                        engine, inputs, priority=priority, client_timeout=CLIENT_TIMEOUT_S
                    )
                except InferenceServerException as error:
                    return refusal(error)
                return ""

            yield ask

    return asking


def detecting(engines: Sequence[str], photo: bytes) -> Asking:
    """One detection by several engines. What is not completed is an error that says by whom."""
    request = pb.DetectRequest(photo=photo, detection_types=engines).SerializeToString()

    @asynccontextmanager
    async def asking(url: str) -> AsyncIterator[Ask]:
        async with grpc.aio.insecure_channel(url) as channel:
            detect = channel.unary_unary(DETECT)

            async def ask() -> str:
                try:
                    raw = await detect(request, timeout=CLIENT_TIMEOUT_S)
                except grpc.aio.AioRpcError as error:
                    return f"{error.code()}: {error.details()}"[:200]
                answer = pb.Detection.FromString(raw)
                if answer.status == pb.DETECTION_STATUS_COMPLETED:
                    return ""
                return f"{pb.DetectionStatus.Name(answer.status)} without {sorted(answer.errors)}"

            yield ask

    return asking


def refusal(error: InferenceServerException) -> str:
    return f"{error.status()}: {error.message()}"[:200]


@contextmanager
def steady_load(
    url: str, outcome: Outcome, *, asking: Asking = echoing, per_s: float = RATE_PER_S
) -> Iterator[None]:
    """Asks at a steady pace in a thread of its own until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(_ask_until(stop, url, outcome, asking, per_s))
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_for_more(outcome: Outcome, count: int = SETTLED) -> None:
    """Until so many more requests have come to their end."""
    asked = outcome.asked
    wait_until(lambda: outcome.asked >= asked + count, what=f"{count} more requests")


async def _ask_until(
    stop: threading.Event, url: str, outcome: Outcome, asking: Asking, per_s: float
) -> None:
    async with asking(url) as ask, asyncio.TaskGroup() as group:
        started_s, count = time.monotonic(), 0
        while not stop.is_set():
            group.create_task(_note(ask, outcome))
            count += 1
            await asyncio.sleep(max(0.0, started_s + count / per_s - time.monotonic()))


async def _note(ask: Ask, outcome: Outcome) -> None:
    started_s = time.monotonic()
    error = await ask()
    outcome.requests.append(Asked(started_s, time.monotonic() - started_s, error))
