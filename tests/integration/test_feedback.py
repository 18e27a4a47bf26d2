"""What somebody says of real answers: judged, added up, shown, and exposed."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.photos import photo_of, scene
from tests.integration.running import (
    NO_CERTIFICATES,
    RunningTidegate,
    command_line,
    wait_until,
)

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def answered(tidegate: RunningTidegate) -> dict[str, Any]:
    """A roof of which we know every hailstone's mark, looked at by all engines."""
    answer = tidegate.detect(photo_of("damage"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def truth_of(engine: str) -> dict[str, Any]:
    drawn = scene(engine)
    if drawn.volume_m3 is not None:
        return {"volume_m3": float(drawn.volume_m3)}
    edges = ("x_min", "y_min", "x_max", "y_max")
    return {
        "boxes": [
            {"class": one.name, "box": {edge: float(getattr(one, edge)) for edge in edges}}
            for one in drawn.boxes
        ]
    }


def give(tidegate: RunningTidegate, **body: Any) -> httpx.Response:
    return httpx.post(
        f"{tidegate.url}/api/v1/feedback", json=body, timeout=30, verify=NO_CERTIFICATES
    )


def accuracy(tidegate: RunningTidegate, engine: str) -> dict[str, Any]:
    return dict(tidegate.get(f"/api/v1/engines/{engine}/accuracy")["releases"])


def test_boxes_that_are_known_are_found_right_and_added_up(
    tidegate: RunningTidegate, answered: dict[str, Any]
) -> None:
    taken = give(tidegate, request_id=answered["request_id"], truth={"damage": truth_of("damage")})
    assert taken.status_code == 200, taken.text
    damage = taken.json()["engines"]["damage"]
    assert f"v{damage['release']}" == answered["model_versions"]["damage"]
    found = len(answered["results"]["damage"]["detections"])
    classes = damage["classes"].values()
    assert sum(one["true_positives"] + one["false_positives"] for one in classes) == found
    true = len(scene("damage").boxes)
    assert sum(one["true_positives"] + one["misses"] for one in classes) == true
    # A model that was trained on such roofs finds something of what is there.
    assert damage["scores"]["f1"] > 0
    metrics = accuracy(tidegate, "damage")[damage["release"]]["metrics"]
    assert metrics["recall"]["value"] > 0
    assert metrics["map50"]["n"] >= 1
    exposed = wait_until(
        lambda: re.search(
            rf'tidegate_accuracy{{engine="damage",metric="recall",release="{damage["release"]}"}} '
            r"(\S+)",
            exposition(tidegate),
        ),
        what="the metric",
    )
    assert 0 < float(exposed[1]) <= 1


def exposition(tidegate: RunningTidegate) -> str:
    return httpx.get(f"{tidegate.url}/metrics", timeout=30, verify=NO_CERTIFICATES).text


def test_the_answer_is_found_once_it_is_stored_and_by_the_detections_id(
    tidegate: RunningTidegate, answered: dict[str, Any]
) -> None:
    """Said again it replaces what was said; a mistake in one part leaves the other untouched."""
    said = {"detection_id": answered["detection_id"]}
    first = give(tidegate, **said, truth={"material": {"is_right": False}})
    assert first.status_code == 200, first.text
    assert first.json()["request_id"] == answered["request_id"]
    again = give(tidegate, **said, truth={"materials": {"is_right": True}}, who="ada")
    assert [one["replaced"] for one in again.json()["engines"].values()] == [True]
    mixed = give(
        tidegate, **said, truth={"materials": {"is_right": False}, "volume": {"boxes": []}}
    )
    assert mixed.status_code == 400
    assert mixed.json()["field"] == "truth.volume.boxes"
    (release,) = accuracy(tidegate, "materials").values()
    assert release["metrics"]["right_share"]["value"] == 1.0


def test_the_answer_is_found_by_a_correlation_id_that_one_request_had(
    tidegate: RunningTidegate, answered: dict[str, Any]
) -> None:
    said = {"truth": {"damage": truth_of("damage")}}
    taken = give(tidegate, correlation_id=answered["correlation_id"], **said)
    assert taken.status_code == 200, taken.text
    assert taken.json()["request_id"] == answered["request_id"]
    correlation_id = f"claim-{uuid.uuid4()}"
    head = {"x-correlation-id": correlation_id}
    ids = [tidegate.detect(photo_of("damage"), **head).json()["request_id"] for _ in range(2)]
    several = give(tidegate, correlation_id=correlation_id, **said)
    assert (several.status_code, several.json()["field"]) == (409, "correlation_id")
    assert f"instead: {ids[1]}, {ids[0]}" in several.json()["detail"]


def test_a_volume_is_measured_and_a_job_can_be_judged(tidegate: RunningTidegate) -> None:
    submitted = httpx.post(
        f"{tidegate.url}/api/v1/orchestrator/detect",
        files={"photo": ("pile.jpg", photo_of("volume"))},
        data={"detection_types": "volume"},
        headers={"Prefer": "respond-async"},
        timeout=30,
        verify=NO_CERTIFICATES,
    )
    assert submitted.status_code == 202, submitted.text
    request_id = submitted.json()["request_id"]
    path = f"/api/v1/orchestrator/status/{request_id}"
    done = wait_until(
        lambda: answer if (answer := tidegate.get(path))["status"] == "completed" else None,
        timeout_s=60,
        what="the job is done",
    )
    taken = give(tidegate, request_id=request_id, truth={"volume": truth_of("volume")})
    assert taken.status_code == 200, taken.text
    volume = taken.json()["engines"]["volume"]
    found, true = done["results"]["volume"]["volume_m3"], scene("volume").volume_m3
    assert volume["volume_error_m3"] == pytest.approx(found - true, abs=1e-3)
    missing = give(tidegate, request_id=request_id, truth={"damage": {"is_right": True}})
    assert (missing.status_code, missing.json()["code"]) == (409, "conflict")
    assert missing.json()["field"] == "truth.damage"


def test_an_answer_that_nobody_gave_is_not_found(tidegate: RunningTidegate) -> None:
    for name in ("request_id", "detection_id"):
        unknown = give(tidegate, **{name: str(uuid.uuid4())}, truth={"damage": {"is_right": True}})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        assert unknown.json()["field"] == name


def test_the_command_line_says_it_and_shows_what_it_came_to(
    tidegate: RunningTidegate, answered: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "truth.json"
    file.write_text(json.dumps({"damage": truth_of("damage")}))
    said = command_line(
        "feedback",
        answered["request_id"],
        "--truth",
        str(file),
        "--wrong",
        "volume",
        url=tidegate.url,
    )
    assert said.returncode == 0, said.stderr
    assert re.search(r"damage 1\.\d\.0: \d+ right, \d+ wrong, \d+ missed", said.stdout)
    shown = command_line("accuracy", "damage", url=tidegate.url)
    assert shown.returncode == 0, shown.stderr
    assert "map50" in shown.stdout
