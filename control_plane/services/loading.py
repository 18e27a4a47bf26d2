"""Doing what a load action says, on one instance; for the watch and for mends alike."""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.core.catalogue import ModelSpec
from control_plane.core.loading import Action, LoadTwin, LoadVersions, twin_config, with_versions
from control_plane.ports import ModelControl


async def load(
    action: Action, control: ModelControl, specs: Mapping[str, ModelSpec], *, timeout_s: float
) -> None:
    """Raises CallFailed."""
    match action:
        case LoadVersions(model, versions):
            config = with_versions(specs[model], versions)
            await control.load(model, config, timeout_s=timeout_s)
        case LoadTwin(release):
            config = twin_config(specs[release.engine], release)
            await control.load(release.model_name, config, is_twin=True, timeout_s=timeout_s)
