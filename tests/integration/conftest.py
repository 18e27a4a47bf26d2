"""What asks the one Tidegate that serves the whole session (``tests/servers/tidegate.py``)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import grpc
import grpc.aio
import pytest
import tritonclient.grpc as triton

from tests.integration.running import RunningTidegate
from tests.servers.tidegate import (
    MAX_MESSAGE_BYTES,
    MAX_PHOTO_BYTES,
    MAX_PHOTO_FULL_PIXELS,
    MAX_PHOTO_PIXELS,
    all_in_order,
)

__all__ = [
    "MAX_MESSAGE_BYTES",
    "MAX_PHOTO_BYTES",
    "MAX_PHOTO_FULL_PIXELS",
    "MAX_PHOTO_PIXELS",
    "all_in_order",
]


@pytest.fixture(scope="session")
def engines(tidegate: RunningTidegate) -> tuple[str, ...]:
    return tuple(engine["name"] for engine in tidegate.get("/api/v1/engines")["engines"])


@pytest.fixture
def client(tidegate: RunningTidegate) -> Iterator[triton.InferenceServerClient]:
    """The official client, talking to the gateway."""
    with triton.InferenceServerClient(tidegate.grpc) as made:
        yield made


@pytest.fixture
async def channel(tidegate: RunningTidegate) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(tidegate.grpc) as made:
        yield made
