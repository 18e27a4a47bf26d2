"""What in SQS's queue needs no SQS to be tried."""

from __future__ import annotations

import asyncio
from random import Random

from control_plane.adapters.queues.sqs import SqsOptions, SqsQueue
from control_plane.adapters.queues.sqs_messages import Held
from tests.unit.virtual_time import run_virtually


def test_an_oddity_in_renewing_does_not_end_it() -> None:
    async def main() -> None:
        queue = SqsQueue(SqsOptions(visibility_s=3), Random(0))
        queue._held.add(Held("high", "receipt"))
        tries = 0

        async def broken(name: str, some: object) -> None:
            nonlocal tries
            tries += 1
            raise RuntimeError("a bug")

        queue._hide_all = broken  # type: ignore[method-assign, assignment]
        renewing = asyncio.create_task(queue._renew())
        await asyncio.sleep(10.0)
        assert not renewing.done()
        assert tries > 5
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)

    run_virtually(main())
