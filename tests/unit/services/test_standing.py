"""What one plane says of its place among the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from control_plane.core.state import Lease, PlaneReport, State
from control_plane.services.board import Board
from control_plane.services.standing import Standing, Standings

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)


class Calendar:
    def utc(self, at_s: float) -> datetime:
        return NOON + timedelta(seconds=at_s)


class Site:
    """What Standings asks, changed in place by the tests."""

    def __init__(self) -> None:
        self.board = Board(State(revision=7))
        self.held: tuple[Lease, float] | None = None
        self.is_away = False
        self.is_queue_away = False
        self.complaints: list[str] = []
        self.standings = Standings(
            "gate-1",
            board=self.board,
            lease=lambda: self.held,
            is_store_away=lambda: self.is_away,
            is_queue_away=lambda: self.is_queue_away,
            instances={"triton-0": "host:8001"},
            complaints=lambda: self.complaints,
            calendar=Calendar(),
        )


def test_one_that_follows() -> None:
    site = Site()
    standing = site.standings.now()
    assert standing == Standing("gate-1", revision=7)
    assert not standing.is_leading


def test_one_that_leads_says_since_when() -> None:
    site = Site()
    site.held = Lease("gate-1", 3, 2.5), 60.0
    standing = site.standings.now()
    assert standing.is_leading
    assert (standing.epoch, standing.led_since) == (3, NOON + timedelta(minutes=1))


def test_the_others_the_store_and_the_catalogue() -> None:
    site = Site()
    site.board.reports = tuple(
        PlaneReport(name, revision=7, routed=frozenset(), in_flight={})
        for name in ("gate-3", "gate-2")
    )
    site.is_away = site.is_queue_away = True
    site.complaints.append("damage 1.1.0 is in use")
    standing = site.standings.now()
    assert standing.others == ("gate-2", "gate-3")
    assert standing.is_store_away
    assert standing.is_queue_away
    assert standing.complaints == ("damage 1.1.0 is in use",)


def test_planes_that_were_given_other_instances_say_so() -> None:
    site = Site()
    site.board.reports = tuple(
        PlaneReport(plane, revision=7, instances=instances)
        for plane, instances in (
            ("same", {"triton-0": "host:8001"}),
            ("old", {}),
            ("other", {"triton-0": "host:9001", "triton-1": "host:9011"}),
        )
    )
    assert site.standings.now().complaints == (
        "control plane other has other instances: triton-0 at host:9001, here at host:8001, "
        "triton-1 at host:9011, here at none; only those of the one that leads are looked after",
    )
