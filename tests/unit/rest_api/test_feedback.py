"""``/api/v1/feedback`` and ``/api/v1/engines/{engine}/accuracy``."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.core.accuracy import (
    Accuracy,
    Box,
    BoxTruth,
    ClassAccuracy,
    ClassMatches,
    Counted,
    CountTruth,
    Estimate,
    Judged,
    Measured,
    Metric,
    RightTruth,
    TrueBox,
    Truth,
    VolumeTruth,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api import feedback_schemas as schemas
from control_plane.services.feedback import SaidFeedback
from tests.unit.rest_api.fakes import DETECTION_ID, UUID, Edge, check_problem

FEEDBACK = "/api/v1/feedback"
ACCURACY = "/api/v1/engines/damage/accuracy"
BOX = {"x_min": 1, "y_min": 2.5, "x_max": 3, "y_max": 4}


async def give(edge: Edge, truth: Any, **body: Any) -> dict[str, Any]:
    async with edge.client() as client:
        response = await client.post(FEEDBACK, json={"request_id": UUID, "truth": truth} | body)
    assert response.status_code == 200, response.text
    schemas.FeedbackTaken.model_validate(response.json(), strict=True)
    return dict(response.json())


@pytest.mark.parametrize(
    ("said", "truth"),
    [
        (
            {"boxes": [{"class": "hail", "box": BOX}]},
            BoxTruth((TrueBox("hail", Box(1, 2.5, 3, 4)),)),
        ),
        ({"boxes": []}, BoxTruth(())),
        ({"counts": {"hail": 3}}, CountTruth({"hail": 3})),
        ({"counts": {}}, CountTruth({})),
        ({"volume_m3": 0}, VolumeTruth(0)),
        ({"volume_m3": 12.5}, VolumeTruth(12.5)),
        ({"is_right": False}, RightTruth(is_right=False)),
    ],
)
async def test_each_kind_of_truth_is_handed_on(said: dict[str, Any], truth: Truth) -> None:
    edge = Edge()
    await give(edge, {"damage": said})
    assert edge.feedback.said == [SaidFeedback({"damage": truth}, UUID, who="rest")]


async def test_all_of_it_may_be_said() -> None:
    edge = Edge()
    async with edge.client() as client:
        response = await client.post(
            FEEDBACK,
            json={
                "detection_id": DETECTION_ID,
                "truth": {"damage": {"is_right": True}, "volume": {"volume_m3": 1.5}},
                "who": " ada ",
                "note": "seen on site",
            },
        )
    assert response.json()["detection_id"] == DETECTION_ID
    (said,) = edge.feedback.said
    assert (said.request_id, said.detection_id) == (None, DETECTION_ID)
    assert (said.who, said.note) == ("ada", "seen on site")
    assert set(said.truth) == {"damage", "volume"}


async def test_the_answer_may_be_named_by_its_correlation_id() -> None:
    edge = Edge()
    await give(edge, {"damage": {"is_right": True}}, request_id=None, correlation_id="c-1")
    (said,) = edge.feedback.said
    assert (said.request_id, said.detection_id, said.correlation_id) == (None, None, "c-1")


async def test_how_it_was_judged_is_answered() -> None:
    edge = Edge()
    edge.feedback.judged = Judged(
        matches=(ClassMatches("hail", 3, (0.9, 0.8), (True, False)),),
        counted=Counted(1, -1, 3),
        measured=Measured(4.5, 5.0),
    )
    answer = await give(edge, {"damage": {"boxes": []}})
    assert answer == {
        "request_id": UUID,
        "detection_id": DETECTION_ID,
        "engines": {
            "damage": {
                "release": "1.1.0",
                "replaced": False,
                "classes": {"hail": {"true_positives": 1, "false_positives": 1, "misses": 2}},
                "count_error": 1,
                "volume_error_m3": -0.5,
                "volume_error": 0.1,
                "is_right": None,
                "scores": {"f1": 0.4, "count": 0.666667, "volume": 0.9},
            }
        },
    }


async def test_an_empty_place_has_no_share_to_be_wrong_by() -> None:
    edge = Edge()
    edge.feedback.judged = Judged(measured=Measured(1.0, 0.0))
    part = (await give(edge, {"volume": {"volume_m3": 0}}))["engines"]["volume"]
    assert (part["volume_error_m3"], part["volume_error"], part["classes"]) == (1.0, None, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "truth"),
        ({"truth": {"damage": {}}}, "truth.damage"),
        ({"truth": {"damage": {"is_right": True, "volume_m3": 1}}}, "truth.damage"),
        ({"truth": {"damage": {"is_rigth": True}}}, "truth.damage.is_rigth"),
        ({"truth": {"damage": {"is_right": 1}}}, "truth.damage.is_right"),
        ({"truth": {"damage": {"counts": {"hail": 1.5}}}}, "truth.damage.counts.hail"),
        ({"truth": {"damage": {"boxes": [{"class": "hail"}]}}}, "truth.damage.boxes.0.box"),
        ({"truth": {"damage": {"volume_m3": "1"}}}, "truth.damage.volume_m3"),
        ({"truth": {"damage": {"is_right": True}}, "who": "x" * 101}, "who"),
        ({"truth": {"damage": {"is_right": True}}, "request": "r"}, "request"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_field(
    body: dict[str, Any], field: str
) -> None:
    edge = Edge()
    async with edge.client() as client:
        response = await client.post(FEEDBACK, json=body)
    check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, field)
    assert edge.feedback.said == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.NOT_FOUND, 404),
        (ErrorCode.CONFLICT, 409),
        (ErrorCode.STORE_UNAVAILABLE, 503),
    ],
)
async def test_a_refusal_is_a_problem(code: ErrorCode, status: int) -> None:
    edge = Edge()
    edge.feedback.error = ControlPlaneError(code, "no", field="truth.damage")
    async with edge.client() as client:
        body = {"request_id": UUID, "truth": {"damage": {"is_right": True}}}
        response = await client.post(FEEDBACK, json=body)
    check_problem(response, status, code, "truth.damage")


async def test_a_form_is_no_feedback() -> None:
    """A web page of another origin could send one."""
    async with Edge().client() as client:
        response = await client.post(FEEDBACK, data={"truth": "{}"})
    assert response.status_code == 415


async def test_accuracy_is_told_by_release_in_their_order() -> None:
    edge = Edge()
    edge.accuracy.found = {
        "1.10.0": Accuracy(1, {Metric.RIGHT_SHARE: Estimate(1.0, photos=1)}),
        "1.9.0": Accuracy(
            7,
            {Metric.MAP50: Estimate(0.51234567, 0.4, 0.6, 5)},
            {"hail": ClassAccuracy(3, 4, 2, 0.5), "wind": ClassAccuracy(0, 1, 0, None)},
        ),
        "nightly": Accuracy(2),
    }
    async with edge.client() as client:
        answer = (await client.get(ACCURACY)).json()
    schemas.EngineAccuracy.model_validate(answer, strict=True)
    assert list(answer["releases"]) == ["nightly", "1.9.0", "1.10.0"]
    assert (answer["engine"], answer["level"], answer["since_s"]) == ("damage", 0.95, None)
    assert answer["releases"]["1.9.0"] == {
        "photos": 7,
        "metrics": {"map50": {"value": 0.512346, "low": 0.4, "high": 0.6, "n": 5}},
        "classes": {
            "hail": {"objects": 3, "found": 4, "hits": 2, "ap50": 0.5},
            "wind": {"objects": 0, "found": 1, "hits": 0, "ap50": None},
        },
    }
    assert edge.accuracy.asked == [("damage", None)]


async def test_accuracy_may_be_asked_of_the_last_seconds_and_by_the_other_name() -> None:
    edge = Edge()
    async with edge.client() as client:
        await client.get("/api/v1/engines/material/accuracy?since_s=3600")
        assert edge.accuracy.asked == [("materials", 3600.0)]
        for wrong in ("0", "-1", "inf", "nan", "often"):
            refused = await client.get(f"{ACCURACY}?since_s={wrong}")
            check_problem(refused, 400, ErrorCode.INVALID_ARGUMENT, "since_s")
        edge.accuracy.error = ControlPlaneError(ErrorCode.UNKNOWN_ENGINE, "no", field="engine")
        check_problem(await client.get(ACCURACY), 404, ErrorCode.UNKNOWN_ENGINE, "engine")
