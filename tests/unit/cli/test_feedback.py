"""Saying what was true of a photo, and seeing what it came to, on the terminal."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.unit.cli.plane import Plane, Reply, problem

Tidegate = Callable[..., Result]
FEEDBACK = "/api/v1/feedback"
PART: dict[str, Any] = {
    "release": "1.1.0",
    "replaced": False,
    "classes": None,
    "count_error": None,
    "volume_error_m3": None,
    "volume_error": None,
    "is_right": None,
    "scores": {},
}
CLASSES = {
    "hail": {"true_positives": 3, "false_positives": 1, "misses": 0},
    "wind": {"true_positives": 1, "false_positives": 0, "misses": 2},
}


def taken(**engines: dict[str, Any]) -> Reply:
    parts = {engine: {**PART, **part} for engine, part in engines.items()}
    return Reply({"request_id": "r-1", "detection_id": "d-1", "engines": parts})


def asked(plane: Plane) -> Any:
    return json.loads(plane.seen[-1].body)


def test_right_and_wrong_can_be_said_of_several(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[FEEDBACK] = taken(damage={"is_right": True}, volume={"is_right": False})
    more = ["--note", "seen on site", "--url", plane.url]
    result = tidegate("feedback", "r-1", "--right", "damage", "--wrong", "volume", *more)
    assert result.exit_code == 0
    assert result.stdout == "damage 1.1.0: right\nvolume 1.1.0: wrong\n"
    assert asked(plane) == {
        "request_id": "r-1",
        "truth": {"damage": {"is_right": True}, "volume": {"is_right": False}},
        "note": "seen on site",
        "who": getpass.getuser(),
    }


def test_truth_is_read_from_a_file_and_what_came_of_it_is_told(
    tidegate: Tidegate, plane: Plane, tmp_path: Path
) -> None:
    truth = {"damage": {"boxes": []}, "volume": {"volume_m3": 4}}
    file = tmp_path / "truth.json"
    file.write_text(json.dumps(truth))
    plane.replies[FEEDBACK] = taken(
        damage={"classes": CLASSES, "count_error": 2, "replaced": True},
        volume={"volume_error_m3": -0.25},
    )
    more = ["--detection", "--who", "ada", "--url", plane.url]
    result = tidegate("feedback", "d-1", "--truth", file, *more)
    assert result.stdout.splitlines() == [
        "damage 1.1.0: 4 right, 1 wrong, 2 missed, counts off by 2 (said again)",
        "volume 1.1.0: volume off by -0.25 m³",
    ]
    assert asked(plane) == {"detection_id": "d-1", "truth": truth, "note": "", "who": "ada"}
    shown = tidegate("feedback", "d-1", "--truth", file, *more, "--json")
    assert json.loads(shown.stdout)["engines"]["volume"]["volume_error_m3"] == -0.25


def test_an_answer_is_named_by_its_correlation_id(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[FEEDBACK] = taken(damage={"is_right": True})
    said = ["feedback", "c-1", "--right", "damage", "--correlation", "--url", plane.url]
    assert tidegate(*said).exit_code == 0
    assert asked(plane)["correlation_id"] == "c-1"
    assert "request_id" not in asked(plane)
    both = tidegate(*said, "--detection")
    assert both.exit_code == 2
    assert "--detection, --correlation" in both.stderr
    assert len(plane.seen) == 1


@pytest.mark.parametrize("text", ["no json", "[1]", None])
def test_a_file_that_holds_no_truth_is_wrong_usage(
    tidegate: Tidegate, plane: Plane, tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "truth.json"
    if text is not None:
        file.write_text(text)
    result = tidegate("feedback", "r-1", "--truth", file, "--url", plane.url)
    assert result.exit_code == 2
    assert "--truth" in result.stderr
    assert not plane.seen


@pytest.mark.parametrize("options", [[], ["--right", "damage", "--wrong", "damage"]])
def test_nothing_said_or_two_things_is_wrong_usage(
    tidegate: Tidegate, plane: Plane, options: list[str]
) -> None:
    result = tidegate("feedback", "r-1", *options, "--url", plane.url)
    assert result.exit_code == 2
    assert not plane.seen


def test_a_refusal_is_told(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[FEEDBACK] = problem(404, "not_found", "no answer is known as r-1")
    result = tidegate("feedback", "r-1", "--right", "damage", "--url", plane.url)
    assert result.exit_code == 1
    assert "no answer is known as r-1" in result.stderr


RELEASES = {
    "1.0.0": {
        "photos": 7,
        "metrics": {
            "precision": {"value": 0.9, "low": 0.81, "high": 0.95, "n": 12},
            "f1": {"value": 0.0, "low": 0.0, "high": 0.0, "n": 2},
            "recall": {"value": None, "low": None, "high": None, "n": 7},
        },
        "classes": {},
    }
}


def accuracy(engine: str = "damage", **releases: Any) -> Reply:
    return Reply({"engine": engine, "level": 0.95, "since_s": None, "releases": releases})


def test_accuracy_is_a_line_for_each_figure(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies["/api/v1/engines/damage/accuracy?since_s=60.0"] = accuracy(**RELEASES)
    result = tidegate("accuracy", "damage", "--since-s", 60, "--url", plane.url)
    header, precision, few, recall = result.stdout.splitlines()
    assert header.split()[:3] == ["ENGINE", "RELEASE", "METRIC"]
    assert precision.split() == [
        *("damage", "1.0.0", "precision", "0.900", "0.810", "to", "0.950", "12"),
    ]
    assert few.split() == ["damage", "1.0.0", "f1", "0.000", "too", "few", "photos", "2"]
    assert recall.split() == ["damage", "1.0.0", "recall", "-", "-", "7"]


def test_accuracy_is_told_of_all_engines(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies["/api/v1/engines/damage/accuracy"] = accuracy(**RELEASES)
    result = tidegate("accuracy", "--json", "--url", plane.url)
    assert [one["engine"] for one in json.loads(result.stdout)["engines"]] == ["damage"]
    one = tidegate("accuracy", "damage", "--json", "--url", plane.url)
    assert json.loads(one.stdout)["releases"] == RELEASES


def test_nothing_yet_is_said(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies["/api/v1/engines/damage/accuracy"] = accuracy()
    result = tidegate("accuracy", "--url", plane.url)
    assert result.stdout.startswith("nothing was said of any answer yet")
