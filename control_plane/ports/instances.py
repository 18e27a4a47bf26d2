"""One Triton: calls, control of its models, and what it measures of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from control_plane.core.catalogue import Config, Release
from control_plane.core.loading import Observation
from control_plane.core.outcomes import CallFailure
from control_plane.core.triton_metrics import MetricFamily


class CallFailed(Exception):
    """A call to an instance ended without an answer."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(f"{failure.status}: {failure.message}")
        self.failure = failure


CallMetadata = tuple[tuple[str, str], ...]
"""What goes along with a call besides its message: names in lower case, and values."""


class InferenceCalls(Protocol):
    """The data path to one instance: bytes in, bytes out. Raises CallFailed."""

    async def infer(
        self, message: bytes, *, timeout_s: float, metadata: CallMetadata = ()
    ) -> bytes:
        """ModelInfer: a serialized request to a serialized response."""
        ...

    def stream(
        self,
        messages: AsyncIterator[bytes],
        *,
        timeout_s: float | None = None,
        metadata: CallMetadata = (),
    ) -> AsyncIterator[bytes]:
        """ModelStreamInfer: ends when both sides have ended, or after ``timeout_s``."""
        ...

    async def read(self, method: str, message: bytes, *, timeout_s: float) -> bytes:
        """A unary call that changes nothing, such as ModelMetadata."""
        ...


class ModelControl(Protocol):
    """The control path to one instance. Raises CallFailed."""

    async def observe(self, releases: Iterable[Release], *, timeout_s: float) -> Observation:
        """What is ready there: versions from its index, and the twins of ``releases``."""
        ...

    async def load(
        self, model: str, config: Config, *, is_twin: bool = False, timeout_s: float
    ) -> None:
        """Load a model with this configuration; a twin needs no folder in the repository."""
        ...

    async def unload(self, model: str, *, timeout_s: float) -> None:
        """Unload a model in all its versions, or a twin, and wait until it is gone.

        One that is not loaded is gone already. One that is on its way out, and does not get
        there, counts as gone after a while: it takes no requests, and can be loaded anew.
        """
        ...


class ScrapeFailed(Exception):
    """An instance's metrics could not be had; the words say why."""


class InstanceMetrics(Protocol):
    """What one instance measures of itself. Raises ScrapeFailed."""

    async def scrape(self, *prefixes: str, timeout_s: float) -> tuple[MetricFamily, ...]:
        """The families whose names begin with one of ``prefixes``, as they are now."""
        ...
