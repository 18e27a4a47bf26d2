"""The registry that the settings ask for, and what registers releases in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.adapters.model_folder import ModelFolder, onnx_file
from control_plane.adapters.onnx.checker import OnnxTrial
from control_plane.adapters.registry.files import FileRegistry
from control_plane.adapters.registry.mlflow import MlflowRegistry, local_uri
from control_plane.core.catalogue import ModelSpec, Release
from control_plane.core.state import AuditEntry
from control_plane.ports import InferenceCalls, ReleaseRegistry
from control_plane.services.board import Board
from control_plane.services.catalogue import Catalogue
from control_plane.services.file_proof import FileProver
from control_plane.services.fleet import Fleet
from control_plane.services.registration import Registration
from control_plane.settings import Settings


def make_registry(
    settings: Settings, specs: Callable[[], Mapping[str, ModelSpec]]
) -> FileRegistry | MlflowRegistry:
    """specs: the models as they are now. An MlflowRegistry is to be closed."""
    folder, registry = settings.model_repository, settings.registry
    if registry.kind == "files":
        return FileRegistry(folder)

    def file_of(release: Release) -> Path | None:
        return onnx_file(folder, specs(), release)

    return MlflowRegistry(
        registry.tracking_uri or local_uri(settings.state_dir),
        timeout_s=registry.timeout_s,
        upload_timeout_s=registry.upload_timeout_s,
        file_of=file_of,
        files=FileRegistry(folder),
    )


def make_registration(
    settings: Settings,
    *,
    catalogue: Catalogue,
    models: ModelFolder,
    registry: ReleaseRegistry,
    fleet: Fleet,
    board: Board,
    record: Callable[[AuditEntry], Awaitable[None]],
    clock: MonotonicClock,
    calendar: SystemCalendar,
) -> Registration:
    def serving(release: Release) -> list[InferenceCalls]:
        return [each.calls for each in fleet.ready_on(release.engine, release.version)]

    def stable(engine: str) -> str:
        stored = board.state.engines.get(engine)
        return catalogue.engines[engine].stable if stored is None else stored.stable

    prover = FileProver(
        catalogue,
        OnnxTrial(
            timeout_s=settings.registry.check_timeout_s,
            memory_bytes=settings.registry.check_memory_bytes,
        ),
        serving=serving,
        stable=stable,
        max_bytes=settings.registry.max_onnx_bytes,
        step_timeout_s=settings.requests.engine_timeout_s,
    )
    return Registration(
        catalogue, models, registry, prover, clock=clock, calendar=calendar, record=record
    )
