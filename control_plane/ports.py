"""What the services ask of the outside world. Adapters keep these promises.

Small protocols, each with the fewest methods that do; fakes for tests keep them too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from control_plane.core.analysis import StepCounts
from control_plane.core.answers import Tensors
from control_plane.core.catalogue import Config, Engine, ModelSpec, Release
from control_plane.core.golden import Golden
from control_plane.core.loading import Observation
from control_plane.core.outcomes import CallFailure
from control_plane.core.registered import Registered, ReleaseRecord
from control_plane.core.rollout import Assessment, Rollout
from control_plane.core.state import (
    AuditRecord,
    Change,
    KeyedUnit,
    Lease,
    PlaneReport,
    State,
)
from control_plane.core.triton_metrics import MetricFamily


class Clock(Protocol):
    """Time, handed in so that decisions can be tested."""

    def now_s(self) -> float:
        """Seconds on a monotonic clock."""
        ...


class Calendar(Protocol):
    """What a person's clock showed at a reading of a Clock."""

    def utc(self, at_s: float) -> datetime:
        """at_s: a reading of the monotonic clock, in the past or future. Aware, in UTC."""
        ...


class PhotoSource(Protocol):
    """Fetches photos by URL."""

    async def fetch(self, url: str) -> bytes:
        """The encoded photo behind ``url``, within the byte limit.

        Raises ControlPlaneError: INVALID_ARGUMENT (scheme), PHOTO_FORBIDDEN (outside
        what is allowed), PHOTO_NOT_FOUND, PHOTO_TOO_LARGE.
        """
        ...


class PhotoInspector(Protocol):
    """Checks a photo's head before anything is spent on it."""

    def inspect(self, photo: bytes) -> None:
        """Raises ControlPlaneError PHOTO_INVALID or PHOTO_TOO_LARGE, naming the limit."""
        ...


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

    async def scrape(self, prefix: str, *, timeout_s: float) -> tuple[MetricFamily, ...]:
        """The families whose names begin with ``prefix``, as they are now."""
        ...


class QueryFailed(Exception):
    """A query was not answered, or not with numbers; the words say why."""


class MetricQueries(Protocol):
    """Asks a Prometheus. Raises QueryFailed."""

    async def query(self, expression: str, *, timeout_s: float) -> tuple[float, ...]:
        """The value now of each series that a PromQL expression yields; NaN is one, too."""
        ...


class StaleRevision(Exception):
    """The state has moved on since the change was decided: read, decide again, write again."""


class Fenced(Exception):
    """Whoever wrote leads no longer. Nothing was written, and nothing is to be written again."""


class StoreUnavailable(Exception):
    """The store does not answer, or not in time; the words say why. It may come back."""


class StateStore(Protocol):
    """What is desired, shared by all control planes. Raises StoreUnavailable, all of it."""

    async def revision(self) -> int:
        """The revision now: cheap enough to be asked ten times a second."""
        ...

    async def read(self) -> State:
        """All of one revision."""
        ...

    async def write(self, change: Change, *, expected: int, epoch: int | None = None) -> State:
        """Writes all of a change or nothing of it; the state after it.

        expected: the revision that the change was decided on.
        epoch: of the leader's lease; None for what a person says, which any plane may write.

        Raises StaleRevision; Fenced when the lease of that epoch is not held any more.
        """
        ...

    async def rollouts(self, *, engine: str | None = None, limit: int = 50) -> tuple[Rollout, ...]:
        """The latest rollouts, finished ones too, the latest first."""
        ...


class AuditLog(Protocol):
    """Who did what. It is written together with what was done (``Change.audit``)."""

    async def entries(
        self,
        *,
        engine: str | None = None,
        rollout_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[AuditRecord, ...]:
        """The latest first. before: only those with a smaller number."""
        ...


class Leases(Protocol):
    """Who leads. Time is the store's, so that no two clocks have to agree."""

    async def acquire(self, holder: str, *, ttl_s: float) -> Lease | None:
        """Takes the lease, or renews it under the same epoch; None while another one holds it."""
        ...

    async def release(self, lease: Lease) -> None:
        """Gives it back, so that nobody has to wait until it expires. A lost one stays lost."""
        ...


class Planes(Protocol):
    """What the control planes tell each other."""

    async def report(self, report: PlaneReport, *, ttl_s: float) -> None:
        """Says how this plane is; it counts until ttl_s later."""
        ...

    async def reports(self) -> tuple[PlaneReport, ...]:
        """Of all planes that have reported within their time."""
        ...


@dataclass(frozen=True, slots=True)
class RolloutCounts:
    """What one plane has counted of a rollout so far; whatever it said before is replaced.

    steps: of requests without a routing key; they add up over planes.
    shadow: of the copies to a shadow release, each counted in both arms.
    samples: answered requests to the target by step, 0 being the shadow.
    details: what else a shadow's comparison has counted, by name.
    """

    steps: tuple[StepCounts, ...] = ()
    shadow: tuple[StepCounts, ...] = ()
    samples: Mapping[int, int] = field(default_factory=dict)
    details: Mapping[str, int] = field(default_factory=dict)


class CountStore(Protocol):
    """What all planes have counted of a rollout. Raises StoreUnavailable."""

    async def put_counts(self, rollout_id: str, plane: str, counts: RolloutCounts) -> None: ...

    async def counts(self, rollout_id: str) -> Mapping[str, RolloutCounts]:
        """By plane, those that are gone too."""
        ...

    async def add_keyed(self, rollout_id: str, plane: str, units: Sequence[KeyedUnit]) -> None:
        """Adds what has a routing key; a key may have been counted by another plane already."""
        ...

    async def keyed(
        self, rollout_id: str, *, after: int = 0, limit: int = 10_000
    ) -> tuple[tuple[int, KeyedUnit], ...]:
        """In the order in which they were added, each with its number; after: a number."""
        ...


class EvidenceLog(Protocol):
    """How the evidence of a rollout went, to be shown. Raises StoreUnavailable."""

    async def add_assessment(self, rollout_id: str, assessment: Assessment) -> None: ...

    async def assessments(self, rollout_id: str, *, limit: int = 2000) -> tuple[Assessment, ...]:
        """The latest ones, the oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class RepositoryContent:
    """What lies in the model repository.

    specs: every model. declared: the ``engines`` mapping of ``releases.yaml``.
    """

    specs: Mapping[str, ModelSpec]
    declared: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class AddedVersion:
    """A version folder that was put into the repository. sha256: of its file, in hexadecimal."""

    number: int
    sha256: str


class ModelStore(Protocol):
    """The model repository. Raises ConfigurationError for what is wrong in it."""

    async def read(self) -> RepositoryContent: ...

    async def goldens(
        self, engines: Mapping[str, Engine], declared: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Golden]:
        """The golden inputs and answers of these engines; the same value while no file changes."""
        ...

    async def add_version(
        self, model: str, onnx: Path, *, filename: str, above: int
    ) -> AddedVersion:
        """Puts a file in as the model's next version, greater than ``above``: whole or not at all.

        An existing version is never written to, and two at once get different numbers.
        """
        ...

    async def add_golden(self, engine: str, release: str, answer: Tensors) -> None:
        """Keeps what a release answers its engine's golden input, batch dimension included.

        An answer that is there stays: somebody has looked at it.
        """
        ...


class RegistryUnavailable(Exception):
    """The registry does not answer, or not in time; the words say why. It may come back."""


class ReleaseRegistry(Protocol):
    """The releases that were registered. Raises RegistryUnavailable, all of it."""

    async def read(self) -> Registered:
        """All records; of several of one release the oldest first."""
        ...

    async def add(self, record: ReleaseRecord, onnx: Path | None) -> None:
        """Writes a release down, with its file if it came with one.

        Raises ControlPlaneError(CONFLICT) where the engine has a release of that precedence
        already: what is written down is never overwritten, by two at once neither.
        """
        ...

    async def candidates(self) -> Mapping[str, str]:
        """The release that somebody wants each engine to be moved to, where there is one."""
        ...

    async def mark(
        self, engine: str, *, stable: Release, canary: Release | None, taken: str | None = None
    ) -> None:
        """Shows there which releases are stable and canary now; cheap when they are shown already.

        taken: the candidate that a rollout was started for; it is no candidate any more then.
        """
        ...


class OnnxChecker(Protocol):
    """Tries an ONNX file where it can do no harm."""

    async def check(self, onnx: Path, config: Config, inputs: Tensors | None) -> Tensors:
        """Its outputs on these inputs; none if there are no inputs.

        config: of the model that it is to be a version of. inputs: batch dimension included.

        Raises InvalidArgument when it cannot be served, saying why; ConfigurationError when
        nothing here could try it.
        """
        ...
