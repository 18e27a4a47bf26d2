"""A ``tidegate worker`` of its own process, in front of a Tidegate's Tritons."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.integration.running import ROOT, TIDEGATE, RunningTidegate, environment, wait_until

STOP_WITHIN_S = 60


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    tidegate: RunningTidegate
    name: str

    @property
    def log(self) -> str:
        return (self.tidegate.folder / f"{self.name}.jsonl").read_text()

    def wait_working(self) -> None:
        wait_until(lambda: '"working"' in self.log, timeout_s=60, what=f"it works: {self.log}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_WITHIN_S) == 0, self.log


@contextmanager
def worker_of(
    tidegate: RunningTidegate, name: str = "worker", settings: Mapping[str, str] | None = None
) -> Iterator[Worker]:
    """With the settings of that Tidegate, which it shares state and Tritons with."""
    instances = [
        {"name": triton, "grpc_url": url} for triton, url in sorted(tidegate.triton_urls.items())
    ]
    told = {
        **tidegate.settings,
        "TIDEGATE_INSTANCES": json.dumps(instances),
        "TIDEGATE_MODEL_REPOSITORY": str(tidegate.model_repository),
        "TIDEGATE_STATE_DIR": str(tidegate.folder / "state"),
        "TIDEGATE_LOG__FORMAT": "json",
        **(settings or {}),
    }
    with (tidegate.folder / f"{name}.jsonl").open("ab") as log:
        process = subprocess.Popen(
            [str(TIDEGATE), "worker"],
            env=environment(**told),
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    worker = Worker(process, tidegate, name)
    try:
        worker.wait_working()
        yield worker
    finally:
        if process.poll() is None:
            worker.kill()
