"""What is said to be wrong: each thing in words, the worst first, and nothing when all is well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control_plane.core.detections import Priority
from control_plane.core.jobs import DeadReason, JobFigures
from control_plane.core.rollout import Plan, Rollout, State
from control_plane.core.traffic import EngineSummary
from control_plane.core.traffic.window import Counted
from control_plane.rest_api.dashboard.attention import MOST, Attention, Finding, Seen
from control_plane.rest_api.dashboard.readings import Reading
from control_plane.services.rollout_views import RolloutView
from control_plane.services.standing import Standing
from control_plane.services.status import EngineThereView, ReleaseView
from tests.unit.rest_api.fakes import engine_view, instance_view

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
LEADER = Standing("gate-1", epoch=1)
WELL = replace(
    engine_view(),
    releases=(ReleaseView("1.1.0", {"damage_detector": 2}, True, 10_000, ("triton-0",)),),
)

MENDING = replace(
    instance_view(health="degraded"),
    engines={"damage": EngineThereView("mending", "being mended", 0)},
)


def seen(**changes: Any) -> Seen:
    well = Seen(NOON, (WELL,), (instance_view(),), LEADER, {}, jobs=Reading(JobFigures()))
    return replace(well, **changes)


def findings(**changes: Any) -> list[Finding]:
    return Attention().findings(seen(**changes))


def summary(requests: int, errors: int, shed: int = 0) -> Mapping[str, EngineSummary]:
    figures = Counted(requests=requests, errors=errors + shed, shed=shed).figures(60.0)
    return {"damage": EngineSummary({60: figures}, {}, {})}


def rollout(state: State, since: datetime = NOON) -> RolloutView:
    moving = Rollout("damage-1", "damage", "1.0.0", "1.1.0", Plan(), state=state, reason="why")
    return RolloutView(moving, NOON, since)


def test_when_all_is_well_nothing_is_said() -> None:
    assert findings() == []
    assert findings(traffic=summary(1000, 9)) == []
    assert findings(rollouts=(rollout(State.STEP), rollout(State.COMPLETED))) == []


@pytest.mark.parametrize(
    ("changes", "where", "what", "tone"),
    [
        ({"standing": replace(LEADER, is_store_away=True)}, "state store", "not answer", "bad"),
        ({"standing": replace(LEADER, is_queue_away=True)}, "job queue", "not answer", "bad"),
        ({"standing": replace(LEADER, complaints=("odd",))}, "catalogue", "odd", "warn"),
        ({"engines": (replace(WELL, is_ready=False),)}, "damage", "No instance is ready", "bad"),
        ({"engines": (engine_view(),)}, "damage 1.1.0", "are out", "bad"),
        ({"traffic": summary(100, 20)}, "damage", "20\u202f% of its requests failed", "bad"),
        ({"traffic": summary(100, 2)}, "damage", "2\u202f% of its requests failed", "warn"),
        ({"traffic": summary(100, 0, 3)}, "damage", "3\u202frequests refused", "warn"),
        ({"instances": (instance_view(health="unhealthy"),)}, "triton-0", "all is well", "bad"),
        ({"instances": (instance_view(health="degraded"),)}, "triton-0", "takes requests", "warn"),
        ({"instances": (MENDING,)}, "triton-0", "Some of its engines take no", "warn"),
        ({"instances": (instance_view(health="draining"),)}, "triton-0", "is drained", "hold"),
        ({"instances": (instance_view(health="isolated"),)}, "triton-0", "is isolated", "hold"),
        ({"instances": (instance_view(state="unreachable"),)}, "triton-0", "refused", "warn"),
        (
            {"instances": (replace(instance_view(), breakers={"damage 1.1.0": "half_open"}),)},
            "damage 1.1.0 on triton-0",
            "breaker is half open",
            "warn",
        ),
        (
            {"instances": (replace(instance_view(), breakers={"damage 1.1.0": "isolated"}),)},
            "damage 1.1.0 on triton-0",
            "nothing is sent there, until it is let go",
            "hold",
        ),
        ({"instances": (instance_view(health="unknown"),)}, "triton-0", "not been looked", "info"),
        ({"instances": ()}, "fleet", "No instance is configured", "bad"),
        ({"engines": ()}, "catalogue", "No engine is known", "bad"),
        ({"rollouts": (rollout(State.PAUSED),)}, "damage 1.1.0", "is paused: why", "warn"),
        ({"rollouts": (rollout(State.ROLLED_BACK),)}, "damage 1.1.0", "taken back: why", "warn"),
        ({"rollouts": (rollout(State.FAILED),)}, "damage 1.1.0", "given up before", "bad"),
        ({"jobs": Reading(None, "away", NOON)}, "jobs", "cannot be read: away", "warn"),
        (
            {"jobs": Reading(JobFigures(dead={DeadReason.FAILED: 2}))},
            "jobs",
            "2\u202fdead letters",
            "warn",
        ),
        ({"jobs": Reading(JobFigures(undelivered=1))}, "jobs", "1\u202fresult could", "warn"),
        (
            {"jobs": Reading(JobFigures(oldest_age_s={Priority.LOW: 61.0}))},
            "jobs",
            "more than a minute",
            "warn",
        ),
    ],
)
def test_what_is_wrong_is_said(changes: Any, where: str, what: str, tone: str) -> None:
    (found,) = findings(**changes)
    assert found.where == where
    assert what in found.what
    assert found.tone == tone
    assert found.todo
    assert found.since is not None


def test_a_rollout_that_was_taken_back_long_ago_is_no_news() -> None:
    assert findings(rollouts=(rollout(State.ROLLED_BACK, NOON - timedelta(hours=2)),)) == []


def test_where_the_store_is_away_its_other_effects_are_not_said_again() -> None:
    standing = replace(LEADER, is_store_away=True)
    gone: Any = Reading(None, "the store does not answer", NOON - timedelta(minutes=5))
    (found,) = findings(standing=standing, jobs=gone, store=gone)
    assert found.since == NOON - timedelta(minutes=5)


def test_the_worst_is_first_and_of_these_the_latest() -> None:
    instances = (
        instance_view("triton-0", health="draining"),
        replace(
            instance_view("triton-1", health="unhealthy"), health_since=NOON - timedelta(hours=1)
        ),
        instance_view("triton-2", health="degraded"),
        replace(
            instance_view("triton-3", health="unhealthy"), health_since=NOON - timedelta(hours=2)
        ),
    )
    found = findings(instances=instances)
    assert [one.where for one in found] == ["triton-1", "triton-3", "triton-2", "triton-0"]


def test_where_no_instance_answers_that_is_said_once_and_first() -> None:
    down = tuple(
        instance_view(f"triton-{n}", health="unhealthy", state="unreachable") for n in (0, 1)
    )
    down = tuple(replace(one, breakers={"damage 1.1.0": "open"}) for one in down)
    unready = replace(engine_view(is_ready=False), releases=engine_view().releases)
    attention = Attention()
    attention.findings(seen(instances=down))
    later = seen(
        now=NOON + timedelta(minutes=1),
        instances=down,
        engines=(unready,),
        traffic=summary(100, 50),
    )
    found = attention.findings(later)
    assert [one.key for one in found] == ["fleet", "engine damage", "errors damage"]
    assert found[0].what == "None of the 2 instances answers: all is well."
    well = (instance_view("triton-1"),)
    assert all(one.key != "fleet" for one in findings(instances=(*down, *well)))


def test_an_abort_is_advised_only_where_a_canary_has_traffic() -> None:
    (plain,) = findings(traffic=summary(100, 50))
    assert "abort" not in plain.todo
    canary = replace(WELL.releases[0], release="1.2.0", is_canary=True, weight_bp=500)
    engine = replace(WELL, releases=(*WELL.releases, canary))
    (failing,) = findings(engines=(engine,), traffic=summary(100, 50))
    assert "can be aborted" in failing.todo
    panicking = replace(WELL.releases[0], is_panicking=True)
    (stable,) = findings(engines=(replace(WELL, releases=(panicking,)),))
    assert stable.todo == "Mend the instances."


def test_what_to_do_about_dead_letters_is_left_to_what_each_says() -> None:
    (found,) = findings(jobs=Reading(JobFigures(dead={DeadReason.FAILED: 2})))
    assert "replay" not in found.todo


def test_since_when_is_remembered_while_it_lasts() -> None:
    attention = Attention()
    away = seen(standing=replace(LEADER, is_queue_away=True))
    (first,) = attention.findings(away)
    assert first.since == NOON
    (later,) = attention.findings(replace(away, now=NOON + timedelta(minutes=3)))
    assert later.since == NOON
    assert attention.findings(seen()) == []
    (again,) = attention.findings(replace(away, now=NOON + timedelta(minutes=9)))
    assert again.since == NOON + timedelta(minutes=9)


def test_there_are_so_many_at_most() -> None:
    many = tuple(instance_view(f"triton-{n}", health="degraded") for n in range(MOST + 20))
    assert len(findings(instances=many)) == MOST


def test_errors_lead_to_the_requests_that_failed() -> None:
    (found,) = findings(traffic=summary(100, 20))
    assert found.href == "/dashboard/traces?engine=damage&failed=true"
