"""The evidence of a rollout as a picture."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cli.evidence_plot import draw
from cli.failure import Refused
from tests.unit.cli.plane import Plane
from tests.unit.cli.rollout_replies import (
    BEGUN,
    DETECTIONS,
    ERRORS,
    IGNORED,
    LOOK,
    QUERY,
    ROLLED_BACK,
    ROLLOUT,
    SPLIT,
    serve,
)

Tidegate = Callable[..., Result]
NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)


def looks(count: int, *, every_s: float = 10.0) -> list[dict[str, Any]]:
    """The alarm of the errors rises past its threshold in the last; the shadow came first."""
    return [
        {
            **LOOK,
            "at": (NOON + timedelta(seconds=every_s * i)).isoformat(),
            "step": i * 3 // count,
            "verdict": "worse" if i == count - 1 else "error" if i == 0 else "undecided",
            "metrics": [{**ERRORS, "evidence": 5.0 * i / (count - 1)}, SPLIT],
        }
        for i in range(count)
    ]


def drawn(tmp_path: Path, rollout: dict[str, Any], found: list[dict[str, Any]]) -> str:
    path = tmp_path / "evidence.svg"
    draw(rollout, found, path)
    return path.read_text()


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "PNG"])
def test_the_evidence_is_drawn(
    tidegate: Tidegate, plane: Plane, tmp_path: Path, suffix: str
) -> None:
    serve(plane, ROLLOUT)
    path = tmp_path / f"evidence.{suffix}"
    result = tidegate("rollout", "show", "damage", "--plot", path, "--url", plane.url)
    assert result.exit_code == 0
    assert f"the evidence over time is in {path}" in result.stdout
    heads = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert path.read_bytes().startswith(heads[suffix.lower()])


def test_every_test_and_step_has_its_words(tmp_path: Path) -> None:
    picture = drawn(tmp_path, ROLLED_BACK, looks(30))
    for said in (
        "damage  1.0.0 → 1.1.0   canary damage-7f3a: rolled back",
        *(">shadow<", ">1 %<", ">5 %<"),
        *(">error<", ">undecided<", ">worse<"),
        "Errors: undecided",
        "requests that failed: 0.40 % → 0.60 %",
        "that it is worse",
        "that it is not worse by the margin",
        "Sample ratio: not worse",
        "that the split is not what the route says",
        "minutes since 2025-01-31",
    ):
        assert said in picture, said
    # Only the alarm is asked of the sample ratio.
    assert picture.count(">that it is not worse by the margin<") == 1


@pytest.mark.parametrize(
    ("count", "every_s", "unit"),
    [(1, 1.0, "seconds"), (3, 10.0, "seconds"), (30, 10.0, "minutes"), (30, 600.0, "hours")],
)
def test_time_has_the_unit_that_fits(tmp_path: Path, count: int, every_s: float, unit: str) -> None:
    found = looks(count, every_s=every_s) if count > 1 else [LOOK]
    assert f"{unit} since 2025-01-31" in drawn(tmp_path, ROLLOUT, found)


def test_a_test_that_came_later_and_evidence_without_bounds_are_drawn(tmp_path: Path) -> None:
    later = {**ERRORS, "metric": "query:gpu", "evidence": 900.0, "clear_evidence": None}
    found = looks(10)
    found[-1]["metrics"] = [*found[-1]["metrics"], later]
    assert "Gpu: undecided" in drawn(tmp_path, ROLLOUT, found)


def test_what_has_no_evidence_is_drawn_as_it_is(tmp_path: Path) -> None:
    found = [{**look, "metrics": [QUERY, DETECTIONS, IGNORED]} for look in looks(5)]
    found[1]["metrics"] = [{**QUERY, "target": None}, {**DETECTIONS, "target": None}]
    picture = drawn(tmp_path, ROLLOUT, found)
    assert "the query's result: 0.25" in picture
    assert "Detections: no verdict" in picture
    assert "boxes that both releases have found: 97.50 %" in picture
    assert "Confidence: ignored" in picture
    assert "mean confidence: 0.335 → 0.514" in picture
    assert ">result<" in picture
    assert ">evidence<" not in picture


def test_what_is_ignored_is_drawn_of_both_releases(tmp_path: Path) -> None:
    found = [{**look, "metrics": [IGNORED]} for look in looks(5)]
    found[1]["metrics"] = [{**IGNORED, "stable": None}]
    picture = drawn(tmp_path, ROLLOUT, found)
    assert ">confidence<" in picture
    assert ">stable<" in picture
    assert ">target<" in picture
    assert ">result<" not in picture


def test_before_the_first_look_there_is_nothing_to_draw(
    tidegate: Tidegate, plane: Plane, tmp_path: Path
) -> None:
    serve(plane, BEGUN)
    path = tmp_path / "evidence.png"
    result = tidegate("rollout", "show", "damage", "--plot", path, "--url", plane.url)
    assert result.exit_code == 1
    assert "rollout damage-7f3a has no evidence yet; it is pending" in result.stderr
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(Refused, match="cannot write"):
        draw(ROLLOUT, [LOOK], tmp_path / "folder.png")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("evidence.gif", "the name must end in .png, .svg or .pdf"),
        ("evidence", "the name must end in"),
        ("nowhere/evidence.png", "no folder nowhere"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_asked(
    tidegate: Tidegate, plane: Plane, name: str, said: str
) -> None:
    result = tidegate("rollout", "show", "damage", "--plot", name, "--url", plane.url)
    assert result.exit_code == 1
    assert said in result.stderr
    assert plane.seen == []
