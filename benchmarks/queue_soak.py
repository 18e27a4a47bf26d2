"""A quarter of an hour at half of what the fleet can do, with faults at random: does it stay well?

Two workers of real parts, one of which is never killed, and its memory is sampled; who accepts
jobs, the other worker, the queue and the store are killed, cut off and stalled in a seeded order.
Afterwards the ledger is checked as in ``queue_faults.py``. Ends with 1 if a promise was broken, or
if memory after the warm-up grew by more than 5 %.

    python benchmarks/queue_soak.py [--minutes 15] [--backend rabbitmq] [--seed 1]
                                    [--markdown FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.faults import as_json  # noqa: E402
from benchmarks.queue_faults import machine  # noqa: E402
from tests.integration.faults.shown import Figure, Shown  # noqa: E402
from tests.integration.queue_faults.receiver import Manners  # noqa: E402
from tests.integration.queue_faults.running import Run, Script, ledger  # noqa: E402
from tests.integration.queue_faults.stage import Backend, Servers, staged  # noqa: E402
from tests.servers.proxy import Proxy  # noqa: E402

TAKES_S = 0.4
CONCURRENCY = 4
WORKERS = 2
PER_S = 0.5 * WORKERS * CONCURRENCY / TAKES_S
MANNERS = Manners(slow=0.02, slow_s=1.5, refuses=0.02, hangs_up=0.02)
STEADY, MORTAL = 0, 1
"""Of the workers: the one whose memory is sampled, and the one that is killed."""

PAUSE_S = (5.0, 15.0)
"""Between two faults."""

SAMPLE_EVERY_S = 2.0
WARM_UP = 0.25
MOST_GROWTH = 0.05


@dataclass
class Watched:
    """memory: bytes of the steady worker, with the second of the run. faults: how often each."""

    memory: list[tuple[float, int]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=15, help="length of the run (15)")
    parser.add_argument("--backend", choices=list(Backend), default=Backend.RABBITMQ)
    parser.add_argument("--seed", type=int, default=1, help="of the faults (1)")
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    parser.add_argument("--json", type=Path, help="write figures and samples here too")
    options = parser.parse_args()
    watched = Watched()
    shown = soak(Backend(options.backend), 60 * options.minutes, options.seed, watched)
    table = as_markdown(shown, watched, options.minutes, options.seed)
    print(table)
    if options.markdown:
        options.markdown.write_text(table)
    if options.json:
        document = as_json(shown) | {"memory": watched.memory, "faults": dict(watched.faults)}
        options.json.write_text(json.dumps(document, indent=2))
    sys.exit("\n".join(shown.broken()))


def soak(backend: Backend, seconds: float, seed: int, watched: Watched) -> Shown:
    servers = Servers()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            staged(
                backend,
                servers,
                Path(folder) / "run",
                is_queue_proxied=True,
                is_store_proxied=True,
            ) as stage,
        ):
            place = replace(stage.place, takes_s=TAKES_S, concurrency=CONCURRENCY)
            script = Script(
                round(PER_S * seconds), manners=MANNERS, per_s=PER_S, workers=WORKERS, seed=seed
            )
            shown = ledger(
                replace(stage, place=place),
                script,
                f"{seconds / 60:g} minutes at half capacity",
                lambda run: disturb(run, seconds, watched),
            )
    finally:
        servers.remove()
    faults = Figure("faults", sum(watched.faults.values()))
    return replace(shown, figures=(faults, *shown.figures, *memory_figures(watched, seconds)))


def disturb(run: Run, seconds: float, watched: Watched) -> None:
    """One fault after the other, until the time is over; memory is sampled meanwhile."""
    started_s, is_over = time.monotonic(), threading.Event()
    sampling = threading.Thread(target=sample, args=(run, started_s, watched, is_over))
    sampling.start()
    rng = Random(run.script.seed)
    faults = faults_of(run)
    try:
        while (left_s := started_s + seconds - time.monotonic()) > 0:
            time.sleep(min(left_s, rng.uniform(*PAUSE_S)))
            name = rng.choice(sorted(faults))
            print(f"{datetime.now(UTC):%H:%M:%S} {name}", file=sys.stderr, flush=True)
            faults[name](rng)
            watched.faults[name] += 1
    finally:
        is_over.set()
        sampling.join()


def sample(run: Run, started_s: float, watched: Watched, is_over: threading.Event) -> None:
    while not is_over.wait(SAMPLE_EVERY_S):
        watched.memory.append((time.monotonic() - started_s, run.workers.memory_bytes(STEADY)))


def faults_of(run: Run) -> dict[str, Callable[[Random], None]]:
    """By name; each returns when it is over."""
    faults: dict[str, Callable[[Random], None]] = {
        "a worker killed": lambda _: run.workers.kill_one(MORTAL),
        "the control plane killed": lambda _: run.submitter.kill_one(0),
    }
    for what, proxy in (("queue", run.stage.queue_proxy), ("store", run.stage.store_proxy)):
        if proxy is not None:
            faults |= faults_between(what, proxy)
    if run.stage.place.store.startswith("sqlite:///"):
        path = run.stage.place.store.removeprefix("sqlite:///")
        faults["the store locked"] = lambda rng: lock(path, rng.uniform(1, 8))
    return faults


def faults_between(what: str, proxy: Proxy) -> dict[str, Callable[[Random], None]]:
    def cut(rng: Random) -> None:
        proxy.cut_after(to_client_bytes=rng.randrange(1, 2000))

    def refuse(rng: Random) -> None:
        proxy.refuse()
        proxy.cut()
        time.sleep(rng.uniform(1, 8))
        proxy.accept()

    def stall(rng: Random) -> None:
        proxy.stall()
        time.sleep(rng.uniform(1, 8))
        proxy.flow()

    return {
        f"the {what}'s connection cut": cut,
        f"the {what} not reached": refuse,
        f"the {what} stalled": stall,
    }


def lock(path: str, seconds: float) -> None:
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        holder.execute("ROLLBACK")


def memory_figures(watched: Watched, seconds: float) -> tuple[Figure, ...]:
    """Medians of the first and the last third of what comes after the warm-up."""
    begin_s = WARM_UP * seconds
    third_s = (seconds - begin_s) / 3
    first = [size for at_s, size in watched.memory if begin_s <= at_s < begin_s + third_s]
    last = [size for at_s, size in watched.memory if at_s >= seconds - third_s]
    if not first or not last:
        return (Figure("memory samples", len(watched.memory), at_least=10),)
    before, after = statistics.median(first), statistics.median(last)
    return (
        Figure("memory after the warm-up", before / 2**20, "MiB"),
        Figure("memory at the end", after / 2**20, "MiB"),
        Figure("growth", after / before - 1, at_most=MOST_GROWTH),
    )


def as_markdown(shown: Shown, watched: Watched, minutes: float, seed: int) -> str:
    rows = [
        f"{datetime.now(UTC):%d %B %Y}; {minutes:g} minutes, {PER_S:g} jobs/s, seed {seed}; "
        f"{machine()}",
        "",
        f"Faults: {', '.join(f'{name} {count} times' for name, count in watched.faults.items())}.",
        "",
        "| what | promised | measured |",
        "| --- | --- | --- |",
    ]
    for figure in shown.figures:
        value = str(figure).removeprefix(f"{figure.name} ")
        measured = value if figure.is_kept() else f"**{value}: broken**"
        rows.append(f"| {figure.name} | {figure.bound} | {measured} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
