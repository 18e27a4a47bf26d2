"""What callers notice when releases move: forwards, back, and back by themselves.

Starts two real Tritons behind a Tidegate, asks at a steady pace by the official client without
a version, moves the engine as each scenario of ``tests/integration/rollouts/scenarios`` says,
and prints one table of what was promised and what was measured. Ends with 1 if a promise was
broken.

    python benchmarks/rollouts.py [--only WORD] [--min-step-s 10] [--times 3] [--markdown FILE]
                                  [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial as bound
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.faults import as_json, as_markdown  # noqa: E402
from tests.integration.faults.shown import Shown  # noqa: E402
from tests.integration.rollouts.scenarios.moving import (  # noqa: E402
    promote_and_roll_back,
    take_back_at,
)
from tests.integration.rollouts.scenarios.turning import FAULTS, turn_back  # noqa: E402
from tests.integration.rollouts.stage import rollout_fleet  # noqa: E402
from tests.integration.rollouts.steering import Steering  # noqa: E402
from tests.integration.running import RunningTidegate  # noqa: E402

Scenario = Callable[[RunningTidegate], Shown]

SHARES_PERCENT = (5, 50)
"""Of a bad release's only step."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", default="", help="scenarios with this word in their name")
    parser.add_argument("--min-step-s", type=float, default=10, help="of a good release (10)")
    parser.add_argument("--times", type=int, default=1, help="how often each is done (1)")
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    shown = []
    for one in run_all(options.only, options.min_step_s, options.times):
        print(f"{one.fault}: {', '.join(map(str, one.figures))}", file=sys.stderr, flush=True)
        shown.append(one)
    if not shown:
        sys.exit(f"no scenario has {options.only!r} in its name")
    table = as_markdown(shown, "what was done")
    print(table)
    if options.markdown:
        options.markdown.write_text(table)
    if options.json:
        options.json.write_text(json.dumps([as_json(one) for one in shown], indent=2))
    broken = [words for one in shown for words in one.broken()]
    sys.exit("\n".join(broken) if broken else 0)


def run_all(only: str, min_step_s: float, times: int) -> Iterator[Shown]:
    """What each scenario has shown, as soon as it has."""
    scenarios: dict[str, Scenario] = {
        "promote": bound(promote_and_roll_back, min_step_s=min_step_s, min_samples=100),
        "back-50": bound(take_back_at, percent=50),
        "back-100": bound(take_back_at, percent=100),
    } | {
        f"{fault.metric}-{percent}": bound(turn_back, fault=fault, percent=percent)
        for fault in FAULTS
        for percent in SHARES_PERCENT
    }
    chosen = [scenario for name, scenario in scenarios.items() if only in name] * times
    if not chosen:
        return
    with tempfile.TemporaryDirectory() as folder, rollout_fleet(Path(folder)) as tidegate:
        for scenario in chosen:
            Steering(tidegate.url).back_to_start()
            yield scenario(tidegate)


if __name__ == "__main__":
    main()
