"""Jobs outlive who accepted them and who works on them: real processes, killed and stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.integration.jobs.asking import accepted, finished, job_of, submit
from tests.integration.jobs.settings import HURRIED
from tests.integration.jobs.working import Crew
from tests.integration.photos import photo_of, small_photo
from tests.integration.repositories import copy_engines
from tests.integration.running import RunningTidegate, options_of, wait_until

pytestmark = pytest.mark.triton

JOBS = 24


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTidegate]:
    """One Triton, one engine, and nobody here who works on jobs."""
    folder = tmp_path_factory.mktemp("jobs")
    running = RunningTidegate(
        folder,
        copy_engines(folder / "models", "damage"),
        1,
        options_of({**HURRIED, "jobs.work_here": False, "jobs.concurrency": 2}),
    )
    running.start()
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def crew(small: RunningTidegate) -> Iterator[Crew]:
    made = Crew(small)
    try:
        yield made
        made.none()
    finally:
        made.remove()


def submitted(tidegate: RunningTidegate, photo: bytes) -> list[str]:
    """Many at once, so that they wait."""
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(submit, tidegate, photo) for _ in range(JOBS)]
        return [accepted(one.result()) for one in sent]


def states_of(tidegate: RunningTidegate, ids: list[str]) -> set[str]:
    return {job_of(tidegate, one)["state"] for one in ids}


def ends_of(tidegate: RunningTidegate, ids: list[str]) -> set[str]:
    return {finished(tidegate, one)["status"] for one in ids}


def test_what_was_accepted_waits_for_a_worker_and_outlives_who_accepted_it(
    small: RunningTidegate, crew: Crew
) -> None:
    crew.none()
    ids = submitted(small, small_photo())
    assert states_of(small, ids) == {"queued"}
    small.remember_family()
    small.process.send_signal(signal.SIGKILL)
    small.process.wait()
    wait_until(lambda: not small.leftovers(), timeout_s=60, what="the guardian stopped the Triton")
    small.start()
    small.wait_ready()
    assert states_of(small, ids) == {"queued"}
    crew.one()
    assert ends_of(small, ids) == {"completed"}


def test_a_worker_tells_what_it_counts_and_whether_it_is_ready(
    small: RunningTidegate, crew: Crew
) -> None:
    worker = crew.one()
    ids = submitted(small, small_photo())
    assert ends_of(small, ids) == {"completed"}
    with httpx.Client(base_url=worker.url, trust_env=False) as client:
        assert client.get("/readyz").status_code == 200
        counted = client.get("/metrics").text
        succeeded = 'tidegate_job_deliveries_total{ending="completed"}'
        (line,) = (line for line in counted.splitlines() if line.startswith(succeeded))
        assert float(line.split()[1]) >= 1
        level = client.put("/api/v1/log-level", json={"level": "debug", "for_s": 60}).json()
        assert (level["level"], level["configured"]) == ("debug", "info")
        assert f"-{worker.process.pid}-" in level["plane"]
        client.put("/api/v1/log-level", json={"level": "info"})
    assert '"event":"log level changed"' in worker.log


def test_what_a_killed_worker_had_in_hand_is_done_by_another(
    small: RunningTidegate, crew: Crew
) -> None:
    killed = crew.one()
    ids = submitted(small, photo_of("damage"))
    with killed.caught_with(lambda: ids) as held:
        killed.kill()
    crew.one()
    assert ends_of(small, ids) == {"completed"}
    # The attempt that nobody has seen the end of was one.
    assert {job_of(small, one)["attempts"] for one in held} == {2}


def test_a_worker_that_is_told_to_stop_loses_nothing(small: RunningTidegate, crew: Crew) -> None:
    stopped = crew.one()
    ids = submitted(small, photo_of("damage"))
    with stopped.caught_with(lambda: ids):
        stopped.process.send_signal(signal.SIGTERM)
    stopped.wait_stopped()
    # What it had is done, or was given back; nobody has to wait for its claims to run out.
    left = states_of(small, ids)
    assert "queued" in left, "nothing was left to be lost"
    assert left <= {"queued", "completed"}
    crew.one()
    assert ends_of(small, ids) == {"completed"}
    attempts = {job_of(small, one)["attempts"] for one in ids}
    assert attempts == {1}, "an attempt was used up by a stop"
