"""Stand-ins for what lies outside: a clock, a Triton, photos. They behave, they record nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tritonclient.grpc import service_pb2

from control_plane.core.catalogue import Config, Release
from control_plane.core.loading import Observation, read_pins
from control_plane.core.outcomes import CallFailure
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import CallFailed, CallMetadata


def call_failed(status: str, message: str) -> CallFailed:
    return CallFailed(CallFailure(status, message))


AWAY = ("UNAVAILABLE", "failed to connect to all addresses")


@dataclass(slots=True)
class FakeClock:
    """Time that moves when a test says so."""

    now: float = 1000.0

    def now_s(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class FakeCalendar:
    """The fake clocks started at noon."""

    def utc(self, at_s: float) -> datetime:
        return datetime(2025, 1, 31, 12, tzinfo=UTC) + timedelta(seconds=at_s - 1000.0)


@dataclass(frozen=True, slots=True)
class FakeInspector:
    """Takes every photo that starts with ``photo``."""

    def inspect(self, photo: bytes) -> None:
        if not photo.startswith(b"photo"):
            raise ControlPlaneError(ErrorCode.PHOTO_INVALID, "this is no image", field="photo")


@dataclass(frozen=True, slots=True)
class FakePhotos:
    """Photos by URL."""

    by_url: dict[str, bytes] = field(default_factory=dict)

    def check(self, url: str) -> None:
        """Every URL may be asked for."""

    async def fetch(self, url: str) -> bytes:
        if url not in self.by_url:
            raise ControlPlaneError(ErrorCode.PHOTO_NOT_FOUND, "no such photo", field="photo_url")
        return self.by_url[url]


@dataclass(slots=True)
class FakeResultCache:
    """Keeps everything; a broken one nothing. failures: gets and puts while it was broken."""

    is_broken: bool = False
    kept: dict[str, bytes] = field(default_factory=dict)
    failures: int = 0

    async def get(self, key: str) -> bytes | None:
        self.failures += self.is_broken
        return None if self.is_broken else self.kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        self.failures += self.is_broken
        if not self.is_broken:
            self.kept[key] = value


Answer = Callable[[service_pb2.ModelInferRequest], service_pb2.ModelInferResponse]


def echo(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
    """The request's tensors under its own target, as the ``echo`` model answers."""
    answer = service_pb2.ModelInferResponse(
        model_name=request.model_name, model_version=request.model_version, id=request.id
    )
    for tensor in request.inputs:
        answer.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
    answer.raw_output_contents.extend(request.raw_input_contents)
    return answer


@dataclass(slots=True)
class FakeInstance:
    """One Triton: InferenceCalls and ModelControl, as 2.51 behaves (``tests/contract``).

    folders: the versions that lie in the repository, by model. Without any, every model is taken
    to be there: for tests of what is asked, not of what is served.
    loaded, dropped, twins: what is ready and what was; a restart forgets them.
    broken: models whose load call is refused, with the words it is refused with.
    dead: versions whose process was killed. They stay ready and fail every request; a load leaves
        them as they are, unload and load makes a new process.
    hold, entered: while ``hold`` is clear, inference waits, and says in ``entered`` that it does.
    """

    folders: dict[str, set[int]] = field(default_factory=dict)
    answer: Answer = echo
    loaded: dict[str, set[int]] = field(default_factory=dict)
    dropped: dict[str, set[int]] = field(default_factory=dict)
    twins: dict[str, Config] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    dead: set[tuple[str, int]] = field(default_factory=set)
    failures: dict[str, CallFailed] = field(default_factory=dict)
    is_away: bool = False
    calls: list[str] = field(default_factory=list)
    timeouts_s: list[float] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    breaks_after: int | None = None

    def __post_init__(self) -> None:
        self.hold.set()

    def restart(self) -> None:
        """What a crashed and restarted Triton remembers: nothing."""
        self.loaded.clear()
        self.dropped.clear()
        self.twins.clear()
        self.dead.clear()

    def kill(self, model: str) -> None:
        """The processes of a model die, and Triton does not notice."""
        self.dead.update((model, version) for version in self.loaded[model])

    # InferenceCalls

    async def infer(
        self, message: bytes, *, timeout_s: float, metadata: CallMetadata = ()
    ) -> bytes:
        self._check_reachable()
        request = service_pb2.ModelInferRequest.FromString(message)
        self.calls.append(f"{request.model_name}/{request.model_version}")
        self.metadata.append(dict(metadata))
        self.timeouts_s.append(timeout_s)
        self.entered.put_nowait(request.model_name)
        await self._held(timeout_s)
        return bytes(self._answer_to(request).SerializeToString())

    async def stream(
        self,
        messages: AsyncIterator[bytes],
        *,
        timeout_s: float | None = None,
        metadata: CallMetadata = (),
    ) -> AsyncIterator[bytes]:
        self._check_reachable()
        if timeout_s is not None:
            self.timeouts_s.append(timeout_s)
        self.metadata.append(dict(metadata))
        answered = 0
        async for message in messages:
            request = service_pb2.ModelInferRequest.FromString(message)
            self.calls.append(f"{request.model_name}/{request.model_version}")
            self.entered.put_nowait(request.model_name)
            await self.hold.wait()
            if request.model_name in self.failures:
                raise self.failures[request.model_name]
            if answered == self.breaks_after:
                return
            answered += 1
            yield bytes(self._streamed(request).SerializeToString())

    async def read(self, method: str, message: bytes, *, timeout_s: float) -> bytes:
        self._check_reachable()
        request = getattr(service_pb2, f"{method}Request").FromString(message)
        self.calls.append(f"{method} {request.name}/{request.version}")
        self.timeouts_s.append(timeout_s)
        answer = getattr(service_pb2, f"{method}Response")()
        try:
            version = self._served(request.name, request.version)
        except CallFailed as failed:
            if method != "ModelStatistics":
                raise
            raise call_failed("INVALID_ARGUMENT", failed.failure.message) from None
        if method == "ModelMetadata":
            answer.name, answer.platform = request.name, "ensemble"
            answer.versions.append(version or "1")
        elif method == "ModelConfig":
            answer.config.name, answer.config.max_batch_size = request.name, 8
        else:
            entry = answer.model_stats.add(
                name=request.name, version=version or "1", inference_count=3
            )
            entry.last_inference = 100 + len(self.calls)
        return bytes(answer.SerializeToString())

    # ModelControl

    async def observe(self, releases: Iterable[Release], *, timeout_s: float) -> Observation:
        self._check_reachable()
        await self._held(timeout_s)
        names = {release.model_name for release in releases if release.is_ensemble}
        return Observation(
            ready_versions={model: frozenset(found) for model, found in self.loaded.items()},
            twin_pins={
                name: read_pins(config)
                for name, config in self.twins.items()
                if name in names and self._missing(config) is None
            },
        )

    async def load(
        self, model: str, config: Config, *, is_twin: bool = False, timeout_s: float
    ) -> None:
        self._check_reachable()
        self.calls.append(f"load {model}")
        if model in self.broken:
            raise call_failed("INVALID_ARGUMENT", self.broken[model])
        if is_twin:
            missing = self._missing(config)
            if missing is not None:
                raise call_failed(
                    "INVALID_ARGUMENT", f"required version {missing[1]} is not loaded"
                )
            self.twins[model] = config
            return
        # A listed version without a folder is skipped as long as another one has its folder.
        if model not in self.folders:
            raise call_failed("INTERNAL", f"failed to load '{model}', failed to poll")
        versions = set(config["version_policy"]["specific"]["versions"])
        found = versions & self.folders[model]
        if not found:
            raise call_failed("INVALID_ARGUMENT", f"no version of {model} is available")
        known = self.dropped.get(model, set()) | self.loaded.get(model, set())
        self.dropped[model] = known - found
        self.loaded[model] = found
        self.dead -= {(model, version) for version in known - found}

    async def unload(self, model: str, *, timeout_s: float) -> None:
        self._check_reachable()
        self.calls.append(f"unload {model}")
        self.twins.pop(model, None)
        if model in self.loaded:
            self.dropped.setdefault(model, set()).update(self.loaded.pop(model))
        self.dead = {version for version in self.dead if version[0] != model}

    def _answer_to(self, request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        if request.model_name in self.failures:
            raise self.failures[request.model_name]
        version = self._served(request.model_name, request.model_version)
        self._check_alive(request.model_name, version)
        answer = self.answer(request)
        answer.model_version = answer.model_version or version
        return answer

    def _streamed(
        self, request: service_pb2.ModelInferRequest
    ) -> service_pb2.ModelStreamInferResponse:
        """A refused message is answered, with its id; the stream goes on."""
        try:
            if request.id == "refuse me":
                raise call_failed("INVALID_ARGUMENT", "bad tensor")
            answer = self._answer_to(request)
        except CallFailed as failed:
            return service_pb2.ModelStreamInferResponse(
                error_message=failed.failure.message,
                infer_response=service_pb2.ModelInferResponse(id=request.id),
            )
        answer.parameters["triton_final_response"].bool_param = True
        return service_pb2.ModelStreamInferResponse(infer_response=answer)

    def _served(self, name: str, version: str) -> str:
        """The version that answers for a model; a version that was never loaded is not found."""
        if not self.folders:
            return version
        if name in self.twins:
            ready = {1} if self._missing(self.twins[name]) is None else set()
            known = {1}
        else:
            ready = self.loaded.get(name, set())
            known = ready | self.dropped.get(name, set())
        asked = int(version) if version else max(ready, default=0)
        if asked in ready:
            return str(asked)
        if asked in known:
            said = f"Request for unknown model: '{name}' version {asked} is not at ready state"
            raise call_failed("UNAVAILABLE", said)
        raise call_failed("NOT_FOUND", f"Request for unknown model: '{name}' is not found")

    def _check_alive(self, name: str, version: str) -> None:
        twin = self.twins.get(name)
        runs = read_pins(twin).items() if twin is not None else {(name, int(version or 1))}
        for model, _ in self.dead & set(runs):
            raise call_failed("INTERNAL", f"Stub process '{model}_0_0' is not healthy.")

    async def _held(self, timeout_s: float) -> None:
        try:
            # Not wait_for: on Python 3.11 it loses a cancellation that comes as it ends.
            async with asyncio.timeout(timeout_s):
                await self.hold.wait()
        except TimeoutError:
            raise call_failed("DEADLINE_EXCEEDED", "Deadline Exceeded") from None

    def _missing(self, config: Config) -> tuple[str, int] | None:
        pins = read_pins(config).items()
        return next((pin for pin in pins if pin[1] not in self.loaded.get(pin[0], ())), None)

    def _check_reachable(self) -> None:
        if self.is_away:
            raise call_failed(*AWAY)
