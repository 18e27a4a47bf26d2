"""A real MLflow server in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from tests.integration.tritons import free_base_port

START_TIMEOUT_S = 90.0


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Its address, from when it answers. Its tables and artifacts lie in the folder."""
    port = free_base_port(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
               "--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}",
               "--artifacts-destination", str(folder / "artifacts")]  # fmt: skip
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
                   "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # fmt: skip
    # Its own group: it starts workers, which would outlive it.
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_until_it_answers(process, f"{url}/health", folder / "log")
        yield url
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(15)


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    gives_up_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except (URLError, OSError):
            if process.poll() is not None or time.monotonic() > gives_up_s:
                raise AssertionError(f"mlflow server: {log.read_text()[-3000:]}") from None
        time.sleep(0.1)
