"""What callers notice when Tritons die, hang, lie, slow down, fill up or flap.

Starts two real Tritons behind a Tidegate with the settings it is shipped with, asks at a steady
pace by the official client, does to the fleet what each scenario of
``tests/integration/faults/scenarios`` says, and prints one table of what was promised and what
was measured. Ends with 1 if a promise was broken.

    python benchmarks/faults.py [--only WORD] [--flapping-s 60] [--markdown FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial as bound
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.integration.faults.scenarios import (  # noqa: E402
    dying,
    flapping,
    lying,
    overload,
    partial,
    slowing,
)
from tests.integration.faults.shown import Figure, Shown  # noqa: E402
from tests.integration.faults.stage import calm, photo_fleet, staged_fleet  # noqa: E402
from tests.integration.running import RunningTidegate  # noqa: E402

Scenario = Callable[[RunningTidegate], Shown]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", default="", help="scenarios with this word in their name")
    parser.add_argument("--flapping-s", type=float, default=60, help="length of a flapping (60)")
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    shown = []
    for one in run_all(options.only, options.flapping_s):
        print(f"{one.fault}: {', '.join(map(str, one.figures))}", file=sys.stderr, flush=True)
        shown.append(one)
    if not shown:
        sys.exit(f"no scenario has {options.only!r} in its name")
    table = as_markdown(shown)
    print(table)
    if options.markdown:
        options.markdown.write_text(table)
    if options.json:
        options.json.write_text(json.dumps([as_json(one) for one in shown], indent=2))
    broken = [words for one in shown for words in one.broken()]
    sys.exit("\n".join(broken) if broken else 0)


def run_all(only: str, flapping_s: float) -> Iterator[Shown]:
    """What each scenario has shown, as soon as it has."""
    staged: dict[str, Scenario] = {
        "kill": dying.kill_one,
        "hang": dying.hang_one,
        "stub": lying.kill_stub,
        "unload": lying.unload_component,
        "slow": slowing.slow_one,
        "overload": overload.overload,
        "partial": partial.engine_dead_everywhere,
        "all": dying.kill_all,
        "flap-stopping": bound(flapping.flap_by_stopping, for_s=flapping_s),
        "flap-failing": bound(flapping.flap_by_failing, for_s=flapping_s),
    }
    photos: dict[str, Scenario] = {
        "stub-detector": lying.kill_detector,
        "stub-preprocess": lying.kill_preprocess,
    }
    for start, scenarios in ((staged_fleet, staged), (photo_fleet, photos)):
        chosen = [scenario for name, scenario in scenarios.items() if only in name]
        if not chosen:
            continue
        with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as tidegate:
            for scenario in chosen:
                calm(tidegate)
                yield scenario(tidegate)


def as_markdown(shown: list[Shown], what: str = "fault") -> str:
    """what: of the first column."""
    rows = [
        f"{datetime.now(UTC):%d %B %Y}; {machine()}",
        "",
        f"| {what} | promised | measured |",
        "| --- | --- | --- |",
    ]
    for one in shown:
        promised = "; ".join(
            f"{figure.name} {figure.bound}" for figure in one.figures if figure.bound
        )
        measured = "; ".join(_measured(figure) for figure in one.figures)
        rows.append(f"| {one.fault} | {promised} | {measured} |")
    return "\n".join(rows) + "\n"


def _measured(figure: Figure) -> str:
    return str(figure) if figure.is_kept() else f"**{figure}: broken**"


def as_json(shown: Shown) -> dict[str, object]:
    figures = [
        {
            "name": figure.name,
            "value": figure.value,
            "unit": figure.unit,
            "promised": figure.bound,
            "is_kept": figure.is_kept(),
        }
        for figure in shown.figures
    ]
    return {"fault": shown.fault, "figures": figures, "failures": dict(shown.failures)}


def machine() -> str:
    return (
        f"Python {platform.python_version()}, the Triton of nvidia-pytriton "
        f"{version('nvidia-pytriton')}, grpcio {version('grpcio')}, "
        f"tritonclient {version('tritonclient')}; {os.cpu_count()} cores, with client, control "
        f"plane and both Tritons on them."
    )


if __name__ == "__main__":
    main()
