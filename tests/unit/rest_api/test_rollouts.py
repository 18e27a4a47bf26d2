"""Rollouts over REST: begun, shown, steered, taken back, and what is no request to act."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from control_plane.core.accuracy import AccuracyGate
from control_plane.core.rollout import Kind, MetricFigures, Plan, State, Verdict
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api import rollout_schemas as schemas
from tests.unit.rest_api.fakes import Edge, check_problem
from tests.unit.rollouts import NOON_S, NOT_WORSE_YET, assessment, figures

ROLLOUTS = "/api/v1/rollouts"
ROLL_BACK = "/api/v1/engines/damage/rollback"
START = {"engine": "damage", "release": "1.1.0"}
SPLIT = {"1.0.0": 60, "1.1.0": 40}
EXPECTED_SLOWER = Plan.experiment(40, ignored=("latency",))
BEGUN = {
    "id": "damage-0001",
    "engine": "damage",
    "kind": "canary",
    "state": "pending",
    "paused_in": None,
    "step": 0,
    "steps": 2,
    "steps_percent": [5, 50],
    "weight_bp": 0,
    "weight_percent": 0.0,
    "shadow_bp": 0,
    "stable": "1.0.0",
    "target": "1.1.0",
    "reason": "asked by an operator",
    "started_at": "2025-01-31T12:00:00Z",
    "since": "2025-01-31T12:00:00Z",
    "is_finished": False,
    "is_manual": False,
    "is_reversal": False,
    "shadow_percent": 0,
    "min_step_s": 30.0,
    "max_step_s": 600.0,
    "min_samples": 20,
    "ignored": [],
    "accuracy": None,
    "instances": {"triton-0": "ready", "triton-1": "loading"},
    "verdict": None,
    "samples": 0,
    "slow_s": None,
    "assessment": None,
}


@pytest.fixture
def edge() -> Edge:
    return Edge()


async def begin(edge: Edge, **body: Any) -> dict[str, Any]:
    async with edge.client() as client:
        response = await client.post(ROLLOUTS, json={**START, **body})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    schemas.Rollout.model_validate(found)
    return found


async def test_a_rollout_begins_by_the_defaults_of_the_server(edge: Edge) -> None:
    async with edge.client() as client:
        response = await client.post(ROLLOUTS, json=START)
        assert response.status_code == 201
        assert response.json() == BEGUN
        assert response.headers["location"] == "/api/v1/rollouts/damage-0001"
        assert (await client.get(response.headers["location"])).json() == BEGUN
    (record,) = edge.rollouts.records
    assert (record.entry.who, record.entry.reason) == ("rest", "asked by an operator")


async def test_all_of_a_plan_may_be_said(edge: Edge) -> None:
    plan = {
        "steps_percent": [2, 20],
        "shadow_percent": 25,
        "min_step_s": 5,
        "max_step_s": 50.5,
        "min_samples": 7,
        "manual": True,
        "ignore": ["latency", "confidence"],
        "accuracy": {"score": "f1", "margin": 0.05, "least": 40, "proof": True},
    }
    begun = await begin(edge, **plan, kind="canary", who=" ada ", reason=" new data ")
    (made,) = edge.rollouts.all
    ignored = ("confidence", "latency")
    assert made.plan == Plan(
        Kind.CANARY,
        (2, 20),
        25,
        5,
        50.5,
        7,
        600,
        is_manual=True,
        ignored=ignored,
        accuracy=AccuracyGate("f1", 0.05, 40, is_proof_needed=True),
    )
    assert begun["accuracy"] == plan["accuracy"]
    assert begun["ignored"] == list(ignored)
    (record,) = edge.rollouts.records
    assert (record.entry.who, record.entry.reason) == ("ada", "new data")


@pytest.mark.parametrize(
    ("body", "plan"),
    [
        ({"kind": "direct"}, Plan.direct()),
        ({"kind": "shadow"}, Plan.shadow(10)),
        ({"kind": "shadow", "shadow_percent": 3}, Plan.shadow(3)),
        ({"kind": "experiment", "split": SPLIT}, Plan.experiment(40)),
        ({"kind": "experiment", "split": SPLIT, "release": None}, Plan.experiment(40)),
        ({"kind": "experiment", "split": SPLIT, "ignore": ["latency"]}, EXPECTED_SLOWER),
        ({"kind": "shadow", "ignore": ["latency"]}, replace(Plan.shadow(10), ignored=("latency",))),
    ],
)
async def test_every_kind_begins(edge: Edge, body: dict[str, Any], plan: Plan) -> None:
    assert (await begin(edge, **body))["target"] == "1.1.0"
    assert edge.rollouts.all[0].plan == plan


async def test_an_engine_is_known_by_its_other_name_too(edge: Edge) -> None:
    assert (await begin(edge, engine="material"))["engine"] == "materials"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"release": None}, "release"),
        ({"steps_percent": [5, 5]}, "steps_percent[1]"),
        ({"steps_percent": []}, "steps_percent"),
        ({"min_step_s": -1}, "min_step_s"),
        ({"kind": "blue"}, "kind"),
        ({"kind": "direct", "min_samples": 4}, "min_samples"),
        ({"kind": "shadow", "steps_percent": [1]}, "steps_percent"),
        ({"kind": "direct", "manual": True}, "manual"),
        ({"kind": "direct", "ignore": ["latency"]}, "ignore"),
        ({"kind": "experiment", "split": SPLIT, "ignore": ["errors"]}, "ignore"),
        ({"ignore": ["sample_ratio"]}, "ignore"),
        ({"accuracy": {"score": "map50"}}, "accuracy.score"),
        ({"accuracy": {"score": "f1", "margin": 0.9}}, "accuracy.margin"),
        ({"accuracy": {"score": "f1", "leest": 3}}, "accuracy.leest"),
        ({"kind": "direct", "accuracy": {"score": "f1"}}, "accuracy"),
        ({"ignore": ["latency", "latency"]}, "ignore"),
        ({"ignore": "latency"}, "ignore"),
        ({"split": SPLIT}, "split"),
        ({"kind": "experiment"}, "split"),
        ({"kind": "experiment", "split": SPLIT, "min_step_s": 4}, "min_step_s"),
        ({"kind": "experiment", "split": {"1.0.0": 10, "1.1.0": 40}}, "split"),
        ({"kind": "experiment", "split": SPLIT, "release": "1.2.0"}, "release"),
        ({"min_samples": "7"}, "min_samples"),
        ({"percent": 7}, "percent"),
        ({"who": "ada\nroot"}, "who"),
        ({"who": "a" * 101}, "who"),
        ({"reason": "r" * 201}, "reason"),
    ],
)
async def test_a_mistake_is_named_and_nothing_begins(
    edge: Edge, body: dict[str, Any], field: str
) -> None:
    async with edge.client() as client:
        response = await client.post(ROLLOUTS, json={**START, **body})
    check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, field)
    assert edge.rollouts.all == []


async def test_what_is_not_known_or_not_now_has_its_own_status(edge: Edge) -> None:
    async with edge.client() as client:
        unknown = await client.post(ROLLOUTS, json={**START, "release": "7.0.0"})
        check_problem(unknown, 404, ErrorCode.UNKNOWN_RELEASE, "release")
        unknown = await client.post(ROLLOUTS, json={**START, "engine": "roof"})
        check_problem(unknown, 404, ErrorCode.UNKNOWN_ENGINE, "engine")
        await client.post(ROLLOUTS, json=START)
        second = await client.post(ROLLOUTS, json={**START, "release": "1.2.0"})
        assert "damage-0001 under way" in check_problem(second, 409, ErrorCode.CONFLICT, None)
        missing = await client.get(f"{ROLLOUTS}/volume-0009")
        check_problem(missing, 404, ErrorCode.NOT_FOUND, "rollout")
        missing = await client.get(f"{ROLLOUTS}/volume-0009/evidence")
        check_problem(missing, 404, ErrorCode.NOT_FOUND, "rollout")


@pytest.mark.parametrize("path", [ROLLOUTS, f"{ROLLOUTS}/damage", "/api/v1/audit"])
async def test_a_store_that_does_not_answer_is_503(edge: Edge, path: str) -> None:
    edge.rollouts.error = ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "no answer in 2 s")
    async with edge.client() as client:
        response = await client.get(path)
    assert check_problem(response, 503, ErrorCode.STORE_UNAVAILABLE, None) == "no answer in 2 s"


async def test_the_latest_are_listed_first_and_by_engine(edge: Edge) -> None:
    await begin(edge)
    await begin(edge, engine="materials")
    async with edge.client() as client:

        async def listed(**query: Any) -> list[str]:
            found = (await client.get(ROLLOUTS, params=query)).json()["rollouts"]
            return [one["id"] for one in found]

        assert await listed() == ["materials-0002", "damage-0001"]
        assert await listed(limit=1) == ["materials-0002"]
        assert await listed(engine="damage") == ["damage-0001"]
        assert await listed(engine="material") == ["materials-0002"]
        check_problem(
            await client.get(ROLLOUTS, params={"limit": 0}),
            400,
            ErrorCode.INVALID_ARGUMENT,
            "limit",
        )


async def test_a_step_is_shown_with_its_evidence(edge: Edge) -> None:
    await begin(edge)
    edge.rollouts.move("damage", state=State.PAUSED, paused_in=State.STEP, step=2)
    edge.rollouts.looks["damage-0001"] = [assessment(2)]
    async with edge.client() as client:
        shown = (await client.get(f"{ROLLOUTS}/damage")).json()
    assert (shown["state"], shown["paused_in"], shown["step"]) == ("paused", "step", 2)
    assert (shown["weight_bp"], shown["weight_percent"]) == (5000, 50.0)
    assert (shown["verdict"], shown["samples"]) == ("undecided", 312)
    assert shown["slow_s"] == 0.25
    assert shown["assessment"] == {
        "at": "2025-01-31T12:00:00Z",
        "step": 2,
        "verdict": "undecided",
        "reason": NOT_WORSE_YET,
        "samples": 312,
        "metrics": [
            {
                "metric": "errors",
                "verdict": "undecided",
                "evidence": 1.25,
                "threshold": 4.5,
                "clear_evidence": 3.0,
                "clear_threshold": 4.0,
                "stable": 0.004,
                "target": 0.006,
            }
        ],
    }


def test_each_figure_of_evidence_says_its_scale() -> None:
    fields = schemas.Metric.model_fields
    for name in ("evidence", "threshold", "clear_evidence", "clear_threshold"):
        assert "natural logarithm" in str(fields[name].description)


async def test_what_was_seen_in_the_step_before_is_not_of_this_one(edge: Edge) -> None:
    await begin(edge)
    edge.rollouts.move("damage", state=State.STEP, step=2)
    edge.rollouts.looks["damage-0001"] = [assessment(1)]
    async with edge.client() as client:
        shown = (await client.get(f"{ROLLOUTS}/damage")).json()
    assert (shown["verdict"], shown["samples"]) == (None, 0)
    assert shown["assessment"]["step"] == 1


async def test_the_evidence_comes_oldest_first_and_without_infinities(edge: Edge) -> None:
    await begin(edge)
    never = figures(log_e=-math.inf, clear_log_e=None, clear_log_threshold=None, stable=math.nan)
    edge.rollouts.looks["damage-0001"] = [
        assessment(1, at_s=NOON_S),
        assessment(1, never, at_s=NOON_S + 1),
    ]
    async with edge.client() as client:
        answer = (await client.get(f"{ROLLOUTS}/damage/evidence")).json()
        last = (await client.get(f"{ROLLOUTS}/damage/evidence?limit=1")).json()
    assert (answer["rollout"], answer["engine"]) == ("damage-0001", "damage")
    assert [one["at"][-4:] for one in answer["assessments"]] == [":00Z", ":01Z"]
    assert last["assessments"] == answer["assessments"][1:]
    (metric,) = last["assessments"][0]["metrics"]
    nothing = ("evidence", "clear_evidence", "clear_threshold", "stable")
    assert [metric[name] for name in nothing] == [None] * 4
    assert metric["threshold"] == 4.5


async def test_what_has_no_evidence_has_none_to_reach(edge: Edge) -> None:
    await begin(edge)
    query = MetricFigures("query:gpu", Verdict.NOT_WORSE, target=0.25)
    edge.rollouts.looks["damage-0001"] = [assessment(0, query)]
    async with edge.client() as client:
        shown = (await client.get(f"{ROLLOUTS}/damage")).json()
    (metric,) = shown["assessment"]["metrics"]
    assert (metric["evidence"], metric["threshold"], metric["target"]) == (None, None, 0.25)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("pause", "paused"),
        ("advance", "step"),
        ("abort", "rolling_back"),
    ],
)
async def test_a_rollout_obeys(edge: Edge, action: str, state: str) -> None:
    await begin(edge)
    edge.rollouts.move("damage", state=State.STEP, step=1)
    async with edge.client() as client:
        body = {"reason": "looks odd", "who": "ada"}
        response = await client.post(f"{ROLLOUTS}/damage-0/{action}", json=body)
    assert response.status_code == 200
    assert response.json()["state"] == state
    entry = edge.rollouts.records[-1].entry
    assert (entry.who, entry.reason, entry.action) == ("ada", "looks odd", action)


async def test_a_command_out_of_place_is_a_conflict_and_changes_nothing(edge: Edge) -> None:
    await begin(edge)
    async with edge.client() as client:
        response = await client.post(f"{ROLLOUTS}/damage/resume", json={})
        check_problem(response, 409, ErrorCode.CONFLICT, None)
        assert (await client.get(f"{ROLLOUTS}/damage")).json() == BEGUN
        unknown = await client.post(f"{ROLLOUTS}/damage/restart", json={})
        check_problem(unknown, 400, ErrorCode.INVALID_ARGUMENT, "action")


async def test_an_engine_is_taken_back(edge: Edge) -> None:
    await begin(edge)
    edge.rollouts.move("damage", state=State.STEP, step=2)
    async with edge.client() as client:
        headers = {"content-type": "application/json"}
        taken = (await client.post(ROLL_BACK, headers=headers)).json()
        assert (taken["state"], taken["weight_bp"]) == ("rolling_back", 0)
        elsewhere = await client.post(ROLL_BACK, json={"to": "1.2.0"})
        check_problem(elsewhere, 409, ErrorCode.CONFLICT, "to")
        edge.rollouts.move("damage", state=State.ROLLED_BACK)
        gone_to = await client.post(ROLL_BACK, json={"to": "1.2.0", "who": "ada", "reason": "x"})
        assert (gone_to.json()["target"], gone_to.json()["is_reversal"]) == ("1.2.0", True)
        unknown = await client.post("/api/v1/engines/roof/rollback", json={})
        check_problem(unknown, 404, ErrorCode.UNKNOWN_ENGINE, "engine")


@pytest.mark.parametrize("path", [ROLLOUTS, f"{ROLLOUTS}/damage/abort", ROLL_BACK])
@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}])
async def test_what_a_web_page_could_send_does_nothing(
    edge: Edge, path: str, headers: dict[str, str]
) -> None:
    await begin(edge)
    body = b'{"engine": "materials", "release": "1.1.0"}'
    async with edge.client() as client:
        response = await client.post(path, content=body, headers=headers)
    check_problem(response, 415, ErrorCode.INVALID_ARGUMENT, "Content-Type")
    assert [one.state for one in edge.rollouts.all] == [State.PENDING]
