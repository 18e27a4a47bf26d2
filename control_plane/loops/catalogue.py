"""Reading the catalogue again and again: what was registered or edited is known a moment later.

Every control plane reads it by itself, whoever registered what.
"""

from __future__ import annotations

import asyncio

from control_plane.services.catalogue import Catalogue


class CatalogueLoop:
    """``run`` never ends; what is wrong in the catalogue is the catalogue's to say."""

    def __init__(self, catalogue: Catalogue, *, interval_s: float) -> None:
        self._catalogue = catalogue
        self._interval_s = interval_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self._catalogue.refresh()
