"""Where each setting came from: flag, environment, file or default, in that order.

:func:`load_settings` merges the sources leaf by leaf and remembers who gave each leaf,
so that ``tidegate config show`` can say it and an error can name the place to mend.
It reads the environment it is handed, never ``os.environ``, and keeps no state.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from control_plane.errors import ConfigurationError
from control_plane.settings.schema import Settings

PREFIX = "TIDEGATE_"
CONFIG_VARIABLE = "TIDEGATE_CONFIG"
DEFAULT_FILE = Path("tidegate.yaml")
# Read by the command line, about the control plane it talks to.
NOT_SETTINGS = frozenset({CONFIG_VARIABLE, "TIDEGATE_URL", "TIDEGATE_TOKEN"})
# What Kubernetes puts into every pod beside a service that is called tidegate.
SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP|SCTP)")
# Flags whose name does not follow from the setting's.
FLAGS = {
    "embedded.tritons": "--tritons",
    "embedded.base_port": "--triton-base-port",
    "worker.http_port": "--http-port",
}
# The settings that `tidegate up`, `serve` or `worker` take as a flag too.
WITH_FLAG = (
    "model_repository",
    "state_dir",
    "http.port",
    "grpc.port",
    "embedded.tritons",
    "embedded.base_port",
    "worker.http_port",
    "log.level",
    "log.format",
)
SECRET_WORDS = ("password", "secret", "token", "credential")


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings with the origin of each leaf.

    origins: dotted name to ``default``, ``file PATH``, ``environment NAME`` or ``flag --x``.
    """

    settings: Settings
    origins: Mapping[str, str]

    def origin_of(self, name: str) -> str:
        """Who gave ``name``, or the part of the settings that it lies in."""
        return _origin(name, self.origins)


def load_settings(
    config: Path | None, flags: Mapping[str, object], environ: Mapping[str, str]
) -> LoadedSettings:
    """The effective settings: flags over environment over file over defaults.

    config: the file to read; else ``TIDEGATE_CONFIG``, else ./tidegate.yaml if it exists.
    flags: dotted name to value; None means not given.
    Raises ConfigurationError naming the field, its origin and the limit.
    """
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    _merge(merged, origins, *_from_file(config, environ))
    for values, origin in _from_environment(environ):
        _merge(merged, origins, values, origin)
    for name, value in flags.items():
        if value is not None:
            _merge(merged, origins, _nest(name.split("."), value), f"flag {flag_of(name)}")
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        details = error.errors(include_url=False)
        field = _dotted(details[0])
        complaints = "; ".join(explain(detail, origins) for detail in details)
        raise ConfigurationError(complaints, field=field) from None
    leaves = flatten(settings)
    return LoadedSettings(settings, MappingProxyType({n: _origin(n, origins) for n in leaves}))


def flatten(settings: BaseModel) -> dict[str, Any]:
    """Dotted name to value as JSON would have it; secrets come out masked."""
    return {".".join(path): leaf for path, leaf in _leaves(settings.model_dump(mode="json"))}


def flag_of(name: str) -> str:
    """The command line's flag for a dotted name."""
    return FLAGS.get(name) or "--" + re.sub(r"[._]", "-", name)


class _Environment(EnvSettingsSource):
    """One environment variable at a time, so that its name is known when it is wrong."""

    def __init__(self) -> None:
        super().__init__(Settings, case_sensitive=False)
        self.env_vars = {}

    def read(self, name: str, value: str) -> dict[str, Any]:
        self.env_vars = {name.lower(): value}
        return self()

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        is_tuple = get_origin(field.annotation) is tuple
        if is_tuple and isinstance(value, str) and not value.lstrip().startswith("["):
            return [part.strip() for part in value.split(",")]
        return super().decode_complex_value(field_name, field, value)


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[dict[str, Any], str]]:
    source = _Environment()
    for name in sorted(environ):
        value = environ[name]
        if not name.startswith(PREFIX) or name in NOT_SETTINGS or not value:
            continue
        if SERVICE_LINK.search(name) or value.startswith(("tcp://", "udp://")):
            continue
        field = name.removeprefix(PREFIX).lower().replace("__", ".")
        try:
            values = source.read(name, value)
        except ValueError:
            raise ConfigurationError(
                f"{field} (from environment {name}) should be JSON", field=field
            ) from None
        if not values:
            known = [PREFIX + n.upper().replace(".", "__") for n in flatten(Settings())]
            hint = _suggest(name, known)
            raise ConfigurationError(f"environment {name} names no setting{hint}", field=field)
        yield values, f"environment {name}"


def _from_file(config: Path | None, environ: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    if config is None and environ.get(CONFIG_VARIABLE):
        config = Path(environ[CONFIG_VARIABLE])
    if config is None:
        if not DEFAULT_FILE.exists():
            return {}, ""
        config = DEFAULT_FILE
    try:
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigurationError(f"cannot read settings file {config}: {why}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise ConfigurationError(f"settings file {config} is not YAML: {why}") from None
    if content is None:
        return {}, ""
    if not isinstance(content, dict):
        raise ConfigurationError(f"settings file {config} should hold names and values")
    return content, f"file {config}"


def _merge(
    into: dict[str, Any], origins: dict[str, str], values: Mapping[str, Any], origin: str
) -> None:
    for (*parents, last), value in _leaves(values):
        place = into
        for parent in parents:
            inner = place.get(parent)
            if not isinstance(inner, dict):
                inner = place[parent] = {}
            place = inner
        # An empty section says nothing about what an earlier source put into it.
        if value is None or (value == {} and isinstance(place.get(last), dict)):
            continue
        place[last] = value
        origins[".".join((*parents, last))] = origin


def _nest(path: Sequence[str], value: object) -> dict[str, Any]:
    first, *rest = path
    return {first: _nest(rest, value) if rest else value}


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            for path, leaf in _leaves(value):
                yield (str(key), *path), leaf
        else:
            yield (str(key),), value


def _origin(name: str, origins: Mapping[str, str]) -> str:
    place = name
    while place:
        if place in origins:
            return origins[place]
        place = re.sub(r"(\[\d+\]|(^|\.)[^.\[\]]*)$", "", place)
    inside = sorted({origins[n] for n in origins if n.startswith((f"{name}.", f"{name}["))})
    return ", ".join(inside) or "default"


def _dotted(detail: ErrorDetails) -> str:
    named = detail.get("ctx", {}).get("field")
    if named:
        return str(named)
    name = ""
    for part in detail["loc"]:
        if part == "[key]":
            continue
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name


def explain(detail: ErrorDetails, origins: Mapping[str, str]) -> str:
    """One finding of pydantic's in words: the field, who gave it, and the limit."""
    name = _dotted(detail)
    origin = _origin(name, origins)
    given = f"(from {origin})" if origin != "default" else "(default)"
    if detail["type"] == "extra_forbidden":
        known = list(flatten(Settings()))
        known += sorted({n.split(".")[0] for n in known})
        return f"{name} is no setting {given}{_suggest(name, known)}"
    if detail["type"] == "missing":
        return f"{name} is missing {given}"
    if detail["type"] in {"model_type", "dict_type"}:
        return f"{name} {given} should hold names and values"
    if detail["type"] == "tuple_type":
        return f"{name} {given} should be a list"
    # Pydantic says "Input should …, unable to parse …"; the first half is for people.
    complaint = re.sub(r"^(Input|Value|String) |, unable to parse .*", "", detail["msg"])
    is_plain = isinstance(detail["input"], (str, int, float))
    is_secret = _is_secret(name) or _is_secret(detail["type"])
    value = f", not {detail['input']!r:.80}" if is_plain and not is_secret else ""
    return f"{name} {given} {complaint}{value}"


def _is_secret(name: str) -> bool:
    """By its name, or because the setting is declared as one."""
    if any(word in name for word in SECRET_WORDS):
        return True
    kind: Any = Settings
    for part in name.split("."):
        field = getattr(kind, "model_fields", {}).get(part)
        kind = field.annotation if field else None
    return _holds_secret(kind)


def _holds_secret(kind: Any) -> bool:
    return kind is SecretStr or any(map(_holds_secret, get_args(kind)))


def _suggest(name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {nearest[0]}?" if nearest else ""
