"""What callers send in confidence is in no line of the log, no error and no picture of a job.

One Tidegate at its most talkative gets credentials, signed URLs and the bytes of photos in every
place where a caller can put them, well and badly; then everything that it wrote and shows is
searched for them.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator

import httpx
import pytest

from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from tests.integration.asking import DETECT as GRPC_DETECT
from tests.integration.asking import INFER, infer_request, refusal_of
from tests.integration.jobs.asking import accepted, finished
from tests.integration.photos import small_photo
from tests.integration.running import NO_CERTIFICATES, RunningTidegate, wait_until
from tests.servers.otlp import Collector

pytestmark = pytest.mark.triton

MARK = "kpt7"
"""In every secret here, and in nothing else."""
DETECT = "/api/v1/orchestrator/detect"
SIGNED = f"X-Amz-Credential=AK{MARK}&X-Amz-Signature=f00{MARK}&X-Amz-Security-Token=tok{MARK}"
URLS = (
    f"https://photos.invalid/roof.jpg?{SIGNED}",
    f"https://photos.invalid/roof.jpg?sv=2025&sig={MARK}%2F{MARK}",
    f"https://ada:pw{MARK}@photos.invalid/roof.jpg",
    f"https://ada:pw{MARK}/@photos.invalid/roof.jpg",
    f"https://pw{MARK}@photos.invalid/roof.jpg",
    f"https://elsewhere.invalid/roof.jpg?token={MARK}",
    f"https://photos.invalid:99999/roof.jpg?token={MARK}",
    f"https://photos.invalid/%zz?token={MARK}",
    f"https://photos.invalid/roof.jpg?token={MARK} with a space",
    f"https://photos.invalid/roof.jpg#token={MARK}",
    f"http://photos.invalid/roof.jpg?token={MARK}",
    f"ftp://ada:{MARK}@photos.invalid/roof.jpg",
    f"s3://roof-photos/roof.jpg?{SIGNED}",
    f"s3://AK{MARK}:secret{MARK}@roof-photos/roof.jpg",
    f"file:///etc/passwd?token={MARK}",
    f"//ada:{MARK}@photos.invalid",
    f"https://[::1?token={MARK}",
    f"data:image/jpeg;base64,{MARK}",
    f"https://photos.invalid/{'a' * 5000}?token={MARK}",
)
IN_CONFIDENCE = {
    "authorization": f"Bearer {MARK}.{MARK}",
    "cookie": f"session={MARK}",
    "proxy-authorization": f"Basic {MARK}",
    "x-api-key": MARK,
    "x-amz-security-token": MARK,
}
BROKEN = {
    "no photo": MARK.encode() * 50,
    "cut off": small_photo()[:200] + MARK.encode() * 50,
    "a comment": b"\xff\xd8\xff\xfe\x00\x0a" + MARK.encode() * 2 + b"\xff\xd9",
    "a PNG of nothing": b"\x89PNG\r\n\x1a\n" + MARK.encode() * 20,
}


@pytest.fixture(scope="module")
def talkative(tidegate: RunningTidegate) -> Iterator[RunningTidegate]:
    def set_level(level: str) -> None:
        httpx.put(
            f"{tidegate.url}/api/v1/log-level", json={"level": level}, verify=NO_CERTIFICATES
        ).raise_for_status()

    set_level("debug")
    yield tidegate
    set_level("info")


def post(tidegate: RunningTidegate, **sent: object) -> httpx.Response:
    headers = {**IN_CONFIDENCE, "x-correlation-id": f"quiet-{uuid.uuid4()}"}
    return httpx.post(
        tidegate.url + DETECT, headers=headers, timeout=60, verify=NO_CERTIFICATES, **sent
    )  # type: ignore[arg-type]


def check_silent(text: str, what: str) -> None:
    found = re.search(f".{{0,200}}{MARK}.{{0,50}}", text)
    assert found is None, f"{what}: {found and found[0]}"


def has_ended(tidegate: RunningTidegate, correlation_id: str) -> bool:
    # Not parsed: at debug there are many lines.
    lines = tidegate.log_file.read_text().splitlines()
    return any(correlation_id in line and '"event":"request"' in line for line in lines)


def check_log(tidegate: RunningTidegate, correlation_id: str) -> None:
    """Once the request's last line is there. And its spans, where it was traced."""
    wait_until(lambda: has_ended(tidegate, correlation_id), what="its last line is written")
    check_silent(tidegate.log_file.read_text(), "the log")
    traced = httpx.get(
        f"{tidegate.url}/api/v1/traces/{correlation_id}", timeout=20, verify=NO_CERTIFICATES
    )
    check_silent(traced.text, "the spans")


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_the_address_of_a_photo(talkative: RunningTidegate, url: str) -> None:
    answer = post(talkative, json={"photo_url": url})
    assert answer.status_code >= 400
    check_silent(answer.text, "the problem")
    metadata = tuple(IN_CONFIDENCE.items())
    _, words, trailing = refusal_of(
        talkative.grpc,
        GRPC_DETECT,
        pb.DetectRequest(photo_url=url).SerializeToString(),
        metadata=metadata,
    )
    check_silent(words + str(trailing), "the status")
    check_log(talkative, answer.headers["x-correlation-id"])


def test_the_address_of_a_photo_that_waits(talkative: RunningTidegate) -> None:
    answer = httpx.post(
        talkative.url + DETECT,
        json={"photo_url": URLS[0]},
        headers={"prefer": "respond-async", "x-request-timeout-s": "4", **IN_CONFIDENCE},
        verify=NO_CERTIFICATES,
    )
    job_id = accepted(answer)
    check_silent(json.dumps(finished(talkative, job_id)), "the answer")
    job = talkative.get(f"/api/v1/jobs/{job_id}")
    assert job["photo_url"] == "https://photos.invalid/roof.jpg?***"
    check_silent(json.dumps(job), "the job")
    check_silent(json.dumps(talkative.get("/api/v1/jobs?dead=failed")), "the dead letters")
    check_silent(talkative.log_file.read_text(), "the log")
    discarded = httpx.post(
        f"{talkative.url}/api/v1/jobs/{job_id}/discard", json={}, verify=NO_CERTIFICATES
    )
    assert discarded.status_code == 200, discarded.text


@pytest.mark.parametrize("kind", BROKEN)
def test_the_bytes_of_a_photo(talkative: RunningTidegate, kind: str) -> None:
    photo = BROKEN[kind]
    answer = post(talkative, files={"photo": ("roof.jpg", photo)})
    check_silent(answer.text, "the problem")
    _, words, _ = refusal_of(
        talkative.grpc, INFER, infer_request(photo, "damage").SerializeToString()
    )
    check_silent(words, "the status")
    check_log(talkative, answer.headers["x-correlation-id"])


def test_bodies_that_are_no_requests(talkative: RunningTidegate) -> None:
    for body in (
        f'{{"photo_url": "{MARK}',
        f'{{"password": "{MARK}"}}',
        json.dumps({"photo_url": URLS[0], "metadata": {"token": MARK}}),
        json.dumps({"photo_url": {"token": MARK}}),
        json.dumps([MARK]),
    ):
        answer = post(talkative, content=body)
        check_log(talkative, answer.headers["x-correlation-id"])
    for path in (f"/api/v1/{MARK}?token={MARK}", f"/api/v1/jobs?before={MARK}&token={MARK}"):
        answer = httpx.get(talkative.url + path, headers=IN_CONFIDENCE, verify=NO_CERTIFICATES)
        check_log(talkative, answer.headers["x-correlation-id"])


def test_what_is_shown_and_exported_afterwards(
    talkative: RunningTidegate, collector: Collector
) -> None:
    assert post(talkative, json={"photo_url": URLS[0]}).status_code == 502
    # What fails is exported, whatever its caller said of sampling.
    wait_until(lambda: collector.traces, what="a span is exported")
    check_silent(str(dict(collector.traces)), "the exported spans")
    for path in ("/metrics", "/api/v1/fleet", "/api/v1/audit", "/api/v1/orchestrator/health"):
        text = httpx.get(talkative.url + path, timeout=20, verify=NO_CERTIFICATES).text
        check_silent(text, path)
