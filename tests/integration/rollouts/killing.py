"""Control planes that are killed at a point of their work, told by what they write of it.

A plane says what it is about to do to an instance and what it has done (``action begins``,
``action done``). Whoever reads that the moment it is written, and kills it then, kills it within
a few milliseconds of that point.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.integration.rollouts.checks import promised
from tests.integration.rollouts.load import scored, wait_for
from tests.integration.rollouts.repository import GOOD, STABLE, executions
from tests.integration.rollouts.routes import routes_watched
from tests.integration.rollouts.stage import Pair, ServingPlane
from tests.integration.rollouts.steering import Steering
from tests.integration.running import wait_until

ACTION_EVENTS = frozenset({"action begins", "action done"})
READ_EVERY_S = 0.002

Line = dict[str, Any]


@dataclass
class Deed:
    """at_s: when it was done, since the epoch; None if it never came to that. line: at which."""

    at_s: float | None = None
    line: Line = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return self.at_s is not None


@contextmanager
def killed_when(plane: ServingPlane, is_the_one: Callable[[Line], bool]) -> Iterator[Deed]:
    """SIGKILLs a plane as soon as it writes such a line; only lines from now on count."""
    with done_when(plane, is_the_one, plane.kill) as deed:
        yield deed


@contextmanager
def done_when(
    plane: ServingPlane, is_the_one: Callable[[Line], bool], do: Callable[[], object]
) -> Iterator[Deed]:
    """Does something as soon as a plane writes such a line; only lines from now on count."""
    deed, stop = Deed(), threading.Event()

    def read_on() -> None:
        with plane.log_file.open("rb") as log:
            log.seek(0, 2)
            rest = b""
            while not stop.is_set():
                *lines, rest = (rest + log.read()).split(b"\n")
                for text in lines:
                    line = json.loads(text)
                    if is_the_one(line):
                        do()
                        deed.line, deed.at_s = line, time.time()
                        return
                stop.wait(READ_EVERY_S)

    thread = threading.Thread(target=read_on)
    thread.start()
    try:
        yield deed
    finally:
        stop.set()
        thread.join()


def nth_action(number: int) -> Callable[[Line], bool]:
    """The beginning or end of an action, counted from 1."""
    seen = 0

    def is_the_one(line: Line) -> bool:
        nonlocal seen
        seen += line["event"] in ACTION_EVENTS
        return line["event"] in ACTION_EVENTS and seen == number

    return is_the_one


def leader_of(planes: Sequence[ServingPlane]) -> ServingPlane:
    """The plane that leads, by what the running ones have written; waits until one does."""

    def find() -> ServingPlane | None:
        epochs: dict[int, ServingPlane] = {}
        for plane in planes:
            if not plane.is_running:
                continue
            for line in plane.log_lines():
                if line["event"] == "leading":
                    epochs[int(line["epoch"])] = plane
        return epochs[max(epochs)] if epochs else None

    found = wait_until(find, timeout_s=30, what="a plane that leads")
    assert found is not None
    return found


def other_than(plane: ServingPlane, planes: Sequence[ServingPlane]) -> ServingPlane:
    (other,) = (one for one in planes if one is not plane)
    return other


def kill_and_converge(planes: Pair, is_the_one: Callable[[Line], bool], **plan: Any) -> None:
    """A rollout whose leader is killed at a line that it writes, and started again at once."""
    leader = leader_of(planes)
    survivor = other_than(leader, planes)
    steering = Steering(survivor.url)
    with routes_watched(survivor.url) as sights, scored(survivor.grpc, least=50) as answers:
        with killed_when(leader, is_the_one) as deed:
            rollout = steering.start(target_of(steering), **plan)
            wait_until(lambda: deed.is_done, timeout_s=60, what="the point at which it is killed")
        leader.start()
        steering.wait_for(rollout, "completed")
        steering.settle()
        wait_for(answers, 50)
    leader.wait_ready()
    wait_until(leader.are_all_ready, timeout_s=60, what="both Tritons well")
    assert promised(answers, executions(survivor.model_repository), sights) == []


def revive(plane: ServingPlane) -> None:
    plane.start()
    plane.wait_ready()
    wait_until(plane.are_all_ready, timeout_s=60, what="both Tritons well")


def target_of(steering: Steering) -> str:
    """The one of the two good releases that is not stable."""
    return GOOD if steering.releases()[STABLE]["is_stable"] else STABLE
