"""S3 and SQS of the tests' own: moto as a server. What it holds is in memory, gone with it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

from tests.servers.ports import free_port

# Shaped like real ones, so that a test can look for them where they must not be.
ACCESS_KEY_ID = "AKIATIDEGATETESTS123"
SECRET_ACCESS_KEY = "correct-horse-battery-staple-of-the-tests"
REGION = "eu-west-1"
MISSING = "moto's server is missing here; pip install 'moto[server]' gets it"
START_TIMEOUT_S = 60


def has_moto() -> bool:
    return all(importlib.util.find_spec(name) for name in ("moto", "flask"))


class AwsServer:
    """moto on a free port. Names are fresh for each test: it is shared by all of them."""

    region = REGION
    access_key_id = ACCESS_KEY_ID
    secret_access_key = SECRET_ACCESS_KEY

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = 0

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process that is to find this server is given."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
            # It would look for a machine's own credentials, where there is no such machine.
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> None:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, "moto ended while it started"
            assert time.monotonic() < give_up_at, "moto did not start in time"
            time.sleep(0.1)

    def stop(self) -> None:
        """With everything that it holds."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def new_name(self, kind: str = "test") -> str:
        """For a bucket, or in front of the names of queues: nobody else has it."""
        self._names += 1
        return f"{kind}-{os.getpid()}-{self._names}"

    def new_bucket(self) -> str:
        """The name of an empty bucket."""
        name = self.new_name("bucket")
        # moto does not look at signatures, so that no client is needed here.
        body = (
            "<CreateBucketConfiguration><LocationConstraint>"
            f"{REGION}</LocationConstraint></CreateBucketConfiguration>"
        )
        self._put(f"/{name}", body.encode())
        return name

    def put_object(self, bucket: str, key: str, content: bytes) -> None:
        self._put(f"/{bucket}/{key}", content)

    def _put(self, path: str, body: bytes) -> None:
        request = urllib.request.Request(self.endpoint_url + path, data=body, method="PUT")
        # By it moto knows which service is meant.
        scope = f"{ACCESS_KEY_ID}/20260101/{REGION}/s3/aws4_request"
        request.add_header("Content-Type", "application/octet-stream")
        request.add_header("Authorization", f"AWS4-HMAC-SHA256 Credential={scope}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/moto-api/", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False
