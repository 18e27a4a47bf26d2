"""``detect --async``: photos are kept, ids are printed, and the key goes along."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.unit.cli.conftest import encoded
from tests.unit.cli.plane import ANSWER, Plane, Reply, problem

Tidegate = Callable[..., Result]
DETECT = "/api/v1/orchestrator/detect"
QUEUED = {
    **ANSWER,
    "status": "queued",
    "results": {},
    "model_versions": {},
    "processing_time_ms": 0.0,
}


def key_of(key: str, photo: Path) -> str:
    return f"{key}:{hashlib.sha256(photo.read_bytes()).hexdigest()[:16]}"


@pytest.fixture(autouse=True)
def accepting(plane: Plane) -> None:
    plane.replies[DETECT] = Reply(QUEUED, 202)


def test_the_id_is_printed_and_nobody_waits(tidegate: Tidegate, plane: Plane, photo: Path) -> None:
    options = ["--async", "--deadline", "600", "--idempotency-key", "k", "--url", plane.url]
    result = tidegate("detect", photo, *options)
    assert result.exit_code == 0
    assert result.stdout == f"{photo}  queued  r-1\n"
    (seen,) = plane.seen
    assert seen.headers["prefer"] == "respond-async"
    assert seen.headers["x-request-timeout-s"] == "600"
    assert seen.headers["idempotency-key"] == key_of("k", photo)
    shown = json.loads(tidegate("detect", photo, *options, "--json").stdout)
    assert (shown["request_id"], shown["status"]) == ("r-1", "queued")


def test_a_photo_of_several_has_the_key_that_it_has_alone(
    tidegate: Tidegate, plane: Plane, photo: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jpg"
    other.write_bytes(encoded((64, 48)))
    tidegate("detect", photo, other, "--async", "--idempotency-key", "k", "--url", plane.url)
    keys = {seen.headers["idempotency-key"] for seen in plane.seen}
    assert keys == {key_of("k", photo), key_of("k", other)}
    tidegate("detect", other, "--async", "--idempotency-key", "k", "--url", plane.url)
    assert plane.seen[-1].headers["idempotency-key"] == key_of("k", other)


def test_without_async_a_key_goes_along_and_the_answer_is_waited_for(
    tidegate: Tidegate, plane: Plane, photo: Path
) -> None:
    plane.replies[DETECT] = Reply(ANSWER)
    result = tidegate("detect", photo, "--idempotency-key", "k", "--url", plane.url)
    assert "completed" in result.stdout
    assert plane.seen[0].headers["idempotency-key"] == key_of("k", photo)
    assert "prefer" not in plane.seen[0].headers


def test_the_id_of_what_is_done_already_is_printed_too(
    tidegate: Tidegate, plane: Plane, photo: Path
) -> None:
    plane.replies[DETECT] = Reply(ANSWER, 202)
    options = ["--async", "--idempotency-key", "k", "--url", plane.url]
    head = tidegate("detect", photo, *options).stdout.splitlines()[0]
    assert head.startswith(f"{photo}  completed  ")
    assert head.endswith("  r-1")


def test_a_photo_that_is_refused_is_told(tidegate: Tidegate, plane: Plane, photo: Path) -> None:
    plane.replies[DETECT] = problem(503, "queue_unavailable", "the queue does not answer")
    result = tidegate("detect", photo, "--async", "--url", plane.url)
    assert result.exit_code == 1
    assert "the queue does not answer" in result.stderr


def test_a_job_that_is_kept_all_the_same_is_followed_and_not_sent_again(
    tidegate: Tidegate, plane: Plane, photo: Path
) -> None:
    kept = {"request_id": "r-7", "retry_after_s": 2.0}
    plane.replies[DETECT] = problem(503, "queue_unavailable", "away; it is stored", **kept)
    result = tidegate("detect", photo, "--async", "--url", plane.url)
    assert result.exit_code == 1
    assert f"(follow it: tidegate jobs watch r-7 --url {plane.url})" in result.stderr
    assert "try again" not in result.stderr
    shown = json.loads(tidegate("detect", photo, "--async", "--json", "--url", plane.url).stdout)
    assert shown["error"]["request_id"] == "r-7"


@pytest.mark.parametrize(
    "options", [["--async", "--timeout", "3"], ["--async", "--annotate", "x"], ["--deadline", "3"]]
)
def test_what_makes_no_sense_together_is_wrong_usage(
    tidegate: Tidegate, photo: Path, options: list[str]
) -> None:
    assert tidegate("detect", photo, *options).exit_code == 2
