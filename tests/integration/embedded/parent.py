"""A program that keeps one or more embedded Tritons: the parent whose ends the tests try.

``python -m tests.integration.embedded.parent REPOSITORY BASE_PORT COUNT RUNTIME_ROOT`` says
``ready`` and stays until SIGTERM or SIGINT, after which it says ``stopped``.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from control_plane.embedded import EmbeddedFleet, FleetOptions


async def main(repository: str, base_port: str, count: str, runtime_root: str) -> None:
    is_over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, is_over.set)
    options = FleetOptions(
        Path(repository),
        count=int(count),
        base_port=int(base_port),
        runtime_root=Path(runtime_root),
    )
    async with EmbeddedFleet(options):
        print("ready", flush=True)
        await is_over.wait()
    print("stopped", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
