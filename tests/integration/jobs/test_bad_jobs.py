"""What a person would try on jobs: each mistake is told, and costs only itself."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.integration.jobs.asking import accepted, act, finished, job_of, submit
from tests.integration.photos import small_photo
from tests.integration.running import RunningTidegate, command_line, wait_until

pytestmark = pytest.mark.triton

INSIDE = (
    "https://127.0.0.1/a.jpg",
    "https://localhost/a.jpg",
    "https://2130706433/a.jpg",
    "https://0x7f000001/a.jpg",
    "https://0x7f.1/a.jpg",
    "https://0177.0.0.1/a.jpg",
    "https://127.1/a.jpg",
    "https://[::1]/a.jpg",
    "https://[::ffff:127.0.0.1]/a.jpg",
    "https://[::ffff:7f00:1]/a.jpg",
    "https://[64:ff9b::7f00:1]/a.jpg",
    "https://169.254.169.254/latest/meta-data",
    "https://10.0.0.1/a.jpg",
    "https://192.168.0.1/a.jpg",
    "https://LOCALHOST./a.jpg",
)


def lost(tidegate: RunningTidegate, photo_root: Path) -> str:
    """A job whose photo is not there: a dead letter."""
    place = photo_root / f"{uuid.uuid4()}.jpg"
    request_id = accepted(submit(tidegate, photo_url=place.as_uri(), detection_types=["damage"]))
    assert finished(tidegate, request_id)["status"] == "failed"
    return request_id


def problem_of(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    problem: dict[str, Any] = response.json()
    assert problem["code"] == code
    return problem


def test_a_photo_that_is_not_there_is_unprocessable_at_once_and_can_be_replayed(
    tidegate: RunningTidegate, photo_root: Path
) -> None:
    request_id = lost(tidegate, photo_root)
    job = job_of(tidegate, request_id)
    assert job["dead"] == "unprocessable"
    assert job["attempts"] == 1
    assert job["error"]["code"] == "photo_not_found"
    dead = command_line("jobs", "dead", "--json", url=tidegate.url)
    assert request_id in dead.stdout
    # The person puts the photo there.
    Path(job["photo_url"].removeprefix("file://")).write_bytes(small_photo())
    replayed = command_line("jobs", "replay", request_id, url=tidegate.url)
    assert replayed.returncode == 0, replayed.stderr
    assert finished(tidegate, request_id)["status"] == "completed"
    assert job_of(tidegate, request_id)["run"] == 1
    again = act(tidegate, f"{request_id}/replay")
    assert "completed" in problem_of(again, 409, "conflict")["detail"]


def test_a_discarded_job_is_no_dead_letter_any_more(
    tidegate: RunningTidegate, photo_root: Path
) -> None:
    request_id = lost(tidegate, photo_root)
    assert act(tidegate, f"{request_id}/discard", reason="the roof is gone").status_code == 200
    assert job_of(tidegate, request_id)["dead"] is None
    problem_of(act(tidegate, f"{request_id}/discard"), 409, "conflict")
    audit = tidegate.get("/api/v1/audit")["entries"]
    assert any(one["reason"] == "the roof is gone" for one in audit)


def test_replaying_many_needs_a_filter(tidegate: RunningTidegate, photo_root: Path) -> None:
    problem_of(act(tidegate, "replay"), 400, "invalid_argument")
    request_id = lost(tidegate, photo_root)
    done = act(tidegate, "replay", code="photo_not_found", limit=100)
    assert request_id in done.json()["ids"]
    assert finished(tidegate, request_id)["status"] == "failed"
    assert job_of(tidegate, request_id)["run"] == 1


def test_an_id_of_nothing(tidegate: RunningTidegate) -> None:
    nobody = str(uuid.uuid4())
    problem_of(act(tidegate, f"{nobody}/replay"), 404, "not_found")
    shown = command_line("jobs", "show", nobody, url=tidegate.url)
    assert shown.returncode == 1
    assert nobody in shown.stderr


def test_a_photo_of_300_megabytes(tidegate: RunningTidegate) -> None:
    problem = problem_of(
        submit(tidegate, b"\xff\xd8" + bytes(300 * 1024 * 1024)), 413, "photo_too_large"
    )
    assert str(2 * 1024 * 1024) in problem["detail"]


def test_no_image(tidegate: RunningTidegate) -> None:
    problem_of(submit(tidegate, b"a letter from my aunt"), 422, "photo_invalid")


def test_a_place_that_no_photo_may_come_from(tidegate: RunningTidegate) -> None:
    problem = problem_of(
        submit(tidegate, photo_url="s3://secrets/roof.jpg"), 403, "photo_forbidden"
    )
    assert "photos." in problem["detail"]


def test_an_address_inside_is_no_host_that_is_allowed(tidegate: RunningTidegate) -> None:
    for url in INSIDE:
        problem = problem_of(submit(tidegate, photo_url=url), 403, "photo_forbidden")
        assert "photos.https_hosts" in problem["detail"], url


def test_a_key_that_no_header_should_hold(tidegate: RunningTidegate) -> None:
    headers = {"idempotency-key": "k" * 300}
    problem = problem_of(submit(tidegate, small_photo(), headers=headers), 400, "invalid_argument")
    assert "255" in problem["detail"]
    assert problem["field"].lower() == "idempotency-key"


def test_neither_what_was_refused_nor_what_is_done_is_kept(tidegate: RunningTidegate) -> None:
    def kept() -> set[str]:
        folder = tidegate.folder / "state" / "uploads"
        return {one.name.strip(".").partition(".")[0] for one in folder.iterdir()}

    headers = {"idempotency-key": str(uuid.uuid4())}
    request_id = accepted(submit(tidegate, small_photo(), headers=headers))
    other = submit(tidegate, small_photo(), headers=headers, detection_types="volume")
    problem_of(other, 409, "conflict")
    assert finished(tidegate, request_id)["status"] == "completed"
    dead = {one["id"] for one in tidegate.get("/api/v1/jobs?dead=any&limit=500")["jobs"]}
    wait_until(lambda: not kept() - dead, what=f"no upload is left: {kept()}")
