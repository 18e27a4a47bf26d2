"""What a KServe client may ask *about* an engine: metadata, configuration, statistics.

The question goes to an instance that serves the engine's release, and the answer comes
back under the engine's own name, so that a client sees one model with releases as its
versions. Components can be asked about too (``perf_analyzer`` does for an ensemble).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from google.protobuf.message import DecodeError, Message
from tritonclient.grpc import service_pb2

from control_plane.core.catalogue import Release
from control_plane.core.deadline import Deadline
from control_plane.core.outcomes import classify
from control_plane.core.routing import RoutingTable
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import CallFailed, Clock
from control_plane.services.explaining import explain
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway
from control_plane.services.instance import Instance

log = structlog.get_logger(__name__)

NOT_READY = (ErrorCode.RELEASE_NOT_READY, ErrorCode.UNKNOWN_RELEASE, ErrorCode.NOT_FOUND)


class ModelReads:
    """Reads about engines and their components. Raises ControlPlaneError throughout.

    timeout_s: how long one instance may take to answer, within the caller's deadline.
    """

    def __init__(
        self,
        *,
        gateway: Gateway,
        fleet: Fleet,
        components: frozenset[str],
        timeout_s: float,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._fleet = fleet
        self._components = components
        self._timeout_s = timeout_s
        self._clock = clock

    async def metadata(self, name: str, version: str, deadline: Deadline) -> Any:
        """A ModelMetadataResponse whose versions are the releases that serve."""
        answer, release = await self._ask("ModelMetadata", name, version, deadline)
        if release is not None:
            answer.name = name
            answer.versions[:] = self._gateway.table.route(name).serving
        return answer

    async def config(self, name: str, version: str, deadline: Deadline) -> Any:
        """A ModelConfigResponse; for an engine, its release's twin under the engine's name."""
        answer, release = await self._ask("ModelConfig", name, version, deadline)
        if release is not None:
            answer.config.name = name
        return answer

    async def statistics(self, name: str, version: str, deadline: Deadline) -> Any:
        """A ModelStatisticsResponse summed over the instances that answer.

        name: "" asks for every engine and component that is ready somewhere, as
            ``perf_analyzer`` does of an ensemble.
        """
        release = self._release(name, version) if name else None
        renamed = {(one.model_name, one.model_version): one for one in self._served(release)}
        total = service_pb2.ModelStatisticsResponse()
        asked = self._instances(name, version, release)
        answers = await asyncio.gather(
            *(
                self._ask_instance("ModelStatistics", instance, name, version, release, deadline)
                for instance in asked
            ),
            return_exceptions=True,
        )
        for answer in _answered(asked, answers):
            for entry in answer.model_stats:
                served = renamed.get((entry.name, entry.version))
                if served is not None:
                    entry.name, entry.version = served.engine, served.version
                elif entry.name not in self._components:
                    continue  # an ensemble as it lies in the repository; its twins serve
                _add(_entry(total, entry.name, entry.version), entry)
        return total

    def is_ready(self, name: str, version: str) -> bool:
        """Whether the release a request would get, or the component, is ready somewhere."""
        try:
            return bool(self._instances(name, version, self._release(name, version)))
        except ControlPlaneError as error:
            if error.code in NOT_READY:
                return False
            raise

    async def _ask(
        self, method: str, name: str, version: str, deadline: Deadline
    ) -> tuple[Any, Release | None]:
        release = self._release(name, version)
        instance = self._instances(name, version, release)[0]
        answer = await self._ask_instance(method, instance, name, version, release, deadline)
        return answer, release

    async def _ask_instance(
        self,
        method: str,
        instance: Instance,
        name: str,
        version: str,
        release: Release | None,
        deadline: Deadline,
    ) -> Any:
        timeout_s = deadline.timeout_s(self._clock.now_s(), self._timeout_s)
        subject = f"engine {name!r}" if release else f"component {name!r}" if name else "statistics"
        if release is not None:
            name, version = release.model_name, release.model_version
        request = getattr(service_pb2, f"{method}Request")(name=name, version=version)
        try:
            raw = await instance.calls.read(
                method, request.SerializeToString(), timeout_s=timeout_s
            )
        except CallFailed as failed:
            ending = classify(failed.failure, is_cut_short=False)
            raise explain(
                failed.failure, ending, subject=subject, instance=instance.name, release=release
            ) from None
        try:
            return getattr(service_pb2, f"{method}Response").FromString(raw)
        except DecodeError:
            raise ControlPlaneError(
                ErrorCode.BACKEND_FAULT,
                f"what instance {instance.name!r} answered is no {method}Response",
            ) from None

    def _release(self, name: str, version: str) -> Release | None:
        """The release meant, or None for a component."""
        if name in self._components:
            return None
        return self._gateway.choose(name, version, "")

    def _served(self, release: Release | None) -> tuple[Release, ...]:
        return self._gateway.table.releases() if release is None else (release,)

    def _instances(self, name: str, version: str, release: Release | None) -> tuple[Instance, ...]:
        """Who can be asked: about a release, a component, or ("" for a name) everything."""
        if release is not None:
            what = f"{release.engine!r} {release.version}"
            ready = self._fleet.ready_on(release.engine, release.version)
        elif name:
            what = f"component {name!r}"
            ready = self._fleet.holding(name, version)
        else:
            what = "the fleet"
            ready = tuple(instance for instance in self._fleet.instances if instance.is_live)
        if ready:
            return ready
        if release is None and name and self._fleet.holding(name, ""):
            raise ControlPlaneError(
                ErrorCode.NOT_FOUND,
                f"{what} has no version {version!r} that is loaded",
                field="version",
            )
        raise ControlPlaneError(ErrorCode.RELEASE_NOT_READY, f"{what} is ready on no instance")


def _answered(asked: Iterable[Instance], answers: Iterable[Any]) -> list[Any]:
    """The answers that came. Raises the first failure when none did."""
    found, failures = [], []
    for instance, answer in zip(asked, answers, strict=True):
        if not isinstance(answer, BaseException):
            found.append(answer)
        elif isinstance(answer, ControlPlaneError):
            failures.append((instance, answer))
        else:
            raise answer
    if not found:
        raise failures[0][1]
    for instance, error in failures:
        log.warning(
            "statistics without an instance",
            instance=instance.name,
            code=error.code,
            reason=error.message,
        )
    return found


def index(table: RoutingTable, fleet: Fleet, *, ready_only: bool) -> Any:
    """A RepositoryIndexResponse: every engine with its releases as versions."""
    answer = service_pb2.RepositoryIndexResponse()
    for route in table.routes.values():
        for version in sorted(route.known):
            is_ready = bool(fleet.ready_on(route.engine, version))
            if is_ready or not ready_only:
                state, reason = ("READY", "") if is_ready else ("UNAVAILABLE", "not served now")
                answer.models.add(name=route.engine, version=version, state=state, reason=reason)
    return answer


def _entry(total: Any, name: str, version: str) -> Any:
    for entry in total.model_stats:
        if (entry.name, entry.version) == (name, version):
            return entry
    return total.model_stats.add(name=name, version=version)


def _add(total: Any, part: Any) -> None:
    """Add up every counter of two messages of one kind; times of day keep the latest."""
    for descriptor, value in part.ListFields():
        name = descriptor.name
        if isinstance(value, int):
            present = getattr(total, name)
            newest = max(present, value)
            setattr(total, name, newest if name.startswith("last_") else present + value)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                _add(getattr(total, name)[key], item)
        elif isinstance(value, Message):
            _add(getattr(total, name), value)
        elif not isinstance(value, str):
            _add_repeated(getattr(total, name), value)


def _add_repeated(total: Any, parts: Any) -> None:
    """Batch statistics are a list by batch size."""
    by_size = {entry.batch_size: entry for entry in total if hasattr(entry, "batch_size")}
    for part in parts:
        known = by_size.get(getattr(part, "batch_size", None))
        if known is None:
            total.add().CopyFrom(part)
        else:
            size = known.batch_size
            _add(known, part)
            known.batch_size = size
