"""What doctor says of jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

from cli.checks import Level
from cli.client import ControlPlane
from cli.job_checks import check_jobs
from tests.unit.cli.job_replies import FIGURES
from tests.unit.cli.plane import Plane, Reply

WELL: dict[str, Any] = {**FIGURES, "dead": {"unprocessable": 0, "failed": 0}, "undelivered": 0}


def found(plane: Plane, figures: dict[str, Any]) -> list[tuple[Level, str, str]]:
    plane.replies["/api/v1/jobs/figures"] = Reply(figures)
    return [(one.level, one.name, one.remedy) for one in check_jobs(ControlPlane(plane.url))]


def test_jobs_that_go_well_are_counted(plane: Plane) -> None:
    assert found(plane, WELL) == [(Level.OK, "jobs", "")]


def test_what_waits_for_a_person_is_a_warning_with_what_to_type(plane: Plane) -> None:
    assert found(plane, FIGURES) == [
        (Level.WARN, "jobs", "tidegate jobs dead"),
        (Level.WARN, "jobs", "tidegate jobs list --undelivered"),
    ]


def test_a_queue_that_does_not_answer_fails(plane: Plane) -> None:
    level, name, _ = found(plane, {**WELL, "queue": None})[0]
    assert (level, name) == (Level.FAIL, "queue")


def test_of_a_control_plane_that_does_not_tell_nothing_is_said(plane: Plane) -> None:
    assert list(check_jobs(ControlPlane(plane.url))) == []


def test_doctor_asks_the_control_plane_that_is_named(
    tidegate: Callable[..., Result], plane: Plane, tmp_path: Path
) -> None:
    plane.replies["/api/v1/jobs/figures"] = Reply(FIGURES)
    config = tmp_path / "tidegate.yaml"
    config.write_text(f"state_dir: {tmp_path / 'state'}\n")
    result = tidegate("doctor", "--json", "--config", config, "--url", plane.url)
    assert "tidegate jobs dead" in {one["remedy"] for one in json.loads(result.stdout)["checks"]}
