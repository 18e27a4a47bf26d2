"""What is told of while nothing can be worked on: each thing once."""

from __future__ import annotations

import asyncio

import structlog

from control_plane.loops.idleness import Idleness
from tests.unit.loops.test_work import Room, loop_of, running
from tests.unit.services.jobs.site import Site
from tests.unit.virtual_time import run_virtually

GONE = ["triton-0 at host:8001: does not answer"]
EMPTY = ["triton-0 at host:8001: serves none"]


class Clock:
    """Set by the test."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def now_s(self) -> float:
        return self.at_s


def test_each_thing_is_told_once_and_only_when_it_lasts() -> None:
    clock, unserved = Clock(), [GONE]
    idleness = Idleness(lambda: unserved[-1] or None, clock=clock, patience_s=5.0)
    with structlog.testing.capture_logs() as logs:
        idleness.look()
        clock.at_s += 4.9
        idleness.look()
        unserved.append([])
        idleness.look()
        assert logs == [], "a start is no trouble"
        unserved.append(GONE)
        for _ in range(20):
            idleness.look()
            clock.at_s += 1.0
        unserved.append(EMPTY)
        idleness.look()
        idleness.look()
        unserved.append([])
        idleness.look()
        idleness.look()
    assert [(one["event"], one.get("instances")) for one in logs] == [
        ("no engine serves, nothing is taken", GONE),
        ("no engine serves, nothing is taken", EMPTY),
        ("an engine serves, jobs are taken again", None),
    ]
    assert [one["log_level"] for one in logs] == ["warning", "warning", "info"]


def test_the_work_loop_tells_of_a_fleet_that_does_not_serve() -> None:
    async def main() -> None:
        site, room = Site(), Room()
        unserved: list[str] | None = GONE
        room.set(0)
        loop = loop_of(site, room=room, unserved=lambda: unserved)
        with structlog.testing.capture_logs() as logs:
            async with running(loop):
                await asyncio.sleep(60.0)
                unserved = None
                room.set(5)
                await asyncio.sleep(1.0)
        assert [one["event"] for one in logs] == [
            "no engine serves, nothing is taken",
            "an engine serves, jobs are taken again",
        ]

    run_virtually(main())
