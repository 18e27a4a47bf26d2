"""The ``tidegate`` command against a control plane with two real Tritons."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.integration.matching import assert_finds, found_in
from tests.integration.photos import SIZE, photo_of, scene, small_photo, turned
from tests.integration.running import (
    ROOT,
    RunningTidegate,
    command_line,
    lines_of,
)
from tests.servers.ports import free_port

pytestmark = pytest.mark.triton

SAMPLES = sorted((ROOT / "samples").glob("*.jpg"))


class TestDetect:
    def test_annotates(self, tidegate: RunningTidegate, tmp_path: Path) -> None:
        photo = tmp_path / "roof.jpg"
        photo.write_bytes(photo_of("damage"))
        folder = tmp_path / "pictures"
        done = command_line(
            "detect", str(photo), "--annotate", str(folder), "--json", url=tidegate.url
        )
        assert done.returncode == 0, done.stderr
        (answer,) = lines_of(done.stdout)
        picture = folder / "roof.annotated.jpg"
        assert answer["annotated"] == str(picture)
        assert [path.name for path in folder.iterdir()] == [picture.name]
        _check_picture(picture, photo, answer)

    def test_annotates_a_photo_held_sideways(
        self, tidegate: RunningTidegate, tmp_path: Path
    ) -> None:
        photo = tmp_path / "sideways.jpg"
        photo.write_bytes(turned("damage", 6))
        done = command_line(
            "detect", str(photo), "--annotate", str(tmp_path / "out"), "--json", url=tidegate.url
        )
        assert done.returncode == 0, done.stderr
        (answer,) = lines_of(done.stdout)
        upright = tmp_path / "upright.jpg"
        upright.write_bytes(photo_of("damage"))
        _check_picture(Path(answer["annotated"]), upright, answer)

    def test_for_a_person(self, tidegate: RunningTidegate, tmp_path: Path) -> None:
        photo = tmp_path / "roof.jpg"
        photo.write_bytes(photo_of("damage"))
        done = command_line(
            "detect", str(photo), "--types", "damage", "--priority", "high", url=tidegate.url
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        for word in (str(photo), "completed", "damage", "v1.0.0", "correlation"):
            assert word in done.stdout

    def test_one_bad_photo_among_good_ones(self, tidegate: RunningTidegate, tmp_path: Path) -> None:
        paths = [tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg", "missing.jpg")]
        for path in paths[:3]:
            path.write_bytes(small_photo())
        paths[1].write_bytes(b"no photo at all")
        done = command_line("detect", *map(str, paths), "--types", "damage", url=tidegate.url)
        assert done.returncode == 1
        assert done.stdout.count("completed") == 2
        complaints = done.stderr.splitlines()
        assert len(complaints) == 2
        assert complaints[0].startswith(f"tidegate: {paths[1]}: photo is ")
        assert complaints[1].startswith(f"tidegate: {paths[3]}: ")

    def test_an_engine_that_fails_is_named(self, tidegate: RunningTidegate, tmp_path: Path) -> None:
        photo = tmp_path / "roof.jpg"
        photo.write_bytes(small_photo())
        arguments = ("--types", "damage,materials", "--release", "damage=1.1.0", "--json")
        done = command_line("detect", str(photo), *arguments, url=tidegate.url)
        assert done.returncode == 1
        (answer,) = lines_of(done.stdout)
        assert answer["status"] == "partial"
        assert set(answer["results"]) == {"materials"}
        assert "damage failed" in done.stderr

    def test_a_control_plane_that_is_not_there(self, tmp_path: Path) -> None:
        photo = tmp_path / "roof.jpg"
        photo.write_bytes(small_photo())
        url = f"http://127.0.0.1:{free_port()}"
        done = command_line("detect", str(photo), url=url)
        assert done.returncode == 1
        assert url in done.stderr
        assert "tidegate up" in done.stderr

    def test_the_samples_show_what_they_are_named_for(self, tidegate: RunningTidegate) -> None:
        assert {path.name.partition("-")[0] for path in SAMPLES} == {"roof", "site", "pile"}
        done = command_line("detect", *map(str, SAMPLES), "--json", url=tidegate.url)
        assert done.returncode == 0, done.stderr
        results = {Path(a["photo"]).stem: a["results"] for a in lines_of(done.stdout)}
        assert results["roof-1"]["damage"]["detections"]
        for name, found in results.items():
            if name.startswith("site"):
                assert found["materials"]["items"], name
            if name.startswith("pile"):
                assert found["volume"]["volume_m3"] > 0, name


def without_budgets(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in engine.items() if name != "retry_budget_remaining"}
        for engine in answer["engines"]
    ]


class TestOverviews:
    def test_engines(self, tidegate: RunningTidegate) -> None:
        shown = command_line("engines", url=tidegate.url)
        assert shown.returncode == 0
        for engine in ("damage", "materials", "volume"):
            assert engine in shown.stdout
        printed = json.loads(command_line("engines", "--json", url=tidegate.url).stdout)
        # What may be tried again falls by itself as the requests before it grow old.
        assert without_budgets(printed) == without_budgets(tidegate.get("/api/v1/engines"))

    def test_releases(self, tidegate: RunningTidegate) -> None:
        done = command_line("releases", "damage", "--json", url=tidegate.url)
        releases = {one["release"]: one for one in json.loads(done.stdout)["releases"]}
        assert releases["1.1.0"]["pins"]["damage_detector"] == 2
        unknown = command_line("releases", "roofs", url=tidegate.url)
        assert unknown.returncode == 1
        assert "roofs" in unknown.stderr

    def test_status(self, tidegate: RunningTidegate) -> None:
        done = command_line("status", "--json", url=tidegate.url)
        assert done.returncode == 0
        status = json.loads(done.stdout)
        assert status["status"] == "ok"
        assert {instance["state"] for instance in status["fleet"]} == {"ready"}
        watched = command_line("status", "--times", "2", "--interval", "0.1", url=tidegate.url)
        assert watched.returncode == 0
        assert watched.stdout.count("Tidegate") == 2

    def test_fleet(self, tidegate: RunningTidegate) -> None:
        shown = command_line("fleet", url=tidegate.url)
        assert shown.returncode == 0
        for name, url in tidegate.triton_urls.items():
            assert name in shown.stdout
            assert url in shown.stdout
        printed = json.loads(command_line("fleet", "--json", url=tidegate.url).stdout)
        assert {one["name"] for one in printed["instances"]} == set(tidegate.triton_urls)

    def test_doctor(self, tidegate: RunningTidegate, settings_file: Path) -> None:
        done = command_line("doctor", "--config", str(settings_file), "--json")
        assert done.returncode == 0, done.stdout
        diagnosis = json.loads(done.stdout)
        assert diagnosis["ok"]
        assert any("control plane" in check["name"] for check in diagnosis["checks"])

    def test_config_show(self, tidegate: RunningTidegate, settings_file: Path) -> None:
        done = command_line("config", "show", "--config", str(settings_file), "--json")
        assert done.returncode == 0
        settings = json.loads(done.stdout)["settings"]
        assert settings["http.port"] == {
            "value": tidegate.http_port,
            "origin": f"file {settings_file}",
        }
        assert settings["log.level"]["origin"] == "default"

    def test_config_check(self, settings_file: Path) -> None:
        assert command_line("config", "check", "--config", str(settings_file)).returncode == 0
        settings_file.write_text("http: {port: 99999}\n")
        done = command_line("config", "check", "--config", str(settings_file))
        assert done.returncode == 1
        for word in ("http.port", str(settings_file), "65535"):
            assert word in done.stderr


@pytest.fixture
def settings_file(tidegate: RunningTidegate, tmp_path: Path) -> Path:
    """The settings of the Tidegate that runs, as a file."""
    path = tmp_path / "tidegate.yaml"
    settings = {
        "http": {"port": tidegate.http_port},
        "grpc": {"port": tidegate.grpc_port},
        "embedded": {"base_port": tidegate.triton_base_port, "tritons": tidegate.tritons},
        "model_repository": str(tidegate.model_repository),
        "state_dir": str(tmp_path / f"state-{uuid.uuid4()}"),
    }
    path.write_text(json.dumps(settings))  # JSON is YAML
    return path


def _check_picture(picture: Path, photo: Path, answer: dict) -> None:
    """Below the legend lies the photo, changed around its boxes and nowhere far from them."""
    assert answer["status"] == "completed"
    detections = answer["results"]["damage"]["detections"]
    assert_finds(found_in(detections), scene("damage").boxes)
    with Image.open(picture) as opened, Image.open(photo) as original:
        assert opened.format == "JPEG"
        assert opened.width == SIZE[0]
        assert opened.height > SIZE[1]
        below = opened.crop((0, opened.height - SIZE[1], *opened.size)).convert("RGB")
        changed = np.abs(np.asarray(below, int) - np.asarray(original.convert("RGB"), int))
    changed = changed.max(axis=2) > 60
    for found in detections:
        box = found["box"]
        left, right = (round(box[edge]) for edge in ("x_min", "x_max"))
        top, bottom = (round(box[edge]) for edge in ("y_min", "y_max"))
        frame = changed[max(top - 3, 0) : bottom + 3, max(left - 3, 0) : right + 3]
        assert frame.mean() > 0.02, f"nothing is drawn around {found}"
    assert changed.mean() < 0.5
