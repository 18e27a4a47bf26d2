"""One fleet for all that leaves it as it was; who kills something has a fleet of his own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.rollouts.stage import rollout_fleet
from tests.integration.rollouts.steering import Steering
from tests.integration.running import RunningTidegate


@pytest.fixture(scope="package")
def started_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTidegate]:
    with rollout_fleet(tmp_path_factory.mktemp("rollouts")) as tidegate:
        yield tidegate


@pytest.fixture
def fleet(started_fleet: RunningTidegate) -> RunningTidegate:
    """All traffic is with the stable release, and nothing else is loaded."""
    Steering(started_fleet.url).back_to_start()
    return started_fleet


@pytest.fixture
def steering(fleet: RunningTidegate) -> Steering:
    return Steering(fleet.url)
