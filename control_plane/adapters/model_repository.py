"""Triton's model repository and its ``releases.yaml``, read from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

from control_plane.adapters.golden_files import read_goldens
from control_plane.core.catalogue import Engine, ModelSpec, build_engines
from control_plane.core.golden import Golden
from control_plane.errors import ConfigurationError
from control_plane.ports import RepositoryContent

CONFIG_FILE = "config.pbtxt"
RELEASES_FILE = "releases.yaml"


class ModelRepository:
    """What lies in a repository.

    specs: every model by name. engines: what callers ask for. goldens: by engine, what it is
    asked to prove itself.
    """

    def __init__(
        self,
        specs: dict[str, ModelSpec],
        engines: dict[str, Engine],
        goldens: dict[str, Golden],
    ) -> None:
        self.specs = specs
        self.engines = engines
        self.goldens = goldens

    @classmethod
    def read(cls, folder: Path) -> ModelRepository:
        """Raises ConfigurationError naming the file and what is wrong in it."""
        content = read_content(folder)
        engines = build_engines(content.specs, content.declared)
        tolerances = {name: engine.get("golden") or {} for name, engine in content.declared.items()}
        return cls(dict(content.specs), engines, read_goldens(folder, engines, tolerances))


def read_content(folder: Path) -> RepositoryContent:
    """Every model and what is declared. Raises as ``ModelRepository.read`` does."""
    try:
        is_folder = folder.is_dir()
    except OSError as error:
        raise _unreadable(folder, error, field="model_repository") from error
    if not is_folder:
        raise ConfigurationError(
            f"model_repository {folder} is not a folder", field="model_repository"
        )
    specs = {path.parent.name: _read_spec(path) for path in sorted(folder.glob(f"*/{CONFIG_FILE}"))}
    if not specs:
        raise ConfigurationError(
            f"model_repository {folder} holds no model (a folder with a {CONFIG_FILE})",
            field="model_repository",
        )
    return RepositoryContent(specs, _read_declarations(folder / RELEASES_FILE))


def _read_spec(path: Path) -> ModelSpec:
    name = path.parent.name
    try:
        message = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}", field=name) from error
    except OSError as error:
        raise _unreadable(path, error, field=name) from error
    config = json_format.MessageToDict(message, preserving_proto_field_name=True)
    if config.setdefault("name", name) != name:
        raise ConfigurationError(
            f"{path}: name is {config['name']!r}, the folder is {name!r}", field=name
        )
    try:
        versions = sorted(
            int(child.name)
            for child in path.parent.iterdir()
            if child.is_dir() and child.name.isascii() and child.name.isdigit()
        )
    except OSError as error:
        raise _unreadable(path.parent, error, field=name) from error
    return ModelSpec(name, config, tuple(versions))


def _read_declarations(path: Path) -> dict[str, Any]:
    """The ``engines`` mapping of releases.yaml; a repository without the file declares none."""
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(path, error, field=RELEASES_FILE) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}", field=RELEASES_FILE) from error
    engines = document.get("engines") if isinstance(document, dict) else None
    if not isinstance(engines, dict):
        raise ConfigurationError(f"{path}: 'engines' is missing or no mapping", field="engines")
    for name, engine in engines.items():
        if not isinstance(name, str):
            raise ConfigurationError(f"{path}: engine name {name!r} is no text", field="engines")
        if not isinstance(engine, dict):
            raise ConfigurationError(f"{path}: engines.{name} is no mapping", field=str(name))
        _check_shape(path, str(name), engine)
    return engines


def _unreadable(path: Path, error: OSError, *, field: str) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be read: {error.strerror}", field=field)


def _check_shape(path: Path, name: str, engine: dict[str, Any]) -> None:
    where = f"engines.{name}"
    unknown = sorted(map(str, set(engine) - {"stable", "releases", "golden"}))
    if unknown:
        raise ConfigurationError(f"{path}: {where} has an unknown key {unknown[0]!r}", field=where)
    if not isinstance(engine.get("golden"), dict | None):
        raise ConfigurationError(f"{path}: {where}.golden is no mapping", field=where)
    releases = engine.get("releases")
    if not isinstance(releases, dict) or not releases:
        raise ConfigurationError(f"{path}: {where}.releases is missing or no mapping", field=where)
    for version, pins in releases.items():
        if not isinstance(version, str) or not isinstance(pins, dict | None):
            raise ConfigurationError(
                f"{path}: {where}.releases.{version}: write it as 1.2.0: {{component: version}}",
                field=where,
            )
