"""REST against real Tritons: detection both ways, orientation, status, the offline page."""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.matching import Found, assert_finds, found_in, overlap_of
from tests.integration.photos import SIZE, photo_of, scene, small_photo, turned
from tests.integration.running import RunningTidegate, wait_until

pytestmark = pytest.mark.triton

DETECT = "/api/v1/orchestrator/detect"
KEYS = {
    "request_id",
    "detection_id",
    "correlation_id",
    "photo_id",
    "status",
    "results",
    "errors",
    "processing_time_ms",
    "model_versions",
    "served_by",
    "timestamp",
}


def test_a_name_that_was_made_to_lead_here_reaches_nothing(tidegate: RunningTidegate) -> None:
    port = tidegate.http_port
    for path in ("/", "/api/v1/fleet", "/metrics"):
        refused = httpx.get(tidegate.url + path, headers={"Host": f"rebound.example:{port}"})
        assert (refused.status_code, refused.json()["field"]) == (421, "Host")
        known = httpx.get(tidegate.url + path, headers={"Host": f"localhost:{port}"})
        assert known.status_code == 200


class TestMultipart:
    def test_the_whole_answer(self, tidegate: RunningTidegate, engines: tuple[str, ...]) -> None:
        photo_id = str(uuid.uuid4())
        response = tidegate.detect(
            photo_of("damage"),
            detection_types=",".join(engines),
            priority="high",
            photo_id=photo_id,
            metadata=f'{{"project_id": "{uuid.uuid4()}"}}',
        )
        assert response.status_code == 200
        answer = response.json()
        assert set(answer) == KEYS
        assert answer["status"] == "completed"
        assert answer["photo_id"] == photo_id
        assert answer["model_versions"] == dict.fromkeys(engines, "v1.0.0")
        assert answer["errors"] == {}
        assert answer["processing_time_ms"] > 0
        assert set(answer["results"]["volume"]) == {"volume_m3", "confidence"}
        assert set(answer["results"]["damage"]) == {"detections", "counts"}
        assert set(answer["results"]["materials"]) == {"items", "counts"}

    @pytest.mark.parametrize(("engine", "key"), [("damage", "detections"), ("materials", "items")])
    def test_what_was_drawn_is_found(
        self, tidegate: RunningTidegate, engine: str, key: str
    ) -> None:
        findings = _findings(tidegate, photo_of(engine), engine)
        assert_finds(found_in(findings[key]), scene(engine).boxes)
        assert sum(findings["counts"].values()) == len(findings[key])

    def test_a_pile_has_a_volume(self, tidegate: RunningTidegate) -> None:
        assert _findings(tidegate, photo_of("volume"), "volume")["volume_m3"] > 0

    def test_a_release_that_does_not_serve_leaves_the_others(
        self, tidegate: RunningTidegate
    ) -> None:
        response = tidegate.detect(
            small_photo(), detection_types="damage,materials", release="damage=1.1.0"
        )
        assert response.status_code == 200
        answer = response.json()
        assert answer["status"] == "partial"
        assert set(answer["results"]) == {"materials"}
        assert answer["errors"]["damage"]["code"] == "release_not_ready"

    def test_no_engine_that_answers_is_a_problem_with_the_reasons(
        self, tidegate: RunningTidegate
    ) -> None:
        response = tidegate.detect(small_photo(), detection_types="damage", release="damage=canary")
        assert response.status_code == 503
        problem = response.json()
        assert problem["detection_status"] == "failed"
        assert problem["code"] == problem["errors"]["damage"]["code"] == "release_not_ready"


class TestOrientation:
    @pytest.mark.parametrize("orientation", [6, 8, 3])
    def test_a_photo_held_sideways_has_the_same_boxes(
        self, tidegate: RunningTidegate, orientation: int
    ) -> None:
        """JPEG's blocks fall otherwise on the turned photo, so a few pixels may differ."""
        upright = _boxes(tidegate, photo_of("damage"))
        sideways = _boxes(tidegate, turned("damage", orientation))
        sure = [one for one in upright if one.confidence > 0.4]
        assert sure
        for one in sure:
            assert any(
                one.name == other.name and overlap_of(one.box, other.box) > 0.8
                for other in sideways
            ), f"{one} is not among {sideways}"
        width, height = SIZE
        assert all(one.box[2] <= width and one.box[3] <= height for one in sideways)


class TestPhotoUrl:
    def test_a_file_below_an_allowed_root(
        self, tidegate: RunningTidegate, photo_root: Path
    ) -> None:
        path = photo_root / "2024 Süd" / "roof #1.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photo_of("damage"))
        photo_id = str(uuid.uuid4())
        response = httpx.post(
            tidegate.url + DETECT,
            json={
                "photo_id": photo_id,
                "photo_url": path.as_uri(),
                "detection_types": ["damage", "material"],
                "priority": "low",
                "metadata": {"project_id": str(uuid.uuid4()), "user_id": str(uuid.uuid4())},
            },
            timeout=60,
        )
        assert response.status_code == 200
        answer = response.json()
        assert answer["photo_id"] == photo_id
        assert set(answer["results"]) == {"damage", "materials"}
        sent = _findings(tidegate, photo_of("damage"), "damage")
        assert answer["results"]["damage"] == sent


class TestStatus:
    def test_probes(self, tidegate: RunningTidegate) -> None:
        assert tidegate.get("/healthz") == {"status": "ok"}
        assert tidegate.get("/readyz") == {"status": "ok", "not_ready": []}

    def test_health(self, tidegate: RunningTidegate, engines: tuple[str, ...]) -> None:
        everywhere = sorted(tidegate.triton_urls)

        def is_everywhere() -> bool:
            shown = tidegate.get("/api/v1/orchestrator/health")["engines"].values()
            return all(sorted(engine["ready_on"]) == everywhere for engine in shown)

        # Ready is when one Triton of two has proved each engine; the other may be at it.
        wait_until(is_everywhere, what="every engine proved on every Triton")
        health = tidegate.get("/api/v1/orchestrator/health")
        assert health["status"] == "ok"
        assert health["instances"] == dict.fromkeys(tidegate.triton_urls, "ready")
        assert set(health["engines"]) == set(engines)

    def test_models_and_engines_say_the_same(self, tidegate: RunningTidegate) -> None:
        models = tidegate.get("/api/v1/orchestrator/models")
        assert models == tidegate.get("/api/v1/engines")
        damage = next(engine for engine in models["engines"] if engine["name"] == "damage")
        assert damage["stable"] == "1.0.0"
        assert {release["release"] for release in damage["releases"]} == {"1.0.0", "1.1.0"}

    def test_releases_of_an_engine(self, tidegate: RunningTidegate) -> None:
        answer = tidegate.get("/api/v1/engines/damage/releases")
        stable = next(one for one in answer["releases"] if one["is_stable"])
        assert stable["pins"]["damage_detector"] == 1
        assert stable["weight_bp"] == 10_000

    def test_fleet(self, tidegate: RunningTidegate) -> None:
        for instance in tidegate.instances():
            assert instance["url"] == tidegate.triton_urls[instance["name"]]
            assert instance["state"] == "ready"
            assert instance["serving"]["damage"] == ["1.0.0"]
            assert instance["observed_ago_s"] < 30

    def test_the_docs_page_needs_no_internet(self, tidegate: RunningTidegate) -> None:
        page = httpx.get(f"{tidegate.url}/docs")
        assert page.status_code == 200
        assert not re.search(r"https?://|src=\"//|href=\"//", page.text)
        references = re.findall(r"(?:src|href)=\"(/[^\"]+)\"", page.text)
        assert references
        for reference in references:
            assert httpx.get(tidegate.url + reference).status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy

    def test_openapi_describes_every_path(self, tidegate: RunningTidegate) -> None:
        paths = tidegate.get("/openapi.json")["paths"]
        assert {DETECT, "/healthz", "/readyz", "/api/v1/fleet"} <= set(paths)

    def test_a_path_that_is_none(self, tidegate: RunningTidegate) -> None:
        response = httpx.get(f"{tidegate.url}/api/v1/nothing")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "not_found"


def test_eight_at_once_are_answered_alike(tidegate: RunningTidegate) -> None:
    """Batches form under load; a photo's answer must not depend on its company."""
    photos = [photo_of("damage"), photo_of("materials")] * 12
    alone = {photo: _boxes(tidegate, photo) for photo in set(photos)}
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda photo: _boxes(tidegate, photo), photos))
    for photo, found in zip(photos, together, strict=True):
        assert [one.name for one in found] == [one.name for one in alone[photo]]
        for one, other in zip(found, alone[photo], strict=True):
            assert overlap_of(one.box, other.box) > 0.95
    tidegate.wait_idle()


def _findings(tidegate: RunningTidegate, photo: bytes, engine: str) -> Any:
    response = tidegate.detect(photo, detection_types=engine)
    assert response.status_code == 200, response.text
    return response.json()["results"][engine]


def _boxes(tidegate: RunningTidegate, photo: bytes) -> list[Found]:
    return found_in(_findings(tidegate, photo, "damage")["detections"])
