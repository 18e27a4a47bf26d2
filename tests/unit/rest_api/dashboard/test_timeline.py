"""The history of an instance as lanes of stretches."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from control_plane.core.health import HealthOptions, InstanceHealth, Look, ProbeResult
from control_plane.rest_api.dashboard.timeline import GONE, MOST_LANES, NOT_KNOWN, timeline_of
from control_plane.services.status import ChangeView
from tests.unit.rest_api.fakes import NOON

OLD, NEW = "damage 1.0.0", "damage 1.1.0"


def change(minute: float, was: str, now: str, engine: str | None = None) -> ChangeView:
    return ChangeView(
        NOON + timedelta(minutes=minute), "triton-0", engine, was, now, f"at {minute}"
    )


def test_without_a_change_there_is_no_timeline() -> None:
    assert timeline_of((), NOON) is None


def test_each_stretch_lasts_until_the_next_change_and_the_last_until_now() -> None:
    history = (change(5, "healthy", "draining"), change(0, "unknown", "healthy"))
    shown = timeline_of(history, NOON + timedelta(minutes=20))
    assert shown is not None
    (lane,) = shown.lanes
    assert lane.subject is None
    assert [(one.state, one.left, one.width) for one in lane.stretches] == [
        ("healthy", 0.0, 25.0),
        ("draining", 25.0, 75.0),
    ]
    assert [one.reason for one in lane.stretches] == ["at 0", "at 5"]


def test_before_its_first_change_a_lane_is_what_that_says_it_was() -> None:
    history = (change(10, "fit", "unfit", "damage 1.0.0"), change(0, "unknown", "healthy"))
    shown = timeline_of(history, NOON + timedelta(minutes=20))
    assert shown is not None
    health, damage = shown.lanes
    assert (health.subject, damage.subject) == (None, "damage 1.0.0")
    assert [(one.state, one.left, one.width) for one in damage.stretches] == [
        ("fit", 0.0, 50.0),
        ("unfit", 50.0, 50.0),
    ]


def test_a_release_that_came_later_was_not_proving_itself_all_the_time() -> None:
    """And one that went is not, either: what the real judge says of both."""
    judge = InstanceHealth("triton-0", HealthOptions())
    looks: tuple[tuple[float, frozenset[str]], ...] = (
        (0.0, frozenset({OLD})),
        (12.0, frozenset({OLD, NEW})),
        (15.0, frozenset({NEW})),
    )
    history: list[ChangeView] = []
    for minute, serving in looks:
        made = judge.looked(Look(True, True, serving, serving), 60 * minute)
        for engine in sorted(serving):
            made += judge.probed(engine, ProbeResult.OK, "", 60 * minute)
        history[:0] = [
            replace(
                change(minute, one.from_state.value, one.to_state.value, one.engine),
                reason=one.reason,
            )
            for one in reversed(made)
        ]
    shown = timeline_of(history, NOON + timedelta(minutes=20))
    assert shown is not None
    lanes = {
        lane.subject: [(one.state, one.left, one.width) for one in lane.stretches]
        for lane in shown.lanes
    }
    assert lanes[NEW] == [(NOT_KNOWN, 0.0, 60.0), ("fit", 60.0, 40.0)]
    assert lanes[OLD] == [("fit", 0.0, 75.0), (GONE, 75.0, 25.0)]


def test_who_was_healed_has_to_prove_itself() -> None:
    history = (
        change(10, "given_up", "proving", "damage 1.0.0"),
        change(0, "unknown", "healthy"),
    )
    shown = timeline_of(history, NOON + timedelta(minutes=20))
    assert shown is not None
    assert [one.state for one in shown.lanes[1].stretches] == ["given_up", "proving"]


def test_a_change_of_a_second_ago_is_seen_against_a_minute() -> None:
    shown = timeline_of((change(0, "unknown", "healthy"),), NOON + timedelta(seconds=1))
    assert shown is not None
    assert [(one.state, one.width) for one in shown.lanes[0].stretches] == [
        ("unknown", 83.333),
        ("healthy", 16.667),
    ]


def test_the_end_moves_on_in_steps_so_that_the_picture_is_not_sent_every_second() -> None:
    history = (change(0, "unknown", "healthy"),)
    ends = {
        timeline_of(history, NOON + timedelta(minutes=5, seconds=one))
        for one in (0.5, 1, 5, 9.9, 10)
    }
    assert len(ends) == 1


def test_a_change_later_than_now_does_no_harm() -> None:
    shown = timeline_of((change(5, "unknown", "healthy"),), NOON)
    assert shown is not None
    assert all(0 <= one.left <= 100 and one.width <= 100 for one in shown.lanes[0].stretches)


def test_lanes_are_bounded_and_the_instance_comes_first() -> None:
    many = [change(one, "fit", "unfit", f"engine-{one:02} 1.0.0") for one in range(40)]
    history = (*reversed(many), replace(many[0], engine=None))
    shown = timeline_of(history, NOON + timedelta(hours=1))
    assert shown is not None
    assert len(shown.lanes) == MOST_LANES
    assert shown.lanes[0].subject is None
