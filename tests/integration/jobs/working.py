"""``tidegate worker`` as processes of their own, in front of a Tidegate's Tritons."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.integration.jobs.asking import job_of
from tests.integration.running import ROOT, TIDEGATE, RunningTidegate, environment, wait_until

START_WITHIN_S = 120
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
        def is_working() -> bool:
            assert self.process.poll() is None, f"the worker ended: {self.log}"
            return '"event":"working"' in self.log

        wait_until(is_working, timeout_s=START_WITHIN_S, what="the worker works")

    @property
    def url(self) -> str:
        """Where it can be looked at."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return str(next(line["http"] for line in lines if line["event"] == "working"))

    def holds(self, job_id: str) -> bool:
        """Whether the job is in this process's hands: the name of a claim has its id."""
        claim = job_of(self.tidegate, job_id)["claim"]
        return claim is not None and f"-{self.process.pid}-" in claim["worker"]

    @contextmanager
    def caught_with(self, find: Callable[[], list[str]]) -> Iterator[list[str]]:
        """Frozen at a moment at which ``find`` gives some jobs in its hands; then it goes on."""

        def caught() -> list[str]:
            self.process.send_signal(signal.SIGSTOP)
            if held := [one for one in find() if self.holds(one)]:
                return held
            self.process.send_signal(signal.SIGCONT)
            return []

        held = wait_until(caught, timeout_s=60, what="the worker has a job in its hands")
        try:
            yield held
        finally:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """In good order, as an operator would."""
        self.process.send_signal(signal.SIGTERM)
        self.wait_stopped()

    def wait_stopped(self) -> None:
        assert self.process.wait(STOP_WITHIN_S) == 0, self.log


@dataclass
class Crew:
    """The workers of one Tidegate, whose state and Tritons they share: none, or one at a time.

    One that a test leaves working is there for the next test that needs one.
    """

    tidegate: RunningTidegate
    _worker: Worker | None = None
    _names: list[str] = field(default_factory=list)

    def one(self) -> Worker:
        """One that works."""
        if self._worker is None or self._worker.process.poll() is not None:
            self._worker = self._start(f"worker-{len(self._names)}")
        self._worker.wait_working()
        return self._worker

    def none(self) -> None:
        if self._worker is not None and self._worker.process.poll() is None:
            self._worker.stop()
        self._worker = None

    def remove(self) -> None:
        if self._worker is not None and self._worker.process.poll() is None:
            self._worker.kill()

    def _start(self, name: str) -> Worker:
        self._names.append(name)
        instances = [
            {"name": triton, "grpc_url": url}
            for triton, url in sorted(self.tidegate.triton_urls.items())
        ]
        told = {
            **self.tidegate.settings,
            "TIDEGATE_INSTANCES": json.dumps(instances),
            "TIDEGATE_MODEL_REPOSITORY": str(self.tidegate.model_repository),
            "TIDEGATE_STATE_DIR": str(self.tidegate.folder / "state"),
            "TIDEGATE_LOG__FORMAT": "json",
            "TIDEGATE_WORKER__HTTP_PORT": "0",
        }
        with (self.tidegate.folder / f"{name}.jsonl").open("ab") as log:
            process = subprocess.Popen(
                [str(TIDEGATE), "worker"],
                env=environment(**told),
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return Worker(process, self.tidegate, name)
