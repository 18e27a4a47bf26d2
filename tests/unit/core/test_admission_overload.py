"""Admission in front of a few servers on a virtual clock: what the limit is worth.

A server takes one request at a time and has a queue without a bound, as a Triton has by
default. Nothing is cancelled: a request that outlives its timeout is computed all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

import pytest

from control_plane.core.admission import Admission, AdmissionOptions, Shed, Ticket
from control_plane.core.detections import Priority
from control_plane.core.outcomes import Ending

TIMEOUT_S = 5.0
TRY_S = 2.5
"""What one try may take by default: half of an engine's time."""
WARM_UP_S = 5.0
MIX = {Priority.HIGH: 0.08, Priority.NORMAL: 0.6, Priority.LOW: 0.32}


@dataclass
class Outcome:
    """served, shed: by priority. goodput: answers per second, as a share of the capacity."""

    goodput: float = 0.0
    longest_s: float = 0.0
    served: dict[Priority, int] = field(default_factory=lambda: dict.fromkeys(Priority, 0))
    shed: dict[Priority, int] = field(default_factory=lambda: dict.fromkeys(Priority, 0))

    def share_served(self, priority: Priority) -> float:
        return self.served[priority] / (self.served[priority] + self.shed[priority])


def run(
    *,
    servers: int,
    service_s: float,
    offered: float,
    seconds: float,
    slowness: Callable[[float], float] = lambda now_s: 1.0,
) -> Outcome:
    """offered: as a multiple of what the servers can do. Outcomes count after the warm-up."""
    rng, admission, outcome = Random(3), Admission(AdmissionOptions()), Outcome()
    per_s = servers / service_s
    free_at_s = [0.0] * servers
    ends: list[tuple[float, int, float, Ticket]] = []
    now_s, good = 0.0, 0
    while now_s < seconds:
        now_s += rng.expovariate(per_s * offered)
        while ends and ends[0][0] <= now_s:
            end_s, _, took_s, ticket = heappop(ends)
            ending = Ending.SUCCESS if took_s < TIMEOUT_S else Ending.SLOW
            admission.settle(ticket, latency_s=took_s, ending=ending, now_s=end_s)
            if end_s >= WARM_UP_S:
                good += ending is Ending.SUCCESS
                outcome.longest_s = max(outcome.longest_s, took_s)
        priority = rng.choices(list(MIX), list(MIX.values()))[0]
        answer = admission.admit(priority, now_s)
        if now_s >= WARM_UP_S:
            counts = outcome.shed if isinstance(answer, Shed) else outcome.served
            counts[priority] += 1
        if isinstance(answer, Ticket):
            done_s = max(now_s, heappop(free_at_s))
            # Half the log-normal's variance is taken off, so that its mean is service_s.
            done_s += service_s * slowness(now_s) * rng.lognormvariate(-0.045, 0.3)
            heappush(free_at_s, done_s)
            took_s = min(TIMEOUT_S, done_s - now_s)
            heappush(ends, (now_s + took_s, answer.number, took_s, answer))
    outcome.goodput = good / (seconds - WARM_UP_S) / per_s
    return outcome


@pytest.mark.parametrize(("servers", "service_s"), [(2, 0.05), (8, 0.01), (32, 0.05)])
def test_at_five_times_the_capacity_the_servers_stay_busy_and_high_is_served(
    servers: int, service_s: float
) -> None:
    seconds = 20.0 if servers > 2 else 60.0
    outcome = run(servers=servers, service_s=service_s, offered=5.0, seconds=seconds)
    assert outcome.goodput > 0.95
    assert outcome.share_served(Priority.HIGH) > 0.99
    assert outcome.share_served(Priority.NORMAL) > outcome.share_served(Priority.LOW)
    # A try that runs out of time counts against its instance, which overload must never do.
    assert outcome.longest_s < 0.8 * TRY_S


def test_lasting_overload_does_not_drive_the_limit_up() -> None:
    outcome = run(servers=2, service_s=0.05, offered=3.0, seconds=900.0)
    assert outcome.longest_s < 0.8 * TRY_S
    assert outcome.goodput > 0.95


def test_an_engine_that_fills_its_queue_in_seconds_recovers() -> None:
    outcome = run(servers=2, service_s=0.5, offered=3.0, seconds=120.0)
    assert outcome.goodput > 0.8


def test_a_fleet_with_room_grows_into_it() -> None:
    outcome = run(servers=64, service_s=0.05, offered=0.5, seconds=20.0)
    assert outcome.share_served(Priority.NORMAL) > 0.99
    assert outcome.share_served(Priority.HIGH) == 1.0


def test_an_engine_that_becomes_slower_for_good_is_believed() -> None:
    outcome = run(
        servers=64,
        service_s=0.05,
        offered=0.3,
        seconds=60.0,
        slowness=lambda now_s: 1.0 if now_s < 10.0 else 2.0,
    )
    assert outcome.share_served(Priority.NORMAL) > 0.9
    assert outcome.share_served(Priority.HIGH) > 0.99


def test_after_all_instances_have_hung_for_long_it_is_back_within_five_seconds() -> None:
    """150 requests in flight, and then for two minutes every try runs out of its time."""
    rate_per_s, latency_s, hang_s = 500.0, 0.3, (10.0, 130.0)
    rng, admission = Random(1), Admission(AdmissionOptions())
    ends: list[tuple[float, int, float, Ending, Ticket]] = []
    now_s, refused_at_s = 0.0, 0.0
    while now_s < 150.0:
        now_s += rng.expovariate(rate_per_s)
        while ends and ends[0][0] <= now_s:
            end_s, _, took_s, ending, ticket = heappop(ends)
            admission.settle(ticket, latency_s=took_s, ending=ending, now_s=end_s)
        answer = admission.admit(Priority.NORMAL, now_s)
        if isinstance(answer, Shed):
            refused_at_s = now_s
        elif hang_s[0] <= now_s < hang_s[1]:
            heappush(ends, (now_s + 2 * TRY_S, answer.number, TRY_S, Ending.SLOW, answer))
        else:
            took_s = latency_s * rng.uniform(0.8, 1.2)
            heappush(ends, (now_s + took_s, answer.number, took_s, Ending.SUCCESS, answer))
    assert hang_s[1] < refused_at_s < hang_s[1] + 5.0
