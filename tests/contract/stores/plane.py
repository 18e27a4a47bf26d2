"""Another process at the same store: counts in a hold's reason, by compare-and-set.

Run as ``python -m tests.contract.stores.plane NAME TIMES``, with the URL in ``STORE_URL``. It
says ``open``, then the number after each write that was acknowledged. TIMES ``hold``: it begins
a write, says ``held`` and never ends it, as far as it lies with it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from control_plane.adapters.stores import MemoryStore, SqlStore, open_store
from control_plane.core.state import Change, Hold, HoldKind
from control_plane.ports import StaleRevision
from tests.contract.stores import samples

COUNTED = "counted"
HOLDS_FOR_S = 3.0


async def count_one(store: MemoryStore | SqlStore, name: str) -> int:
    """Adds one to the number, whoever else does so at the same time; the number after it."""
    while True:
        state = await store.read()
        hold = state.holds.get(COUNTED, Hold(HoldKind.DRAINED, "0"))
        more = replace(hold, reason=str(int(hold.reason) + 1))
        change = Change(
            engines={name: samples.engine_state(f"{name}-{more.reason}", name)},
            table=samples.table(int(more.reason)),
            holds={COUNTED: more},
            audit=(samples.entry(more.reason, engine=name),),
        )
        try:
            written = await store.write(change, expected=state.revision)
        except StaleRevision:
            continue
        assert written.revision == state.revision + 1
        return int(written.holds[COUNTED].reason)


async def main(name: str, times: str) -> None:
    timeout_s = HOLDS_FOR_S if times == "hold" else 20.0
    async with open_store(os.environ["STORE_URL"], timeout_s=timeout_s) as store:
        print("open", flush=True)
        if times == "hold":
            async with store._database.writing() as connection:
                await connection.exec_driver_sql("UPDATE state SET revision = revision + 1")
                print("held", flush=True)
                await asyncio.Event().wait()
        for _ in range(int(times)):
            print(await count_one(store, name), flush=True)


def start(location: str | Path, name: str, times: int | str) -> subprocess.Popen[str]:
    url = f"sqlite:///{location}" if isinstance(location, Path) else location
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.contract.stores.plane", name, str(times)],
        env={**os.environ, "STORE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
