"""The shapes of rollouts and of the audit, as pydantic models and as OpenAPI shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from control_plane.core.accuracy import Score
from control_plane.core.accuracy.comparing import DEFAULT_LEAST, DEFAULT_MARGIN
from control_plane.core.rollout import IGNORABLE
from control_plane.rest_api.fleet_schemas import DEFAULT_WHO
from control_plane.services.operations import DEFAULT_REASON, MAX_REASON_CHARACTERS
from control_plane.services.rollout_requests import MAX_WHO_CHARACTERS

WHO = Field(
    "",
    description=f"Who asks, for the audit: at most {MAX_WHO_CHARACTERS} characters on one line; "
    f"{DEFAULT_WHO!r} when empty.",
)
REASON = Field(
    "",
    description=f"Why, for the audit: at most {MAX_REASON_CHARACTERS} characters on one line; "
    f"{DEFAULT_REASON!r} when empty.",
)
STATES = (
    "`pending`, `preparing`, `shadow`, `step`, `promoting`, `paused`, `completed`, "
    "`rolling_back`, `rolled_back` or `failed`."
)
VERDICTS = "`worse`, `not_worse`, `undecided`, or `error`: there was nothing to judge by."


class Metric(BaseModel):
    """One test. Evidence is the natural logarithm of an e-process; null where it is no number.

    What a query says, and how a shadow's detections compare, has a figure and no evidence; what
    the rollout ignores has its figures and no threshold, and is `undecided`.
    """

    metric: str = Field(
        description="`errors`, `latency`, `confidence`, `sample_ratio`, `detections`, "
        "`query:NAME` or `accuracy:SCORE`.",
        examples=["errors"],
    )
    verdict: str = Field(description=VERDICTS, examples=["undecided"])
    evidence: float | None = Field(
        description="That the target is worse; of the sample ratio, that the split is off: the "
        "natural logarithm of what a stake of 1 has become.",
        examples=[1.25],
    )
    threshold: float | None = Field(
        description="What it must reach, a natural logarithm too.", examples=[4.89]
    )
    clear_evidence: float | None = Field(
        description="That the target is not worse by the margin, as a natural logarithm; null "
        "where that is not asked.",
        examples=[3.1],
    )
    clear_threshold: float | None = Field(
        description="What it must reach, a natural logarithm too.", examples=[4.61]
    )
    stable: float | None = Field(
        description="What was seen of it in this step: the share of errors or of slow requests, "
        "the mean confidence, the expected share of the target. Null where nothing was.",
        examples=[0.004],
    )
    target: float | None = Field(examples=[0.006])


class Assessment(BaseModel):
    """All tests as they stood at one moment."""

    at: datetime = Field(examples=["2025-01-31T12:00:00.000000Z"])
    step: int = Field(description="0 in the shadow before the first step.", examples=[2])
    verdict: str = Field(description=VERDICTS, examples=["undecided"])
    reason: str = Field(examples=["not enough evidence yet: errors"])
    samples: int = Field(
        description="Requests to the target that were counted in this step.", examples=[312]
    )
    metrics: list[Metric]


class AccuracyGate(BaseModel):
    """What feedback must say of a canary before it goes on. A key it does not know is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    score: str = Field(
        description=f"Of single photos, 0 to 1: {', '.join(f'`{one.value}`' for one in Score)}.",
        examples=["f1"],
    )
    margin: float = Field(
        DEFAULT_MARGIN, description="A target whose mean score is lower by more than this is worse."
    )
    least: int = Field(
        DEFAULT_LEAST,
        description="Judged photos of each release, given since the rollout began, before it goes "
        "on.",
    )
    proof: bool = Field(
        False,
        description="Whether it must be proved that it is not worse by the margin; else it is "
        "enough that nothing has shown that it is.",
    )


class Rollout(BaseModel):
    """The movement of an engine from its stable release to a target."""

    id: str = Field(examples=["damage-7f3a91c2"])
    engine: str = Field(examples=["damage"])
    kind: str = Field(examples=["canary"])
    state: str = Field(description=STATES, examples=["step"])
    paused_in: str | None = Field(description="Where it goes on when it is resumed.")
    step: int = Field(description="From 1; 0 before the first.", examples=[2])
    steps: int = Field(examples=[5])
    steps_percent: list[int] = Field(examples=[[1, 5, 25, 50, 100]])
    weight_bp: int = Field(
        description="The target's share of the traffic now, in basis points.", examples=[500]
    )
    weight_percent: float = Field(examples=[5.0])
    shadow_bp: int = Field(
        description="The share of the traffic that is copied to the target now.", examples=[0]
    )
    stable: str = Field(description="Where it goes back to.", examples=["1.0.0"])
    target: str = Field(examples=["1.1.0"])
    reason: str = Field(
        description="Why it is where it is.", examples=["no metric is worse by its margin"]
    )
    started_at: datetime = Field(examples=["2025-01-31T11:55:00.000000Z"])
    since: datetime = Field(
        description="When the state, or the step, began or went on again.",
        examples=["2025-01-31T11:58:00.000000Z"],
    )
    is_finished: bool
    is_manual: bool = Field(description="Whether a person says when each step is over.")
    is_reversal: bool = Field(description="Whether it was ordered to undo the rollout before.")
    shadow_percent: int = Field(
        description="Of the plan: how much is copied before the first step.", examples=[0]
    )
    min_step_s: float = Field(examples=[60.0])
    max_step_s: float = Field(examples=[3600.0])
    min_samples: int = Field(examples=[100])
    ignored: list[str] = Field(
        description="Of the plan: metrics that do not decide about it.", examples=[["confidence"]]
    )
    accuracy: AccuracyGate | None = Field(
        description="Of the plan: what feedback must say before it goes on."
    )
    instances: dict[str, str] = Field(
        description="What the target is on each instance, in words.",
        examples=[{"triton-0": "ready", "triton-1": "loading"}],
    )
    verdict: str | None = Field(
        description=f"Of the step that it is in: {VERDICTS} Null before the first look.",
        examples=["undecided"],
    )
    samples: int = Field(description="Counted in the step that it is in.", examples=[312])
    slow_s: float | None = Field(
        description="In the step that it is in, a request is slow that takes longer: stable's p95 "
        "from before the step, or half of what a try may take where stable had too few requests. "
        "Null while nothing is measured.",
        examples=[0.25],
    )
    assessment: Assessment | None = Field(description="The latest look; null before the first.")


class Rollouts(BaseModel):
    rollouts: list[Rollout] = Field(description="The latest first.")


class Evidence(BaseModel):
    rollout: str = Field(examples=["damage-7f3a91c2"])
    engine: str = Field(examples=["damage"])
    assessments: list[Assessment] = Field(description="The latest looks, the oldest first.")


class AuditEntry(BaseModel):
    """Who did what to what, why, and how it was before and after."""

    number: int = Field(description="Grows with time.", examples=[17])
    at: datetime = Field(examples=["2025-01-31T12:00:00.000000Z"])
    who: str = Field(
        description="As was said, or `tidegate` for what was decided by rule.", examples=["ada"]
    )
    action: str = Field(examples=["promote"])
    reason: str = Field(examples=["new training data"])
    engine: str = Field(description="Empty where it does not apply.", examples=["damage"])
    rollout: str = Field(examples=["damage-7f3a91c2"])
    instance: str = Field(examples=[""])
    before: dict[str, Any] = Field(
        description="The fields that changed.", examples=[{"state": "pending"}]
    )
    after: dict[str, Any] = Field(examples=[{"state": "preparing"}])


class Audit(BaseModel):
    entries: list[AuditEntry] = Field(
        description="The latest first; for those before them, ask with `before` set to the last "
        "one's number."
    )


class StartBody(BaseModel):
    """What is to be rolled out, and how. A key it does not know is refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "example": {
                "engine": "damage",
                "release": "1.1.0",
                "kind": "canary",
                "steps_percent": [1, 5, 25, 50, 100],
                "reason": "new training data",
                "who": "ada",
            }
        },
    )

    engine: str
    release: str | None = Field(
        None, description="The target. Of an experiment it follows from the split."
    )
    kind: Literal["canary", "direct", "shadow", "experiment"] = "canary"
    steps_percent: list[int] | None = Field(
        None, description="Of a canary: the target's share in each step, rising."
    )
    shadow_percent: int | None = Field(
        None,
        description="How much of the traffic is copied to the target: of a canary before its "
        "first step, of a shadow at all.",
    )
    min_step_s: float | None = Field(None, description="A step is not over before.")
    max_step_s: float | None = Field(
        None, description="A step that is not decided by then is paused, and a person is asked."
    )
    min_samples: int | None = Field(
        None, description="A step is not over before so many requests to the target."
    )
    manual: bool = Field(False, description="Whether a person says when each step is over.")
    split: dict[str, int] | None = Field(
        None,
        description="Of an experiment: the shares of two releases in percent, one of them stable.",
        examples=[{"1.0.0": 50, "1.1.0": 50}],
    )
    ignore: list[str] = Field(
        default_factory=list,
        description="Metrics in which the target is meant to differ: they do not decide about this "
        f"rollout. What may be ignored: {', '.join(IGNORABLE)}. Not of a direct one.",
        examples=[["confidence"]],
    )
    accuracy: AccuracyGate | None = Field(
        None, description="Of a canary: what feedback must say before it goes on."
    )
    reason: str = REASON
    who: str = WHO


class CommandBody(BaseModel):
    """Who asks, and why. A key it does not know is refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"reason": "looks odd", "who": "ada"}},
    )

    reason: str = REASON
    who: str = WHO


class RollBackBody(CommandBody):
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"to": None, "reason": "hail is missed", "who": "ada"}},
    )

    to: str | None = Field(
        None,
        description="The release to go back to; when left out, the one that was stable before.",
    )
