"""Doing what an action says, on one instance; for the reconciler and for mends alike."""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.core.catalogue import ModelSpec
from control_plane.core.loading import LoadTwin, LoadVersions, twin_config, with_versions
from control_plane.core.mending import UnloadComponent, UnloadTwin
from control_plane.core.reconcile import Action, NarrowVersions, Prove
from control_plane.ports import ModelControl

ModelAction = LoadVersions | LoadTwin | NarrowVersions | UnloadTwin | UnloadComponent
"""What changes the models of an instance."""


async def change_models(
    action: ModelAction,
    control: ModelControl,
    specs: Mapping[str, ModelSpec],
    *,
    timeout_s: float,
) -> None:
    """Raises CallFailed."""
    match action:
        case LoadVersions(model, versions) | NarrowVersions(model, versions):
            config = with_versions(specs[model], versions)
            await control.load(model, config, timeout_s=timeout_s)
        case LoadTwin(release):
            config = twin_config(specs[release.engine], release)
            await control.load(release.model_name, config, is_twin=True, timeout_s=timeout_s)
        case UnloadTwin(release):
            await control.unload(release.model_name, timeout_s=timeout_s)
        case UnloadComponent(model):
            await control.unload(model, timeout_s=timeout_s)


def subject_of(action: Action) -> str:
    """What an action is about, for a person."""
    match action:
        case LoadVersions(model, versions) | NarrowVersions(model, versions):
            return f"{model} {','.join(map(str, versions))}"
        case LoadTwin(release) | UnloadTwin(release) | Prove(release):
            return release.model_name
        case UnloadComponent(model):
            return model
