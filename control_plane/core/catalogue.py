"""Engines and their releases, worked out from a model repository and ``releases.yaml``.

An *engine* is an ensemble or plain model at the top of the repository: no other
ensemble's component. A *release* of an ensemble pins every component to an integer
version; a release of a plain model pins the model itself. What is declared is checked
against what lies in the repository before anything is loaded, and every complaint names
the engine, the release and the component.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.core.versions import in_order, is_version, parse_version
from control_plane.errors import ConfigurationError

TWIN_SEPARATOR = "--"
FLOATING = -1
PHOTO_INPUT = "IMAGE"
PHOTO_FAULT = f"{PHOTO_INPUT}:"
"""How a model begins what it says of a photo that cannot be used (preprocess does)."""

Config = Mapping[str, Any]
"""A Triton ``ModelConfig`` as JSON, field names as in the protobuf."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model as it lies in the repository: its own configuration and version folders."""

    name: str
    config: Config
    versions: tuple[int, ...]

    @property
    def steps(self) -> tuple[tuple[str, int], ...]:
        """The ensemble's steps as (component, version), FLOATING where none is pinned."""
        ensemble = self.config.get("ensemble_scheduling") or {}
        return tuple(
            (step["model_name"], int(step.get("model_version", FLOATING)))
            for step in ensemble.get("step", ())
        )

    @property
    def is_ensemble(self) -> bool:
        return bool(self.steps)

    @property
    def floating(self) -> str | None:
        """The component whose version releases move; None where the configuration pins all."""
        return next((name for name, version in self.steps if version == FLOATING), None)

    @property
    def takes_photo(self) -> bool:
        """Whether its one input is ``IMAGE``, a batch of encoded photos; else only KServe
        reaches it."""
        inputs = [
            (one.get("name"), one.get("data_type"), [int(size) for size in one.get("dims", ())])
            for one in self.config.get("input", ())
        ]
        is_batched = int(self.config.get("max_batch_size", 0)) > 0
        return is_batched and inputs == [(PHOTO_INPUT, "TYPE_STRING", [1])]


@dataclass(frozen=True, slots=True)
class Release:
    """A semantic version of an engine. pins: every component, and its integer version."""

    engine: str
    version: str
    pins: Mapping[str, int]
    is_ensemble: bool

    @property
    def model_name(self) -> str:
        """The model that serves this release on an instance: its twin, or the model itself."""
        return twin_name(self.engine, self.version) if self.is_ensemble else self.engine

    @property
    def model_version(self) -> str:
        """The integer version asked of an instance; a twin has exactly one."""
        return "1" if self.is_ensemble else str(self.pins[self.engine])


@dataclass(frozen=True, slots=True)
class Engine:
    """What a caller asks for, and the releases it may be served by, the earliest first."""

    name: str
    stable: str
    releases: Mapping[str, Release]

    @property
    def kind(self) -> str:
        return "ensemble" if self.releases[self.stable].is_ensemble else "model"


def twin_name(engine: str, version: str) -> str:
    """The name of the version-pinned twin ensemble that serves a release."""
    return f"{engine}{TWIN_SEPARATOR}{version}"


def build_engines(
    models: Mapping[str, ModelSpec], declared: Mapping[str, Any]
) -> dict[str, Engine]:
    """Every engine of the repository, by name.

    models: what lies in the repository.
    declared: the ``engines`` mapping of ``releases.yaml``.

    Raises ConfigurationError for a declaration that the repository cannot keep.
    """
    components = {name for model in models.values() for name, _ in model.steps}
    unknown = sorted(set(declared) - (set(models) - components))
    if unknown:
        raise ConfigurationError(
            f"releases.yaml declares engine {unknown[0]!r}, which is no top-level model of the "
            f"repository",
            field=f"engines.{unknown[0]}",
        )
    return {
        name: _build_engine(model, models, declared.get(name))
        for name, model in sorted(models.items())
        if name not in components
    }


def _build_engine(
    model: ModelSpec, models: Mapping[str, ModelSpec], declaration: Mapping[str, Any] | None
) -> Engine:
    if TWIN_SEPARATOR in model.name:
        raise ConfigurationError(
            f"model {model.name!r}: {TWIN_SEPARATOR!r} in a name is kept for twins",
            field=model.name,
        )
    _check_steps(model, models)
    if declaration is None:
        release = _undeclared_release(model, models)
        return Engine(model.name, release.version, {release.version: release})
    where = f"engines.{model.name}"
    releases = ordered(
        _declared_release(model, models, version, pins or {})
        for version, pins in (declaration.get("releases") or {}).items()
    )
    _check_precedence(where, releases)
    stable = declaration.get("stable")
    if not isinstance(stable, str) or stable not in releases:
        raise ConfigurationError(
            f"{where}.stable is {stable!r}, which is not among its releases: "
            f"{', '.join(releases) or 'none'}",
            field=f"{where}.stable",
        )
    return Engine(model.name, stable, releases)


def ordered(releases: Iterable[Release]) -> dict[str, Release]:
    """Releases of one engine by version, the earliest first."""
    by_version = {release.version: release for release in releases}
    return {version: by_version[version] for version in in_order(by_version)}


def _check_precedence(where: str, releases: Mapping[str, Release]) -> None:
    """Two releases of one precedence are refused: neither is the update of the other."""
    seen: dict[str, str] = {}
    for version in releases:
        twin = seen.setdefault(parse_version(version).without_build, version)
        if twin != version:
            raise ConfigurationError(
                f"{where}.releases has {twin} and {version}, which differ in build metadata only; "
                f"neither is later than the other",
                field=f"{where}.releases.{version}",
            )


def _check_steps(model: ModelSpec, models: Mapping[str, ModelSpec]) -> None:
    versions: dict[str, int] = {}
    for component, version in model.steps:
        complaint = _step_complaint(models.get(component), component, version)
        if not complaint and versions.setdefault(component, version) != version:
            complaint = (
                f"runs {component!r} in two versions, {versions[component]} and {version}; "
                f"a release pins one"
            )
        if complaint:
            raise ConfigurationError(f"ensemble {model.name!r} {complaint}", field=model.name)
    floating = sorted(name for name, version in versions.items() if version == FLOATING)
    if len(floating) > 1:
        raise ConfigurationError(
            f"ensemble {model.name!r} leaves {', '.join(floating)} floating "
            f"(model_version: -1); at most one may",
            field=model.name,
        )


def _step_complaint(spec: ModelSpec | None, component: str, version: int) -> str:
    """What is wrong with one step of an ensemble, "" when nothing is."""
    if spec is None:
        return f"has a step {component!r}, which is not in the repository"
    if spec.is_ensemble:
        return f"has the ensemble {component!r} as a step; an engine's steps are plain models"
    if version not in (FLOATING, *spec.versions):
        return f"pins {component!r} to {version}; the repository has versions: {_have(spec)}"
    return ""


def _declared_release(
    model: ModelSpec, models: Mapping[str, ModelSpec], version: str, declared: Mapping[str, Any]
) -> Release:
    where = f"engines.{model.name}.releases.{version}"
    if not is_version(version):
        raise ConfigurationError(f"{where}: not a semantic version such as 1.2.0", field=where)
    complaint = pins_complaint(model, models, declared)
    if complaint:
        raise ConfigurationError(f"{where} {complaint}", field=where)
    return make_release(model, models, version, declared)


def make_release(
    model: ModelSpec, models: Mapping[str, ModelSpec], version: str, pins: Mapping[str, int]
) -> Release:
    """A release with these pins, and the configuration's for what they do not name."""
    return Release(model.name, version, {**_default_pins(model, models), **pins}, model.is_ensemble)


def pins_complaint(
    model: ModelSpec, models: Mapping[str, ModelSpec], pins: Mapping[str, Any]
) -> str:
    """What is wrong with what a release of an engine pins, "" when nothing is."""
    components = _default_pins(model, models)
    for component, pin in pins.items():
        if component not in components:
            return (
                f"pins {component!r}, which is no component of {model.name!r}: "
                f"{', '.join(components)}"
            )
        if type(pin) is not int or pin not in models[component].versions:
            return (
                f"pins {component!r} to {pin!r}; "
                f"the repository has versions: {_have(models[component])}"
            )
    return ""


def _undeclared_release(model: ModelSpec, models: Mapping[str, ModelSpec]) -> Release:
    """One release from the version policy: the floating part's version is its major number."""
    pins = _default_pins(model, models)
    moving = model.floating
    major = pins[moving or model.name] if moving or not model.is_ensemble else 1
    return Release(model.name, f"{major}.0.0", pins, model.is_ensemble)


def _default_pins(model: ModelSpec, models: Mapping[str, ModelSpec]) -> dict[str, int]:
    """The versions that the configuration alone gives: pinned, or the policy's highest."""
    if not model.is_ensemble:
        return {model.name: _highest_version(model)}
    return {
        component: version if version != FLOATING else _highest_version(models[component])
        for component, version in model.steps
    }


def _highest_version(model: ModelSpec) -> int:
    policy = model.config.get("version_policy") or {}
    allowed = {int(version) for version in (policy.get("specific") or {}).get("versions", ())}
    versions = [version for version in model.versions if not allowed or version in allowed]
    if not versions:
        raise ConfigurationError(
            f"model {model.name!r} has no version folder that its version policy admits",
            field=model.name,
        )
    return max(versions)


def _have(model: ModelSpec) -> str:
    return ", ".join(map(str, model.versions)) or "none"
