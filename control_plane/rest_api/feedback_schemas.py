"""The shapes of feedback and accuracy, as they are read, answered, and shown by OpenAPI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from control_plane.core.accuracy import LEVEL
from control_plane.core.accuracy.truth import MAX_BOXES, MAX_CLASSES
from control_plane.rest_api.fleet_schemas import DEFAULT_WHO
from control_plane.services.feedback import MAX_NOTE_CHARACTERS
from control_plane.services.rollout_requests import MAX_WHO_CHARACTERS

EXAMPLE: dict[str, Any] = {
    "request_id": "3f2b8c1e-5d1c-4f7a-9b53-0d7f0a1c2e4d",
    "truth": {
        "damage": {
            "boxes": [
                {"class": "hail", "box": {"x_min": 10, "y_min": 20, "x_max": 42, "y_max": 51}}
            ]
        },
        "volume": {"volume_m3": 12.5},
    },
    "who": "ada",
    "note": "seen on site",
}


class _Said(BaseModel):
    """A key it does not know is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class BoxBody(_Said):
    x_min: float
    y_min: float
    x_max: float
    y_max: float


class TrueBoxBody(_Said):
    label: str = Field(alias="class", examples=["hail"])
    box: BoxBody = Field(description="In pixels of the photo that was sent, upright.")


class TruthBody(_Said):
    """Exactly one of the four."""

    boxes: list[TrueBoxBody] | None = Field(
        None, description=f"Every object that is there, {MAX_BOXES} at most; none is an answer too."
    )
    counts: dict[str, int] | None = Field(
        None,
        description=f"How many there are, by class, {MAX_CLASSES} classes at most. One that is not "
        "named is not there.",
        examples=[{"hail": 3}],
    )
    volume_m3: float | None = Field(None, examples=[12.5])
    is_right: bool | None = Field(None, description="Somebody's word on the answer as a whole.")


class FeedbackBody(_Said):
    model_config = ConfigDict(
        extra="forbid", strict=True, populate_by_name=True, json_schema_extra={"example": EXAMPLE}
    )

    request_id: str | None = Field(
        None, description="Of the answer; this, `detection_id` or `correlation_id`."
    )
    detection_id: str | None = None
    correlation_id: str | None = Field(
        None, description="Of the only request that had it; of several, 409 names some."
    )
    truth: dict[str, TruthBody] = Field(description="By engine.")
    who: str = Field(
        "",
        description=f"Who says it: at most {MAX_WHO_CHARACTERS} characters on one line; "
        f"{DEFAULT_WHO!r} when empty.",
    )
    note: str = Field("", description=f"At most {MAX_NOTE_CHARACTERS} characters on one line.")


class ClassJudged(BaseModel):
    true_positives: int
    false_positives: int
    misses: int


class PartJudged(BaseModel):
    """How one engine's part was judged; what the truth says nothing of is null."""

    release: str = Field(examples=["1.1.0"])
    replaced: bool = Field(description="Whether something was said of it before.")
    classes: dict[str, ClassJudged] | None = Field(description="Of boxes: by class.")
    count_error: int | None = Field(
        description="Objects counted too many or too few, class by class.", examples=[1]
    )
    volume_error_m3: float | None = Field(
        description="Found minus true, in cubic metres.", examples=[-0.4]
    )
    volume_error: float | None = Field(
        description="The same as a share of the true volume, without its sign; null where that "
        "is 0.",
        examples=[0.03],
    )
    is_right: bool | None
    scores: dict[str, float] = Field(
        description="How well it was answered, 0 to 1: `f1`, `count`, `volume` or `right`.",
        examples=[{"f1": 0.8, "count": 1.0}],
    )


class FeedbackTaken(BaseModel):
    request_id: str
    detection_id: str
    engines: dict[str, PartJudged]


class Estimate(BaseModel):
    value: float | None = Field(examples=[0.91])
    low: float | None = Field(
        description=f"With high, where it lies with a confidence of {LEVEL:.0%}; null where one "
        "photo is all there is.",
        examples=[0.86],
    )
    high: float | None = Field(examples=[0.95])
    n: int = Field(description="How many photos it is made of.", examples=[120])


class ClassAccuracy(BaseModel):
    objects: int = Field(description="There were so many.")
    found: int = Field(description="Detections of this class.")
    hits: int = Field(description="Of them, those that were right.")
    ap50: float | None = Field(description="Average precision; null where there was no object.")


class ReleaseAccuracy(BaseModel):
    photos: int = Field(description="Answers that anything was said of.", examples=[120])
    metrics: dict[str, Estimate] = Field(
        description="Those that any truth speaks of: `precision`, `recall`, `f1`, `map50`, "
        "`count_error`, `count_bias`, `volume_error`, `volume_error_m3`, `volume_bias_m3`, "
        "`right_share`."
    )
    classes: dict[str, ClassAccuracy]


class EngineAccuracy(BaseModel):
    engine: str = Field(examples=["damage"])
    level: float = Field(description="The confidence of the intervals.", examples=[LEVEL])
    since_s: float | None
    releases: dict[str, ReleaseAccuracy] = Field(description="Those that anything was said of.")
