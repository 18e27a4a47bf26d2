"""Values to be stored, with every field set to something else than its default."""

from __future__ import annotations

from dataclasses import replace

from control_plane.core.analysis import ArmCounts, Step, StepCounts
from control_plane.core.catalogue import Release
from control_plane.core.rollout import Assessment, MetricFigures, Plan, Rollout, Verdict
from control_plane.core.rollout import State as RolloutState
from control_plane.core.routing import Route, RoutingTable, Shadow, Trial
from control_plane.core.state import AuditEntry, EngineState, KeyedUnit, PlaneReport

STABLE = Release("damage", "1.0.0", {"damage_detector": 1, "preprocess": 1}, is_ensemble=True)
TARGET = Release("damage", "1.1.0", {"damage_detector": 2, "preprocess": 1}, is_ensemble=True)
TRIAL = Trial("r1", step=2, slow_s=0.125, confidence_centre=0.7)


def rollout(rollout_id: str = "r1", engine: str = "damage", *, step: int = 2) -> Rollout:
    return Rollout(
        rollout_id,
        engine,
        "1.0.0",
        "1.1.0",
        Plan(
            steps_percent=(1, 5, 100),
            shadow_percent=10,
            min_step_s=0.1,
            is_manual=True,
            ignored=("confidence", "latency"),
        ),
        RolloutState.PAUSED,
        step,
        since_s=1_790_000_000.123456,
        paused_in=RolloutState.STEP,
        reason="bis später \u0000 \U0001f30a",
        is_reversal=True,
        started_s=1_789_999_999.1,
    )


def engine_state(rollout_id: str = "r1", engine: str = "damage", *, step: int = 2) -> EngineState:
    return EngineState("1.0.0", rollout(rollout_id, engine, step=step), TRIAL)


def table(revision: int = 7) -> RoutingTable:
    # Not in the order of the alphabet: it is the order of the split.
    route = Route(
        engine="damage",
        salt="r1",
        stable="1.1.0",
        weights_bp={"1.1.0": 9_500, "1.0.0": 500},
        serving={"1.1.0": TARGET, "1.0.0": STABLE},
        known=frozenset({"1.0.0", "1.1.0", "0.9.0"}),
        canary="1.0.0",
        fallback="1.0.0",
        shadow=Shadow("1.0.0", 1_000),
        trial=TRIAL,
    )
    other = replace(route, engine="volume", shadow=None, trial=None)
    return RoutingTable(revision, {"volume": other, "damage": route})


def entry(action: str = "promote", *, engine: str = "damage", rollout_id: str = "r1") -> AuditEntry:
    before = {"weights_bp": {"1.1.0": 0, "1.0.0": 10_000}, "none": None}
    after = {"weights_bp": {"1.1.0": 100, "1.0.0": 9_900}, "log_e": 1e-300, "is": [True, "x"]}
    return AuditEntry("ada", action, "why not", engine, rollout_id, "triton-0", before, after)


def step_counts(units: int = 10) -> StepCounts:
    arm = ArmCounts(units, 1, 2, (units, *[0] * 19))
    return StepCounts(Step(2, 500, 0.1 + 0.2), 100, arm, ArmCounts(3, 3, 0))


def unit(digest: int, *, bucket: int | None = 3) -> KeyedUnit:
    return KeyedUnit(digest, 1, 500, 0.1 + 0.2, True, False, True, bucket)


def report(plane: str, revision: int = 3) -> PlaneReport:
    routed = frozenset({("damage", "1.0.0"), ("damage", "1.1.0")})
    in_flight = {"triton-0": {("damage", "1.0.0"): 4}, "t1": {}}
    return PlaneReport(plane, revision, routed, in_flight, {"triton-0": "host:8001"})


def assessment(samples: int) -> Assessment:
    figures = MetricFigures("errors", Verdict.UNDECIDED, 1.5, 4.6, -0.1, 4.6, None, 0.02)
    return Assessment(1_790_000_000.5, 2, Verdict.NOT_WORSE, "not worse", samples, (figures,))
