"""What a new release is checked for before anything is written: names, pins, what it would move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from control_plane.core.catalogue import Engine, ModelSpec, build_engines, pins_complaint
from control_plane.core.registered import same_precedence
from control_plane.core.versions import parse_version
from control_plane.errors import ConfigurationError, ControlPlaneError, ErrorCode, InvalidArgument

ONNX_BACKENDS = ("onnxruntime", "onnxruntime_onnx")
MODEL_FILE = "model.onnx"


@dataclass(frozen=True, slots=True)
class Moving:
    """The component that a file becomes the next version of.

    filename: what the file is called in its version folder.
    above: its number is greater than this one, so that none is ever used for two files.
    """

    model: ModelSpec
    filename: str
    above: int


def check_release(engine: Engine, release: str) -> None:
    """Raises ControlPlaneError: INVALID_ARGUMENT, CONFLICT."""
    try:
        parse_version(release)
    except ValueError as error:
        raise InvalidArgument(f"release: {error}", field="release") from None
    there = same_precedence(engine, release)
    if there is None:
        return
    if there.version == release:
        why = "is there already; what is registered is never overwritten, take another number"
    else:
        why = f"differs from {there.version}, which is there, in build metadata only"
    raise ControlPlaneError(
        ErrorCode.CONFLICT, f"release {release} of engine {engine.name!r} {why}", field="release"
    )


def check_pins(engine: Engine, specs: Mapping[str, ModelSpec], pins: Mapping[str, int]) -> None:
    """Raises InvalidArgument for pins that the repository cannot keep."""
    complaint = pins_complaint(specs[engine.name], specs, pins)
    if complaint:
        raise InvalidArgument(f"the release {complaint}", field="pins")


def moving_component(
    engine: Engine,
    specs: Mapping[str, ModelSpec],
    declared: Mapping[str, Any],
    pinned: Iterable[Mapping[str, int]],
) -> Moving:
    """Where a file goes. Raises ConfigurationError when the engine has no place for one.

    declared: the ``engines`` of releases.yaml.
    pinned: what all releases pin, and all records too: of one that was left out because its
        version folder is gone, the number must not come to stand for another file.
    """
    spec = specs[engine.name]
    name = spec.floating if spec.is_ensemble else engine.name
    if name is None:
        raise ConfigurationError(
            f"engine {engine.name!r} leaves no component floating (model_version: -1), so there "
            f"is none that a file could become a version of; register it with pins",
            field="onnx",
        )
    model = specs[name]
    backend = model.config.get("backend") or model.config.get("platform")
    if backend not in ONNX_BACKENDS:
        raise ConfigurationError(
            f"component {name!r} of engine {engine.name!r} is served by {backend!r}, "
            f"which takes no ONNX file",
            field="onnx",
        )
    above = max([*model.versions, *(pins.get(name, 0) for pins in pinned)])
    _check_nothing_moves(model, specs, declared, above + 1)
    return Moving(model, model.config.get("default_model_filename") or MODEL_FILE, above)


def _check_nothing_moves(
    model: ModelSpec, specs: Mapping[str, ModelSpec], declared: Mapping[str, Any], number: int
) -> None:
    """Raises ConfigurationError where a release follows the newest version, and would move."""
    after = {**specs, model.name: replace(model, versions=(*model.versions, number))}
    was, will_be = build_engines(specs, declared), build_engines(after, declared)
    for name, engine in was.items():
        for version, release in engine.releases.items():
            if will_be[name].releases.get(version) != release:
                raise ConfigurationError(
                    f"release {version} of engine {name!r} pins {model.name!r} to nothing, so it "
                    f"would move to the new version {number}; name its version in releases.yaml, "
                    f"or in the version_policy of {model.name!r}",
                    field="onnx",
                )
