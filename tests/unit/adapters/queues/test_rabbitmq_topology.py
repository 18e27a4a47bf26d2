from __future__ import annotations

import pytest

from control_plane.adapters.queues.rabbitmq_topology import Topology
from control_plane.core.detections import Priority


@pytest.mark.parametrize(
    ("longest_s", "delays_s"),
    [
        (0.1, (1,)),
        (1.0, (1,)),
        (1.5, (1, 2)),
        (4.0, (1, 2, 4)),
        (300.0, (1, 2, 4, 8, 16, 32, 64, 128, 256, 300)),
    ],
)
def test_delays_are_powers_of_two_up_to_the_longest(
    longest_s: float, delays_s: tuple[int, ...]
) -> None:
    assert Topology("t", 20, longest_s).delays_s == delays_s


def test_there_is_a_bounded_number_of_queues() -> None:
    assert len(list(Topology("t", 20, 43_200.0).queues_of(Priority.LOW))) == 18


@pytest.mark.parametrize(
    ("retry_in_s", "route"),
    [
        (-1.0, ("t", "high")),
        (0.0, ("t", "high")),
        (0.01, ("t.retry", "high.1")),
        (1.0, ("t.retry", "high.1")),
        (1.01, ("t.retry", "high.2")),
        (200.0, ("t.retry", "high.256")),
        (257.0, ("t.retry", "high.300")),
        (9e9, ("t.retry", "high.300")),
    ],
)
def test_a_message_waits_for_the_next_delay_that_is_not_shorter(
    retry_in_s: float, route: tuple[str, str]
) -> None:
    assert Topology("t", 20, 300.0).route(Priority.HIGH, retry_in_s) == route


def test_each_key_has_its_queue() -> None:
    topology = Topology("t", 20, 2.0)
    assert list(topology.queues_of(Priority.LOW)) == ["t.low", "t.low.1s", "t.low.2s"]
    assert topology.dead == "t.dead"
