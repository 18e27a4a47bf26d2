"""What one instance must load so that it serves the releases wanted of it.

Desired and observed go in, ordered idempotent actions come out; running them and looking
again is the caller's part, so that a crash anywhere is finished by the next look.

The facts about Triton this rests on: a load call's configuration replaces the whole
configuration, and the *original* one with only ``version_policy`` changed reloads nothing
that stays; a twin that pins a version which is not loaded is refused, so components come
first; a twin is not in the repository index, so it is observed by asking for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from control_plane.core.catalogue import Config, ModelSpec, Release


@dataclass(frozen=True, slots=True)
class Observation:
    """One instance as it was just seen.

    ready_versions: model in the repository to its versions that are ready.
    twin_pins: ready twin to the pins it was found to have.
    is_ready: what the server says of itself.
    """

    ready_versions: Mapping[str, frozenset[int]] = field(default_factory=dict)
    twin_pins: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    is_ready: bool = True

    def has_components(self, release: Release) -> bool:
        """Whether every version that the release pins is ready here."""
        return all(
            version in self.ready_versions.get(component, frozenset())
            for component, version in release.pins.items()
        )

    def has_twin(self, release: Release) -> bool:
        """Whether its twin is ready here with exactly its pins; a plain model needs none."""
        return not release.is_ensemble or self.twin_pins.get(release.model_name) == release.pins

    def is_serving(self, release: Release) -> bool:
        """Whether the release can take a request here, with exactly its pins."""
        return self.has_components(release) and self.has_twin(release)


@dataclass(frozen=True, slots=True)
class LoadVersions:
    """Load a model with exactly these versions, by its own configuration otherwise."""

    model: str
    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LoadTwin:
    """Create the version-pinned twin ensemble of a release."""

    release: Release


Action = LoadVersions | LoadTwin


def plan_loads(desired: Iterable[Release], observed: Observation) -> tuple[Action, ...]:
    """The actions that bring an instance from what was observed to what is desired.

    Versions that are ready and not asked for stay: nothing is taken from an instance here.
    """
    releases = tuple(desired)
    wanted: dict[str, set[int]] = {}
    for release in releases:
        for component, version in release.pins.items():
            wanted.setdefault(component, set()).add(version)
    actions: list[Action] = []
    for model, versions in wanted.items():
        ready = observed.ready_versions.get(model, frozenset())
        if not versions <= ready:
            actions.append(LoadVersions(model, tuple(sorted(versions | ready))))
    actions.extend(LoadTwin(release) for release in releases if not observed.has_twin(release))
    return tuple(actions)


def with_versions(model: ModelSpec, versions: Iterable[int]) -> Config:
    """The model's own configuration with only its version policy changed."""
    return {**model.config, "version_policy": {"specific": {"versions": list(versions)}}}


def with_parameters(model: ModelSpec, parameters: Mapping[str, int]) -> ModelSpec:
    """The model with those of the parameters that its own configuration has, set to these values.

    So that a limit is written once, in the settings, and holds in the models that know it too.
    """
    own: Mapping[str, Any] = model.config.get("parameters") or {}
    changed = {
        name: {"string_value": str(value)} for name, value in parameters.items() if name in own
    }
    if not changed:
        return model
    return replace(model, config={**model.config, "parameters": {**own, **changed}})


def twin_config(ensemble: ModelSpec, release: Release) -> Config:
    """The ensemble's configuration under the twin's name with every step pinned."""
    scheduling: Mapping[str, Any] = ensemble.config["ensemble_scheduling"]
    steps = [
        {**step, "model_version": release.pins[step["model_name"]]} for step in scheduling["step"]
    ]
    config = {key: value for key, value in ensemble.config.items() if key != "version_policy"}
    return {
        **config,
        "name": release.model_name,
        "ensemble_scheduling": {**scheduling, "step": steps},
    }


def read_pins(config: Config) -> dict[str, int]:
    """The pins of a twin, from the configuration an instance answers with."""
    return dict(ModelSpec("", config, ()).steps)
