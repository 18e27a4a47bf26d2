"""What counting costs a request, in microseconds: ``python -m benchmarks.metrics_cost``.

``listeners`` is what the gateway tells of an ended request, with the counts and without. The
whole way through the gateway, to an instance that answers at once, stands beside it: what share
of it the counting is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from random import Random
from statistics import median

import structlog

from control_plane.core.balancing import PoolOptions
from control_plane.core.catalogue import Engine, Release
from control_plane.core.deadline import Deadline
from control_plane.core.outcomes import Ending
from control_plane.core.requests import Ended, Try
from control_plane.core.routing import all_to_stable
from control_plane.core.traffic import RequestCounts
from control_plane.services.calling import CallTimes, InferCall
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway, GatewayOptions
from control_plane.services.instance import Instance
from control_plane.services.measuring import Measuring

RELEASE = Release("damage", "1.0.0", {"detector": 1}, is_ensemble=True)
TABLE = all_to_stable([Engine("damage", "1.0.0", {"1.0.0": RELEASE})], revision=1)
ROUTE = TABLE.routes["damage"]
ROUNDS = 9


class Clock:
    def now_s(self) -> float:
        return time.monotonic()


class Instant:
    """An instance that answers at once."""

    async def infer(self, _message: bytes, **_how: object) -> bytes:
        return b"answer"


def make_gateway(ended: Callable[[Ended], None]) -> Gateway:
    clock = Clock()
    instances = [Instance(f"triton-{one}", f"host:{one}", Instant()) for one in range(2)]  # type: ignore[arg-type]
    fleet = Fleet(instances, options=PoolOptions(), clock=clock, rng=Random(7))
    for one in instances:
        fleet.publish(
            one.name,
            serving={("damage", "1.0.0")},
            is_live=True,
            reason="",
            now_s=clock.now_s(),
        )
    options = GatewayOptions(CallTimes(10.0))
    return Gateway(
        fleet=fleet,
        table=lambda: TABLE,
        options=options,
        clock=clock,
        rng=Random(7),
        ended=ended,
    )


async def through_the_gateway(gateway: Gateway, requests: int) -> float:
    call = InferCall(b"request", "damage", "", "key", Deadline(time.monotonic() + 3600), "c-1")
    began_s = time.process_time()
    for _ in range(requests):
        await gateway.infer(call)
    return 1e6 * (time.process_time() - began_s) / requests


def told(listener: Callable[[Ended], None], requests: int) -> float:
    """The listener alone, of an answer that took 20 ms, and that two tries were made for."""
    tries = [
        Try("1.0.0", "triton-0", Ending.UNREACHABLE, 0.001, 100.001),
        Try("1.0.0", "triton-1", Ending.SUCCESS, 0.018, 100.02),
    ]
    one = Ended(
        route=ROUTE,
        wanted_release="",
        routing_key="key",
        is_key_given=False,
        sequence=None,
        correlation_id="c-1",
        chosen="1.0.0",
        tries=tries,
        answered_by="1.0.0",
        error=None,
        started_s=100.0,
        ended_s=100.02,
    )
    began_s = time.process_time()
    for _ in range(requests):
        listener(one)
    return 1e6 * (time.process_time() - began_s) / requests


async def measure(requests: int) -> dict[str, float]:
    """Medians of rounds, with and without in turn."""
    measuring = Measuring(plane="one", table=lambda: TABLE, clock=Clock())
    counts = RequestCounts(time.monotonic())

    def counted(one: Ended) -> None:
        counts.ended(one)
        measuring.ended(one)

    without, with_counts = make_gateway(measuring.ended), make_gateway(counted)
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, gateway in (("gateway before", without), ("gateway after", with_counts)):
            found.setdefault(name, []).append(await through_the_gateway(gateway, requests))
            measuring.count()
        for name, listener in (("listeners before", measuring.ended), ("listeners after", counted)):
            found.setdefault(name, []).append(told(listener, requests))
            measuring.count()
    return {name: round(median(values), 2) for name, values in found.items()}


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=5_000, help="of each round")
    found = asyncio.run(measure(parser.parse_args().requests))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
