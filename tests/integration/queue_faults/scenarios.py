"""What goes wrong while jobs are accepted, worked on and handed over; one function each.

All are held to the same promises, those of ``checking``: what was accepted ends, as it should, and
its result arrives with one content. ``benchmarks/queue_faults.py`` does them with more jobs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from control_plane.services.jobs import attempt, intake
from tests.integration.faults.shown import Shown
from tests.integration.queue_faults.receiver import BAD
from tests.integration.queue_faults.running import Run, Script, ledger
from tests.integration.queue_faults.stage import (
    Backend,
    Servers,
    small_disk,
    staged,
)

SQL_FILES = (Backend.SQLITE, Backend.SQS)
NETWORKED = (Backend.POSTGRES, Backend.RABBITMQ, Backend.SQS)
DISK = "6m"
AWAY_S = 10.0
DOWN_S = 3.0
FULL_S = 5.0
CUTS = 12
POISON = (
    ("empty", b"", False),
    ("no JSON", b"{", False),
    ("a list", b"[1, 2]", False),
    ("no photo", b'{"correlation_id": "plain.0"}', False),
    ("no text", b"\xff\xfe\x00", False),
    *(
        (
            f"another service's {number}",
            f'{{"photo_url": "file:///a.jpg", "correlation_id": "plain.a{number}"}}'.encode(),
            True,
        )
        for number in range(5)
    ),
)
"""What other services put on the queue, by its id, and whether it is an order."""


NO_DEATHS = Script(jobs=0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """what: for people. inject: what is done to a run. script: beside the number of jobs.

    backends: where it makes sense. through: what is reached through a proxy. is_on_small_disk:
    whether the store is. max_attempts: of a job, if fewer than usual are to do. copies: of each
    order. takes_s: each detection.
    """

    what: str
    backends: tuple[Backend, ...] = tuple(Backend)
    script: Script = NO_DEATHS
    inject: Callable[[Run], None] = lambda _: None
    through: str = ""
    is_on_small_disk: bool = False
    max_attempts: int | None = None
    copies: int = 1
    takes_s: float = 0.0


def play(
    scenario: Scenario, backend: Backend, servers: Servers, folder: Path, *, jobs: int
) -> Shown:
    """Raises PermissionError where no small disk can be had."""
    if scenario.is_on_small_disk and backend in SQL_FILES:
        with small_disk(folder / "disk", DISK) as disk:
            return _play(scenario, backend, servers, folder, jobs=jobs, store_folder=disk)
    return _play(scenario, backend, servers, folder, jobs=jobs)


def _play(
    scenario: Scenario,
    backend: Backend,
    servers: Servers,
    folder: Path,
    *,
    jobs: int,
    store_folder: Path | None = None,
) -> Shown:
    with staged(
        backend,
        servers,
        folder / "run",
        is_queue_proxied=scenario.through == "queue",
        is_store_proxied=scenario.through == "store" or _is_queue_in_store(scenario, backend),
        store_folder=store_folder,
    ) as stage:
        place = replace(stage.place, copies=scenario.copies, takes_s=scenario.takes_s)
        if scenario.max_attempts is not None:
            place = replace(place, max_attempts=scenario.max_attempts)
        script = replace(scenario.script, jobs=jobs)
        return ledger(replace(stage, place=place), script, scenario.what, scenario.inject)


def _is_queue_in_store(scenario: Scenario, backend: Backend) -> bool:
    return scenario.through == "queue" and backend is Backend.POSTGRES


def kill_at_random(run: Run) -> None:
    """Workers die at any moment, and not only between steps."""
    rng = Random(run.script.seed)
    run.wait_accepted(0.1)
    for _ in range(6):
        time.sleep(rng.uniform(0.2, 0.8))
        run.workers.kill_one(rng.randrange(2))


def restart_broker(run: Run) -> None:
    """In good order, as for an upgrade; the database at once, as if its machine had failed."""
    servers = run.stage.servers
    run.wait_accepted(0.3)
    match run.stage.backend:
        case Backend.RABBITMQ:
            servers.rabbitmq.stop()
            time.sleep(DOWN_S)
            servers.rabbitmq.start()
        case Backend.POSTGRES:
            servers.postgres.stop()
            time.sleep(DOWN_S)
            servers.postgres.start()
        case _:
            cut_off(run, DOWN_S)


def cut_off(run: Run, seconds: float) -> None:
    """Whatever is reached through the proxy is not reached for so long."""
    proxy = run.stage.queue_proxy or run.stage.store_proxy
    assert proxy is not None
    proxy.refuse()
    proxy.cut()
    time.sleep(seconds)
    proxy.accept()


def cut_in_publish(run: Run) -> None:
    """In the middle of what is sent: of messages, of statements."""
    _cut(run, lambda rng: {"to_server_bytes": rng.randrange(200, 4000)})


def cut_in_ack(run: Run) -> None:
    """The server has done what it was asked, and its answer does not arrive."""
    _cut(run, lambda rng: {"to_client_bytes": 1})


def _cut(run: Run, after: Callable[[Random], dict[str, int]]) -> None:
    rng = Random(run.script.seed)
    proxy = run.stage.queue_proxy or run.stage.store_proxy
    assert proxy is not None
    run.wait_accepted(0.1)
    for _ in range(CUTS):
        proxy.cut_after(**after(rng))
        time.sleep(rng.uniform(0.1, 0.6))


def take_store_away(run: Run) -> None:
    """Nobody reaches it for ten seconds; SQLite's file is held by somebody else as long."""
    run.wait_accepted(0.3)
    if run.stage.store_proxy is not None:
        cut_off(run, AWAY_S)
        return
    path = run.stage.place.store.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        time.sleep(AWAY_S)
        holder.execute("ROLLBACK")


def fill_disk(run: Run) -> None:
    """Not a byte is left, and after a while there is room again."""
    run.wait_accepted(0.3)
    if run.stage.backend is Backend.RABBITMQ:
        run.stage.servers.rabbitmq.control("set_disk_free_limit", str(10**16))
        time.sleep(FULL_S)
        run.stage.servers.rabbitmq.control("set_disk_free_limit", "10MB")
        return
    ballast = Path(run.stage.place.store.removeprefix("sqlite:///")).with_name("ballast")
    end_s = time.monotonic() + FULL_S
    with ballast.open("wb", buffering=0) as file:
        # What is freed meanwhile is taken, too.
        while time.monotonic() < end_s:
            try:
                file.write(bytes(4096))
            except OSError:
                time.sleep(0.01)
    ballast.unlink()


SCENARIOS: dict[str, Scenario] = {
    "kill-steps": Scenario(
        "workers killed at each step of a job",
        script=Script(0, deaths=[(step, 4 + 2 * at) for at, step in enumerate(attempt.STEPS)]),
    ),
    "kill-any": Scenario("workers killed at any moment", inject=kill_at_random),
    "kill-intake": Scenario(
        "the control plane killed at each step of accepting",
        script=Script(
            0,
            intake_deaths=[(f"intake {step}", 2 if step == "kept" else 5) for step in intake.STEPS],
        ),
    ),
    "restart": Scenario(
        "the broker stopped and started", backends=NETWORKED, inject=restart_broker, through="queue"
    ),
    "cut-publish": Scenario(
        "the connection cut in mid-publish",
        backends=NETWORKED,
        inject=cut_in_publish,
        through="queue",
    ),
    "cut-ack": Scenario(
        "the connection cut in mid-ack", backends=NETWORKED, inject=cut_in_ack, through="queue"
    ),
    "store-away": Scenario(
        "the store not reached for 10 s", inject=take_store_away, through="store"
    ),
    "full-disk": Scenario(
        "the disk full",
        backends=(Backend.SQLITE, Backend.RABBITMQ, Backend.SQS),
        inject=fill_disk,
        is_on_small_disk=True,
    ),
    "duplicates": Scenario("each order published three times", copies=3),
    "poison": Scenario(
        "messages that are no orders, and jobs that kill their workers",
        script=Script(0, deadly=1, messages=POISON),
        max_attempts=5,
        takes_s=0.3,
    ),
    "slow-webhook": Scenario(
        "a receiver slow, refusing, hanging up", script=Script(0, manners=BAD)
    ),
}
