"""Prints what mutmut has found, module by module, as Markdown; fails below the least score.

A mutant is caught when a test fails or does not end in time. Everything else counts against
the score: the survivors, those that no test reaches, and what mutmut itself finds suspicious.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

MUTANTS = Path(__file__).parent.parent / "mutants"
CORE = MUTANTS / "control_plane" / "core"
LEAST_SCORE = 0.85


def statuses(meta: Path) -> Counter[str]:
    """How many mutants of one module ended how."""
    exit_codes = json.loads(meta.read_text())["exit_code_by_key"].values()
    return Counter(status_by_exit_code[exit_code] for exit_code in exit_codes)


def row(name: str, found: Counter[str]) -> str:
    killed, timeouts, survived = found["killed"], found["timeout"], found["survived"]
    other = found.total() - killed - timeouts - survived
    return (
        f"| {name} | {found.total()} | {killed} | {timeouts} | {survived} | {other} "
        f"| {score(found):.3f} |"
    )


def score(found: Counter[str]) -> float:
    return (found["killed"] + found["timeout"]) / found.total()


def main() -> None:
    modules = {
        str(meta.relative_to(CORE)).removesuffix(".py.meta"): statuses(meta)
        for meta in sorted(CORE.rglob("*.py.meta"))
    }
    modules = {name: found for name, found in modules.items() if found}
    if not modules:
        sys.exit("no mutants: run scripts/mutation.sh")
    print("| module | mutants | killed | timed out | survived | other | score |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, found in modules.items():
        print(row(f"`{name}`", found))
    everything = sum(modules.values(), Counter[str]())
    print(row("all", everything))
    if score(everything) < LEAST_SCORE:
        sys.exit(f"the score is below {LEAST_SCORE}")


if __name__ == "__main__":
    main()
