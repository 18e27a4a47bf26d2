"""A whole Tidegate with photos from S3, hosts that it may ask, and a Redis for its results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.integration.bad_inputs import complete_request
from tests.integration.jobs.asking import accepted, finished, job_of, submit
from tests.integration.photos import photo_of
from tests.integration.repositories import copy_engines
from tests.integration.running import RunningTidegate, options_of
from tests.servers.aws import AwsServer
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.triton

HTTP_DETECT = "/api/v1/orchestrator/detect"
# What the setting allows by mistake, the check of the addresses does not.
DISGUISED = ("127.1", "2130706433", "0x7f000001", "localhost")


class Site:
    """tidegate: one that may read ``bucket``, in which ``roof.jpg`` lies."""

    def __init__(self, tidegate: RunningTidegate, aws: AwsServer, bucket: str) -> None:
        self.tidegate = tidegate
        self.bucket = bucket
        self._aws = aws

    def ask(self, url: str) -> httpx.Response:
        body = complete_request() | {"photo_url": url}
        return httpx.post(self.tidegate.url + HTTP_DETECT, json=body, timeout=60)

    def served(self, key: str) -> dict[str, Any]:
        """Who answered for a photo of the bucket."""
        response = self.ask(f"s3://{self.bucket}/{key}")
        assert response.status_code == httpx.codes.OK, response.text
        served: dict[str, Any] = response.json()["served_by"]["damage"]
        return served

    def put(self, key: str, photo: bytes) -> None:
        self._aws.put_object(self.bucket, key, photo)


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, aws: AwsServer, redis: RedisServer
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("sources")
    bucket = aws.new_bucket()
    settings = {
        "cache.kind": "redis",
        "cache.url": redis.url,
        "photos.buckets": [bucket],
        "photos.https_hosts": list(DISGUISED),
        "s3.endpoint_url": aws.endpoint_url,
        "s3.region": aws.region,
        "s3.path_style": True,
        "s3.access_key_id": aws.access_key_id,
        "s3.secret_access_key": aws.secret_access_key,
        "requests.timeout_s": 40,
        "requests.engine_timeout_s": 30,
        "fleet.observe_timeout_s": 5,
    }
    repository = copy_engines(folder / "models", "damage")
    running = RunningTidegate(folder / "run", repository, 1, settings=options_of(settings))
    running.start()
    try:
        running.wait_ready()
        yield Site(running, aws, bucket)
    finally:
        running.stop()


@contextmanager
def stalled(redis: RedisServer) -> Iterator[None]:
    redis.stall()
    try:
        yield
    finally:
        redis.resume()


def test_a_photo_of_the_bucket_is_looked_at_once(site: Site) -> None:
    site.put("roof.jpg", photo_of("damage"))
    first = site.served("roof.jpg")
    assert (first["cached"], first["attempts"]) == (False, 1)
    again = site.served("roof.jpg")
    assert (again["cached"], again["attempts"]) == (True, 0)
    assert again["release"] == first["release"]


def test_what_is_replaced_in_the_bucket_is_another_photo(site: Site) -> None:
    site.put("replaced.jpg", photo_of("damage", quality=80))
    assert not site.served("replaced.jpg")["cached"]
    site.put("replaced.jpg", photo_of("damage", quality=70))
    assert not site.served("replaced.jpg")["cached"]


def test_a_redis_that_hangs_is_no_error(site: Site, redis: RedisServer) -> None:
    site.put("hanging.jpg", photo_of("damage", quality=60))
    with stalled(redis):
        for _ in range(5):
            assert not site.served("hanging.jpg")["cached"]
    words = "the result cache does not answer"
    told = [line for line in site.tidegate.log_lines() if line["event"] == words]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("s3://{bucket}/none.jpg", "photo_not_found"),
        ("s3://others/roof.jpg", "photo_forbidden"),
        ("s3://{bucket}/../others/roof.jpg", "photo_forbidden"),
        ("s3://{bucket}", "invalid_argument"),
        *((f"https://{host}/roof.jpg", "photo_forbidden") for host in DISGUISED),
        ("https://127.0.0.1/roof.jpg", "photo_forbidden"),
        ("https://[::ffff:127.0.0.1]/roof.jpg", "photo_forbidden"),
        ("https://localhost@elsewhere.example/", "invalid_argument"),
        ("http://localhost/roof.jpg", "invalid_argument"),
    ],
)
def test_what_no_photo_comes_from(site: Site, url: str, code: str) -> None:
    response = site.ask(url.format(bucket=site.bucket))
    problem = response.json()
    assert (problem["code"], problem["field"]) == (code, "photo_url")
    assert "127.0.0.1" not in json.dumps(problem)


@pytest.mark.parametrize("host", DISGUISED)
def test_a_job_from_an_address_inside_is_unprocessable_at_once(site: Site, host: str) -> None:
    request_id = accepted(submit(site.tidegate, photo_url=f"https://{host}/roof.jpg"))
    answer = finished(site.tidegate, request_id)
    assert {error["code"] for error in answer["errors"].values()} == {"photo_forbidden"}
    job = job_of(site.tidegate, request_id)
    assert (job["dead"], job["attempts"]) == ("unprocessable", 1)
