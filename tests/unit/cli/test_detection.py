from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from cli.submission import pictures_for
from tests.unit.cli.conftest import encoded
from tests.unit.cli.plane import ANSWER, Plane, Reply, Seen, problem

Tidegate = Callable[..., Result]
DETECT = "/api/v1/orchestrator/detect"
PARTIAL = {
    **ANSWER,
    "status": "partial",
    "results": {"volume": {"volume_m3": 4.125, "confidence": 0.87}},
    "errors": {"damage": {"code": "backend_unavailable", "message": "no instance is ready"}},
}


def test_a_photo_is_sent_as_asked(tidegate: Tidegate, plane: Plane, photo: Path) -> None:
    result = tidegate(
        "detect", photo, "--types", "damage, volume", "--priority", "high", "--timeout", 7.5,
        "--release", "damage=1.1.0", "--release", "volume=stable", "--url", plane.url,
    )  # fmt: skip

    assert result.exit_code == 0
    seen = plane.seen[0]
    assert seen.form() == {
        "photo": photo.read_bytes(),
        "detection_types": b"damage,volume",
        "priority": b"high",
        "releases": b'{"damage": "1.1.0", "volume": "stable"}',
    }
    assert seen.headers["x-request-timeout-s"] == "7.5"
    assert len(seen.headers["x-correlation-id"]) == 36


def test_left_to_itself_every_engine_is_asked(
    tidegate: Tidegate, plane: Plane, photo: Path
) -> None:
    tidegate("detect", photo, "--url", plane.url)

    assert set(plane.seen[0].form()) == {"photo", "priority"}
    assert "x-request-timeout-s" not in plane.seen[0].headers


def test_people_read_what_was_found(tidegate: Tidegate, plane: Plane, photo: Path) -> None:
    result = tidegate("detect", photo, "--url", plane.url)

    assert f"{photo}  completed  42 ms" in result.stdout
    assert "damage       v1.0.0  1 hail" in result.stdout
    assert "volume       v1.0.0  4.12 m³ (confidence 0.87)" in result.stdout
    # By which feedback is given.
    assert ["request", ANSWER["request_id"]] in [
        line.split() for line in result.stdout.splitlines()
    ]
    assert result.stderr == ""


def test_people_read_which_release_could_not_answer(
    tidegate: Tidegate, plane: Plane, photo: Path
) -> None:
    served = {"release": "1.0.0", "instance": "triton-0", "attempts": 2}
    served_by = {
        "damage": served | {"fallback_from": "1.1.0"},
        "volume": served | {"fallback_from": None},
    }
    plane.replies[DETECT] = Reply({**ANSWER, "served_by": served_by})
    result = tidegate("detect", photo, "--url", plane.url)
    assert "damage       v1.0.0 for v1.1.0  1 hail" in result.stdout
    assert "volume       v1.0.0             4.12" in result.stdout


def test_scripts_read_one_line_a_photo_in_order(
    tidegate: Tidegate, plane: Plane, tmp_path: Path
) -> None:
    photos = [tmp_path / f"{number}.jpg" for number in range(6)]
    for number, path in enumerate(photos):
        path.write_bytes(encoded((64 + number, 48)))

    result = tidegate("detect", *photos, "--json", "--url", plane.url)

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line.pop("photo") for line in lines] == [str(path) for path in photos]
    assert lines == [ANSWER] * 6


def test_a_bad_photo_costs_only_itself(
    tidegate: Tidegate, plane: Plane, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no photo")

    def answer(seen: Seen) -> Reply:
        if seen.form()["photo"] == b"no photo":
            return problem(422, "photo_invalid", "this is no image", field="photo")
        return Reply(ANSWER)

    plane.replies[DETECT] = answer
    missing = tmp_path / "missing.jpg"
    arguments = ["detect", "notes.txt", photo, missing, tmp_path, "--url", plane.url]

    result = tidegate(*arguments)
    as_json = tidegate(*arguments, "--json")

    assert result.exit_code == 1
    assert "completed" in result.stdout
    assert result.stderr.splitlines() == [
        "tidegate: notes.txt: photo: this is no image [correlation id c-9]",
        f"tidegate: {missing}: cannot read the photo: no such file or directory",
        f"tidegate: {tmp_path}: cannot read the photo: is a directory",
    ]
    lines = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [line.get("status") for line in lines] == [None, "completed", None, None]
    assert lines[0]["error"] == {
        "code": "photo_invalid",
        "message": "this is no image",
        "field": "photo",
        "correlation_id": "c-9",
    }


def test_an_engine_that_failed_is_named_and_counts(
    tidegate: Tidegate, plane: Plane, photo: Path
) -> None:
    plane.replies[DETECT] = Reply(PARTIAL)

    result = tidegate("detect", photo, "--url", plane.url)

    assert result.exit_code == 1
    assert "4.12 m³" in result.stdout
    assert result.stderr == (
        f"tidegate: {photo}: damage failed: no instance is ready (backend_unavailable) "
        "[correlation id c-1]\n"
    )


def test_an_answer_without_any_engine_is_shown_engine_by_engine(
    tidegate: Tidegate, plane: Plane, photo: Path, tmp_path: Path
) -> None:
    body = {key: value for key, value in PARTIAL.items() if key not in {"status", "results"}}
    plane.replies[DETECT] = problem(
        503, "backend_unavailable", "no engine answered", detection_status="failed", **body
    )

    result = tidegate("detect", photo, "--json", "--annotate", tmp_path / "out", "--url", plane.url)

    line = json.loads(result.stdout)
    assert result.exit_code == 1
    assert line["status"] == "failed"
    assert line["errors"] == PARTIAL["errors"]
    assert not {"detail", "detection_status"} & set(line)
    assert Path(line["annotated"]).exists()


def test_the_words_of_engines_command_no_terminal(
    tidegate: Tidegate, plane: Plane, photo: Path
) -> None:
    failure = {"code": "backend_fault", "message": "\x9b31mred"}
    body = {**PARTIAL, "results": {}, "errors": {"damage": failure}}
    del body["status"]
    plane.replies[DETECT] = problem(
        502, "backend_fault", "no engine answered", detection_status="failed", **body
    )
    for options in ((), ("--json",)):
        result = tidegate("detect", photo, *options, "--url", plane.url)
        assert "\x9b" not in result.output


def test_a_control_plane_that_is_down_is_told_once(
    tidegate: Tidegate, photo: Path, free_port: int
) -> None:
    result = tidegate("detect", photo, photo, photo, "--url", f"http://127.0.0.1:{free_port}")

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "connection refused (is it running? tidegate up)" in result.stderr


def test_photos_under_way_are_bounded(tidegate: Tidegate, plane: Plane, photo: Path) -> None:
    lock, both_are_here = threading.Lock(), threading.Barrier(2)
    under_way: list[int] = [0, 0]

    def answer(_: Seen) -> Reply:
        with lock:
            under_way[0] += 1
            under_way[1] = max(under_way)
        both_are_here.wait(timeout=20)
        with lock:
            under_way[0] -= 1
        return Reply(ANSWER)

    plane.replies[DETECT] = answer

    result = tidegate("detect", *[photo] * 6, "--concurrency", 2, "--url", plane.url)

    assert result.exit_code == 0
    assert under_way[1] == 2


def test_a_picture_is_written_for_each_photo(
    tidegate: Tidegate, plane: Plane, photo: Path, tmp_path: Path
) -> None:
    result = tidegate("detect", photo, "--annotate", tmp_path / "a/b", "--url", plane.url)

    picture = tmp_path / "a/b/roof.annotated.jpg"
    assert str(picture) in result.stdout
    with Image.open(picture) as opened:
        assert opened.width == 640
        assert opened.height > 480
    assert [path.name for path in picture.parent.iterdir()] == ["roof.annotated.jpg"]


def test_a_picture_that_cannot_be_written_leaves_the_answer(
    tidegate: Tidegate, plane: Plane, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file, no folder")

    result = tidegate("detect", photo, "--annotate", tmp_path / "taken", "--url", plane.url)

    assert result.exit_code == 1
    assert "1 hail" in result.stdout
    assert f"{photo}: cannot write {tmp_path / 'taken' / 'roof.annotated.jpg'}" in result.stderr


def test_an_answer_that_never_comes_ends_with_the_deadline(
    tidegate: Tidegate, plane: Plane, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cli import submission

    released = threading.Event()

    def answer(_: Seen) -> Reply:
        released.wait(timeout=20)
        return Reply(ANSWER)

    plane.replies[DETECT] = answer
    monkeypatch.setattr(submission, "SLACK_S", 0.0)

    result = tidegate("detect", photo, "--timeout", 1, "--url", plane.url)
    released.set()

    assert result.exit_code == 1
    assert f"no answer from {plane.url} within 1 s" in result.stderr
    assert plane.seen[0].headers["x-correlation-id"] in result.stderr


def test_photos_of_one_name_get_pictures_of_their_own() -> None:
    pictures = pictures_for([Path("a/x.jpg"), Path("b/x.png"), Path("y.jpg")], Path("out"))

    assert pictures == [
        Path("out/x.annotated.jpg"),
        Path("out/x-2.annotated.jpg"),
        Path("out/y.annotated.jpg"),
    ]
