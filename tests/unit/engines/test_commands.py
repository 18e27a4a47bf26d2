"""``python -m engines`` from the first scene to the last figure, in small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engines import __main__ as commands
from engines import dataset as datasets
from engines.recipes import RECIPES, RELEASES, model_path
from engines.tasks import Task

runner = CliRunner()


@pytest.fixture
def _tiny_everywhere(tiny_task: Task, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(commands, "task_named", lambda _: tiny_task)
    monkeypatch.setattr(datasets, "task_named", lambda _: tiny_task)
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str) -> str:
    result = runner.invoke(commands.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("_tiny_everywhere")
def test_train_resume_export_evaluate(tmp_path: Path) -> None:
    common = ["--version", "1", "--scenes", "24", "--workers", "0"]
    assert "trained" in invoke("train", "damage", *common, "--epochs", "1")
    assert "going on after epoch 1 of 1" in invoke("train", "damage", *common, "--epochs", "1")
    assert "model.onnx" in invoke("export", "damage", "--version", "1")
    path = model_path(Path("model_repository"), "damage", 1)
    second = model_path(Path("model_repository"), "damage", 2)
    second.parent.mkdir(parents=True)
    second.write_bytes(path.read_bytes())

    output = invoke("evaluate", "damage", "--count", "3", "--workers", "0", "--json", "f.json")
    assert "map50" in output
    figures = json.loads((tmp_path / "f.json").read_text())
    assert [one["version"] for one in figures] == [1, 2]
    assert figures[0]["values"]["map50"] == figures[1]["values"]["map50"]
    output = invoke("evaluate", "damage", "--calibrate", "--count", "3", "--workers", "0")
    assert "damage 1:" in output


@pytest.mark.parametrize("bounds", [("600", "900"), ("900", "700"), ("640", "4001")])
def test_photos_are_measured_at_sizes_that_are_promised(bounds: tuple[str, str]) -> None:
    result = runner.invoke(commands.app, ["evaluate", "damage", "--long-side", *bounds])

    assert result.exit_code == 2
    assert "640 to 4000" in result.output


@pytest.mark.parametrize("options", [(), ("--drawn",)])
def test_scenes_are_written_with_their_truth(tmp_path: Path, options: tuple[str, ...]) -> None:
    out = str(tmp_path / "scenes")
    invoke("scenes", "damage", "--count", "2", "--size", "640x480", "--out", out, *options)
    listing = json.loads((tmp_path / "scenes" / "truth.json").read_text())

    assert [row["seed"] for row in listing] == [0, 1]
    assert all((tmp_path / "scenes" / row["file"]).stat().st_size > 10_000 for row in listing)
    assert {"name", "x_min", "y_min", "x_max", "y_max", "brand"} == set(listing[0]["boxes"][0])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["scenes", "roof", "--out", "x"], "no engine"),
        (["scenes", "damage", "--out", "x", "--size", "big"], "1280x960"),
        (["scenes", "damage", "--out", "x", "--size", "9000x20"], "640 to 4000"),
        (["train", "damage", "--version", "9"], "no version 9"),
        (["export", "damage", "--runs", "nowhere"], "train damage first"),
    ],
)
def test_a_mistake_is_named(arguments: list[str], reason: str) -> None:
    result = runner.invoke(commands.app, arguments, env={"COLUMNS": "400", "NO_COLOR": "1"})

    assert result.exit_code == 2
    assert reason in result.output


def test_every_recipe_is_a_release() -> None:
    assert set(RECIPES) == set(RELEASES)
    for (engine, version), recipe in RECIPES.items():
        assert (recipe.engine, recipe.version) == (engine, version)
