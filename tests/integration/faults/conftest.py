"""Two fleets for all faults: each is well again before the next one is tried on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.faults.stage import calm, photo_fleet, staged_fleet
from tests.integration.running import RunningTidegate


@pytest.fixture(scope="package")
def started_staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTidegate]:
    with staged_fleet(tmp_path_factory.mktemp("staged")) as tidegate:
        yield tidegate


@pytest.fixture(scope="module")
def started_photos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTidegate]:
    with photo_fleet(tmp_path_factory.mktemp("photos")) as tidegate:
        yield tidegate


@pytest.fixture
def staged(started_staged: RunningTidegate) -> RunningTidegate:
    """Engines of known service times."""
    calm(started_staged)
    return started_staged


@pytest.fixture
def photos(started_photos: RunningTidegate) -> RunningTidegate:
    """The shipped engines."""
    calm(started_photos)
    return started_photos
