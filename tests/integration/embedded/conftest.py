from __future__ import annotations

from collections.abc import Iterator

import pytest

from control_plane.embedded import FleetOptions
from tests.integration.tritons import (
    REPOSITORY,
    RunningTritons,
    free_base_port,
    skip_without_triton,
)


@pytest.fixture(scope="package")
def tritons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTritons]:
    """Two Tritons on the repository's models, nothing loaded at first.

    They are shared: load what you need under names of your own, unload it, kill nothing.
    """
    options = FleetOptions(
        REPOSITORY,
        base_port=free_base_port(),
        runtime_root=tmp_path_factory.mktemp("tritons"),
    )
    skip_without_triton(options)
    running = RunningTritons(options)
    running.start()
    yield running
    running.stop()
