"""What docker-compose.yml says, and what its containers make of it; no engine is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from control_plane.settings import Settings, load_settings
from control_plane.settings.sources import CONFIG_VARIABLE

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"

Service = dict[str, Any]


def settings_of(service: Service, given: Mapping[str, str] | None = None) -> Settings:
    """What a control plane has in its container: its mounted file and its environment."""
    variables = interpolated(service["environment"], given or {})
    file = mounts(service)[variables.pop(CONFIG_VARIABLE)]
    return load_settings(ROOT / file["source"], {}, variables).settings


def interpolated(values: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """As Compose does it. Raises KeyError for what has to be given and is not."""

    def fill(found: re.Match[str]) -> str:
        name, kind, words = found.groups()
        if not given.get(name) and kind == "?":
            raise KeyError(words)
        return given.get(name) or words

    return {name: re.sub(r"\$\{(\w+):([-?])(.*?)\}", fill, each) for name, each in values.items()}


def env_file(name: str) -> dict[str, str]:
    lines = (ROOT / "deploy" / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def mounts(service: Service) -> dict[str, dict[str, Any]]:
    """By the place in the container."""
    return {mount["target"]: mount for mount in service["volumes"]}


def flags(service: Service) -> dict[str, str]:
    return parsed([each for each in service["command"] if each.startswith("--")])


def parsed(arguments: list[str] | tuple[str, ...]) -> dict[str, str]:
    split = [argument.partition("=") for argument in arguments]
    found = {name: value for name, _, value in split}
    assert len(found) == len(split), "a flag is given twice"
    return found


def seconds(duration: str) -> int:
    found = re.fullmatch(r"(\d+)s", duration)
    assert found, duration
    return int(found[1])
