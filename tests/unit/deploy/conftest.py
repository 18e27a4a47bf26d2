"""The services of docker-compose.yml."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from control_plane.settings import Settings
from tests.unit.deploy.compose_file import FILE, Service, settings_of


@pytest.fixture
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return parsed


@pytest.fixture
def services(compose: dict[str, Any]) -> dict[str, Service]:
    found: dict[str, Service] = compose["services"]
    return found


@pytest.fixture
def tritons(services: dict[str, Service]) -> dict[str, Service]:
    return {name: each for name, each in services.items() if name.startswith("triton-")}


@pytest.fixture
def ours(services: dict[str, Service]) -> dict[str, Service]:
    """What is built here."""
    return {name: each for name, each in services.items() if "build" in each}


@pytest.fixture
def tidegate(services: dict[str, Service]) -> Service:
    return services["tidegate"]


@pytest.fixture
def settings(tidegate: Service) -> Settings:
    return settings_of(tidegate)
