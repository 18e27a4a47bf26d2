"""Feedback and accuracy: what was true of a photo, and how right each release is.

POST /api/v1/feedback                      ground truth for a finished detection
GET  /api/v1/engines/{engine}/accuracy     by release, with intervals
"""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request

from control_plane.core.accuracy import (
    LEVEL,
    Accuracy,
    Box,
    BoxTruth,
    CountTruth,
    RightTruth,
    TrueBox,
    Truth,
    VolumeTruth,
)
from control_plane.core.detections import ALIASES
from control_plane.core.versions import Precedence, is_version, precedence
from control_plane.errors import InvalidArgument
from control_plane.rest_api import feedback_schemas as schemas
from control_plane.rest_api.fleet_schemas import DEFAULT_WHO
from control_plane.rest_api.json_bodies import body_of, read_order
from control_plane.rest_api.problems import problems
from control_plane.rest_api.services import RestServices
from control_plane.services.feedback import SaidFeedback, TakenFeedback, TakenPart
from control_plane.services.rollout_requests import check_who

GIVE = """
What is true of a photo, held against what an engine found on it. The answer is found by its
`request_id`, its `detection_id` (not of a job), or its `correlation_id` where no other request had
the same, as long as it is kept (`feedback.keep`, `feedback.keep_s`, `feedback.most`). A box is
right if a true one of its class overlaps it by half. Said again of the same engine, it replaces
what was said before.

`Content-Type: application/json` is required; that keeps web pages of other origins out.
"""
LONGEST_S = 366 * 86_400.0
DIGITS = 6


def make_feedback_router(services: RestServices) -> APIRouter:
    router = APIRouter(tags=["feedback"])
    _add_give(router, services)
    _add_accuracy(router, services)
    return router


def _add_give(router: APIRouter, services: RestServices) -> None:
    @router.post(
        "/api/v1/feedback",
        summary="Ground truth for a finished detection",
        description=GIVE,
        operation_id="giveFeedback",
        responses=problems(400, 404, 409, 413, 415, 503),
        openapi_extra=body_of(schemas.FeedbackBody, is_required=True),
    )
    async def give(request: Request) -> schemas.FeedbackTaken:
        timeout_s = services.limits.body_timeout_s
        asked = await read_order(request, schemas.FeedbackBody, timeout_s=timeout_s)
        said = SaidFeedback(
            truth={
                engine: read_truth(one, f"truth.{engine[:80]}")
                for engine, one in asked.truth.items()
            },
            request_id=asked.request_id,
            detection_id=asked.detection_id,
            correlation_id=asked.correlation_id,
            who=check_who(asked.who, DEFAULT_WHO),
            note=asked.note,
        )
        return _show_taken(await services.feedback.give(said))


def _add_accuracy(router: APIRouter, services: RestServices) -> None:
    @router.get(
        "/api/v1/engines/{engine}/accuracy",
        summary="How right each release of an engine is, by feedback",
        operation_id="accuracy",
        responses=problems(400, 404, 503),
    )
    async def accuracy(
        engine: str, since_s: Annotated[float | None, Query(gt=0, le=LONGEST_S)] = None
    ) -> schemas.EngineAccuracy:
        name = ALIASES.get(engine, engine)
        structlog.contextvars.bind_contextvars(engine=name[:80])
        found = await services.accuracy.of(name, since_s=since_s)
        return schemas.EngineAccuracy(
            engine=name,
            level=LEVEL,
            since_s=since_s,
            releases={
                release: _show_accuracy(found[release]) for release in sorted(found, key=_order)
            },
        )


def read_truth(said: schemas.TruthBody, field: str) -> Truth:
    """Raises InvalidArgument unless exactly one thing is said."""
    given = [name for name in type(said).model_fields if getattr(said, name) is not None]
    if len(given) != 1:
        raise InvalidArgument(
            f"{field} says {' and '.join(given) or 'nothing'}; say one of boxes, counts, "
            "volume_m3 or is_right",
            field=field,
        )
    if said.boxes is not None:
        return BoxTruth(tuple(TrueBox(one.label, _box(one.box)) for one in said.boxes))
    if said.counts is not None:
        return CountTruth(said.counts)
    if said.volume_m3 is not None:
        return VolumeTruth(said.volume_m3)
    return RightTruth(bool(said.is_right))


def _box(said: schemas.BoxBody) -> Box:
    return Box(said.x_min, said.y_min, said.x_max, said.y_max)


def _order(release: str) -> tuple[bool, Precedence | str]:
    is_known = is_version(release)
    return is_known, precedence(release) if is_known else release


def _show_taken(taken: TakenFeedback) -> schemas.FeedbackTaken:
    return schemas.FeedbackTaken(
        request_id=taken.request_id,
        detection_id=taken.detection_id,
        engines={engine: _show_part(part) for engine, part in taken.engines.items()},
    )


def _show_part(part: TakenPart) -> schemas.PartJudged:
    judged = part.judged
    measured, matches = judged.measured, judged.matches
    return schemas.PartJudged(
        release=part.release,
        replaced=part.has_replaced,
        classes=None
        if matches is None
        else {
            one.label: schemas.ClassJudged(
                true_positives=one.true_positives,
                false_positives=one.false_positives,
                misses=one.misses,
            )
            for one in matches
        },
        count_error=None if judged.counted is None else judged.counted.off,
        volume_error_m3=None if measured is None else round(measured.error_m3, DIGITS),
        volume_error=None
        if measured is None or not measured.true_m3
        else round(abs(measured.error_m3) / measured.true_m3, DIGITS),
        is_right=judged.is_right,
        scores={score.value: round(value, DIGITS) for score, value in judged.scores().items()},
    )


def _show_accuracy(accuracy: Accuracy) -> schemas.ReleaseAccuracy:
    return schemas.ReleaseAccuracy(
        photos=accuracy.photos,
        metrics={
            metric.value: schemas.Estimate(
                value=_rounded(one.value),
                low=_rounded(one.low),
                high=_rounded(one.high),
                n=one.photos,
            )
            for metric, one in accuracy.metrics.items()
        },
        classes={
            label: schemas.ClassAccuracy(
                objects=one.objects,
                found=one.found,
                hits=one.hits,
                ap50=_rounded(one.average_precision),
            )
            for label, one in accuracy.classes.items()
        },
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
