"""Another process at the same store: adds one job for each of some keys.

Run as ``python -m tests.contract.jobs.adder KEY…``, with the URL in ``STORE_URL``. It says
``open``, waits for a line, and says for each key the id that it was answered with, and whether
the job was new.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from control_plane.adapters.stores import SqlJobs, open_store
from tests.contract.jobs.samples import made


async def main(keys: list[str]) -> None:
    async with open_store(os.environ["STORE_URL"], timeout_s=20.0) as store:
        jobs = SqlJobs(store.database)
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        added = await asyncio.gather(*(jobs.add(made(idempotency_key=key)) for key in keys))
        for key, (job, is_new) in zip(keys, added, strict=True):
            print(key, job.job_id, is_new, flush=True)


def start(location: str | Path, keys: list[str]) -> subprocess.Popen[str]:
    url = f"sqlite:///{location}" if isinstance(location, Path) else location
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.contract.jobs.adder", *keys],
        env={**os.environ, "STORE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
