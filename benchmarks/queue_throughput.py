"""What the queue itself does: jobs a second and processor time of each, with a fleet that costs
nothing.

For each backend one process accepts jobs, durably, and after that one worker does them: photo,
claim, answer, all stored. Beside them, in the same run and on the same RabbitMQ, the least that
could be done: aio-pika alone publishes and consumes as many messages (``bare_aio_pika.py``), which
keeps nothing of a job. Several rounds, medians, Markdown.

    python benchmarks/queue_throughput.py [--jobs 2000] [--rounds 3] [--backend NAME]
                                          [--markdown FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.bare_aio_pika import bare  # noqa: E402
from benchmarks.queue_faults import machine  # noqa: E402
from control_plane.core.detections import Priority  # noqa: E402
from tests.integration.queue_faults.assembly import Place, opened  # noqa: E402
from tests.integration.queue_faults.checking import OPEN  # noqa: E402
from tests.integration.queue_faults.plan import plain_jobs  # noqa: E402
from tests.integration.queue_faults.processes import supervised  # noqa: E402
from tests.integration.queue_faults.programs import work  # noqa: E402
from tests.integration.queue_faults.stage import Backend, Servers, staged  # noqa: E402
from tests.integration.queue_faults.submitting import accept_all  # noqa: E402

BARE = "bare aio-pika"
EQUAL = dict.fromkeys(Priority, 1)
CONCURRENCY = 16


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one path: jobs a second, and milliseconds of the processor for each."""

    accepted_per_s: float
    accepted_cpu_ms: float
    done_per_s: float
    done_cpu_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--jobs", type=int, default=2000, help="in each round (2000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all paths (3)")
    parser.add_argument("--backend", choices=list(Backend), action="append", help="only this one")
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    backends = [Backend(name) for name in options.backend or list(Backend)]
    rounds: dict[str, list[Figures]] = {}
    for path, figures in measure_all(backends, jobs=options.jobs, rounds=options.rounds):
        print(f"{path}: {figures}", file=sys.stderr, flush=True)
        rounds.setdefault(path, []).append(figures)
    medians = {path: median(found) for path, found in rounds.items()}
    table = as_markdown(medians, options.jobs, options.rounds)
    print(table)
    if options.markdown:
        options.markdown.write_text(table)
    if options.json:
        options.json.write_text(json.dumps(as_json(medians), indent=2))


def measure_all(
    backends: list[Backend], *, jobs: int, rounds: int
) -> Iterator[tuple[str, Figures]]:
    servers = Servers()
    try:
        for _ in range(rounds):
            yield BARE, measure_bare(servers.rabbitmq.url(), jobs)
            for backend in backends:
                with tempfile.TemporaryDirectory() as folder:
                    yield backend.value, measure(backend, servers, Path(folder) / "run", jobs)
    finally:
        servers.remove()


def measure_bare(url: str, jobs: int) -> Figures:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (published_s, published_cpu_s), (consumed_s, consumed_cpu_s) = pool.apply(bare, (url, jobs))
    return figures_of(jobs, published_s, published_cpu_s, consumed_s, consumed_cpu_s)


def measure(backend: Backend, servers: Servers, folder: Path, jobs: int) -> Figures:
    planned = plain_jobs(EQUAL, jobs, seed=jobs)
    with staged(backend, servers, folder) as stage:
        place = replace(stage.place, is_noted=False, concurrency=CONCURRENCY)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            accepted_s, accepted_cpu_s = pool.apply(accept_all, (place, planned))
        with supervised(work, then=(place,)) as worker:
            done_s, done_cpu_s = asyncio.run(until_done(place, worker.pids()[0], jobs))
    return figures_of(jobs, accepted_s, accepted_cpu_s, done_s, done_cpu_s)


async def until_done(place: Place, pid: int, jobs: int) -> tuple[float, float]:
    """From the first job that is done to the last, on the clock and of the worker's processor."""
    process = psutil.Process(pid)
    async with opened(place) as parts:
        begun: tuple[float, float, int] | None = None
        while True:
            figures = await parts.jobs.figures()
            left = sum(figures.states.get(state, 0) for state in OPEN)
            times = process.cpu_times()
            now = time.monotonic(), times.user + times.system
            if begun is None and left < jobs:
                begun = (*now, jobs - left)
            if begun is not None and left == 0:
                # As if all had been done at this pace.
                scale = jobs / (jobs - begun[2])
                return (now[0] - begun[0]) * scale, (now[1] - begun[1]) * scale
            await asyncio.sleep(0.1)


def figures_of(
    jobs: int, accepted_s: float, accepted_cpu_s: float, done_s: float, done_cpu_s: float
) -> Figures:
    return Figures(
        accepted_per_s=jobs / accepted_s,
        accepted_cpu_ms=1000 * accepted_cpu_s / jobs,
        done_per_s=jobs / done_s,
        done_cpu_ms=1000 * done_cpu_s / jobs,
    )


def median(found: list[Figures]) -> Figures:
    return Figures(
        *(
            statistics.median(getattr(figures, name) for figures in found)
            for name in Figures.__slots__
        )
    )


def as_markdown(medians: dict[str, Figures], jobs: int, rounds: int) -> str:
    rows = [
        f"{datetime.now(UTC):%d %B %Y}; {jobs} jobs, medians of {rounds} rounds; {machine()}",
        "",
        "| path | accepted/s | of bare | CPU ms each | done/s | of bare | CPU ms each |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    least = medians[BARE]
    for path, one in medians.items():
        rows.append(
            f"| {path} | {one.accepted_per_s:,.0f} "
            f"| {one.accepted_per_s / least.accepted_per_s:.2f} | {one.accepted_cpu_ms:.2f} "
            f"| {one.done_per_s:,.0f} | {one.done_per_s / least.done_per_s:.2f} "
            f"| {one.done_cpu_ms:.2f} |"
        )
    return "\n".join(rows) + "\n"


def as_json(medians: dict[str, Figures]) -> list[dict[str, object]]:
    return [
        {"path": path} | {name: getattr(one, name) for name in Figures.__slots__}
        for path, one in medians.items()
    ]


if __name__ == "__main__":
    main()
