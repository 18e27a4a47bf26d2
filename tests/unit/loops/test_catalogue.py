"""The catalogue is read again and again."""

from __future__ import annotations

from typing import Any

from control_plane.loops.catalogue import CatalogueLoop
from tests.unit.loops.duties import FakeCatalogue, running, until


async def test_the_catalogue_is_read_again_and_again() -> None:
    catalogue: Any = FakeCatalogue()
    async with running(CatalogueLoop(catalogue, interval_s=0.001).run()):
        await until(lambda: catalogue.refreshed >= 3)
