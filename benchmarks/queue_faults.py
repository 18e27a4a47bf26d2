"""Accepted jobs against their ends, while everything around them fails: none may be lost.

Starts the servers that are needed and real processes: one that accepts jobs, workers, and a
receiver of results; does what each scenario of ``tests/integration/queue_faults`` says while jobs
are under way, and holds the ledger of what was accepted against the store and the receipts. Prints
one table of what was promised and what was counted. Ends with 1 if a promise was broken.

    python benchmarks/queue_faults.py [--jobs 5000] [--backend NAME] [--only WORD]
                                      [--markdown FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.faults import as_json  # noqa: E402
from tests.integration.faults.shown import Shown  # noqa: E402
from tests.integration.queue_faults.priorities import share_by_priority  # noqa: E402
from tests.integration.queue_faults.scenarios import SCENARIOS, play  # noqa: E402
from tests.integration.queue_faults.stage import Backend, Servers  # noqa: E402

PRIORITIES = "priorities"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--jobs", type=int, default=5000, help="in each scenario (5000)")
    parser.add_argument("--backend", choices=list(Backend), action="append", help="only this one")
    parser.add_argument("--only", default="", help="scenarios with this word in their name")
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    backends = [Backend(name) for name in options.backend or list(Backend)]
    shown = []
    for one in run_all(backends, options.only, options.jobs):
        told = f"{one.fault}: {', '.join(map(str, one.figures))}"
        print(f"{datetime.now(UTC):%H:%M:%S} {told}", file=sys.stderr, flush=True)
        shown.append(one)
        # After each: a run of hours leaves what it has found so far.
        if options.markdown:
            options.markdown.write_text(as_markdown(shown, options.jobs))
        if options.json:
            options.json.write_text(json.dumps([as_json(one) for one in shown], indent=2))
    if not shown:
        sys.exit(f"no scenario of these backends has {options.only!r} in its name")
    print(as_markdown(shown, options.jobs))
    broken = [words for one in shown for words in one.broken()]
    sys.exit("\n".join(broken) if broken else 0)


def run_all(backends: list[Backend], only: str, jobs: int) -> Iterator[Shown]:
    """What each scenario has shown, as soon as it has."""
    servers = Servers()
    try:
        for backend in backends:
            for name, scenario in SCENARIOS.items():
                if only not in name or backend not in scenario.backends:
                    continue
                print(f"{backend}: {scenario.what} …", file=sys.stderr, flush=True)
                with tempfile.TemporaryDirectory() as folder:
                    yield play(scenario, backend, servers, Path(folder) / "run", jobs=jobs)
            if only in PRIORITIES:
                with tempfile.TemporaryDirectory() as folder:
                    yield share_by_priority(backend, servers, Path(folder) / "run", jobs=jobs)
    finally:
        servers.remove()


def as_markdown(shown: list[Shown], jobs: int) -> str:
    rows = [
        f"{datetime.now(UTC):%d %B %Y}; {jobs} jobs in each; {machine()}",
        "",
        "| backend: what went wrong | accepted | completed | partial | dead letters | lost, never "
        "ended, another end or other results | results with two contents, or never arrived "
        "| killed | asked again | handed out for nothing | sent again | took |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in shown:
        found = {figure.name: figure for figure in one.figures}
        if "accepted" not in found:
            measured = "; ".join(map(str, one.figures))
            rows.append(f"| {one.fault} | {measured} |" + " |" * 10)
            continue
        amount = {name: f"{figure.value:,.0f}" for name, figure in found.items()}
        bad = ("lost", "never ended", "with another end", "with other results")
        lost = sum(found[name].value for name in bad)
        wrong = found["with two contents"].value + found["never arrived"].value
        cells = [
            one.fault,
            *(amount[name] for name in ("accepted", "completed", "partial", "dead letters")),
            f"**{lost:.0f}**",
            f"**{wrong:.0f}**",
            *(amount[name] for name in ("killed", "asked again", "handed out for nothing")),
            amount["sent again"],
            f"{found['took'].value:.0f} s",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    broken = [words for one in shown for words in one.broken()]
    rows += ["", *(f"- broken: {words}" for words in broken)] if broken else []
    return "\n".join(rows) + "\n"


def machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("aio-pika", "aiobotocore", "moto"))
    return (
        f"Python {platform.python_version()}, {versions}; {os.cpu_count()} cores, with all "
        f"processes and servers on them."
    )


if __name__ == "__main__":
    main()
