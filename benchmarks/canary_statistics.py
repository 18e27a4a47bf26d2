"""How often a healthy canary is rolled back, and how soon a bad one: three ways, one run.

Simulated rollouts, looked at every 100 requests, 1,000 requests a minute, with the whole of
``judge`` (all metrics, the default split of alpha). Beside it, on the same counts: a threshold
of 99 % success with five failed checks a minute apart, and a one-sided Mann-Whitney test at
0.01 on the rates of the minutes so far, repeated each minute. Prints Markdown and draws
``docs/images/canary_statistics.png``.

    python benchmarks/canary_statistics.py [--rollouts 10000] [--seed 1] [--quick] [--no-picture]

--quick: 200 rollouts, no picture; the figures are rough.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import canary_practices as practices  # noqa: E402
from benchmarks.canary_keys import Clients, false_alarms  # noqa: E402
from benchmarks.canary_rollouts import (  # noqa: E402
    PER_LOOK,
    Conclusions,
    Phase,
    Release,
    conclude,
    same_as_judge,
    simulate,
)
from control_plane.core.analysis import BUCKETS, AnalysisOptions, Metric  # noqa: E402

PICTURE = ROOT / "docs" / "images" / "canary_statistics.png"
OPTIONS = AnalysisOptions()
HOUR = 600  # looks
CHUNK = 250  # rollouts in memory at once
WAYS = ("tidegate", "threshold", "rank test")
BETAS = (2, 10, 50)  # concentrations


@dataclass(frozen=True, slots=True)
class Found:
    """Of each way: the canary's units at the rollback, infinite where there was none.

    errors: at tidegate's alarm of the errors; errors_first: had it put the whole of its stake
        on the first step; betas: had it bet by a Beta prior, by concentration.
    errors_clear, latency_clear, not_worse: when it found the errors, the latency, and then
        everything not worse.
    paused: the share of rollouts that it took for a broken split.
    """

    rolled_back: dict[str, NDArray[np.float64]]
    errors: NDArray[np.float64]
    errors_first: NDArray[np.float64]
    betas: dict[int, NDArray[np.float64]]
    errors_clear: NDArray[np.float64]
    latency_clear: NDArray[np.float64]
    not_worse: NDArray[np.float64]
    paused: float

    def share(self, way: str) -> float:
        return float(np.isfinite(self.rolled_back[way]).mean())


def run(phases: Sequence[Phase], rollouts: int, rng: np.random.Generator) -> Found:
    """Simulates so many rollouts, a chunk at a time, and judges them in the three ways."""
    chunks = []
    for done in range(0, rollouts, CHUNK):
        simulated = simulate(phases, min(CHUNK, rollouts - done), rng)
        found: Conclusions = conclude(simulated, OPTIONS)
        looks = {
            "tidegate": found.worse,
            "threshold": practices.threshold(simulated),
            "rank test": practices.rank_test(simulated, OPTIONS.alpha),
            "errors": found.alarms[Metric.ERRORS],
            "errors first": found.alarm_from_start,
            "errors clear": found.clears[Metric.ERRORS],
            "latency clear": found.clears[Metric.LATENCY],
            "not worse": found.not_worse,
            "split": found.alarms[Metric.SAMPLE_RATIO],
        }
        alpha = OPTIONS.alpha * OPTIONS.alpha_shares[Metric.ERRORS]
        for beta in BETAS:
            looks[f"beta {beta}"] = practices.beta_prior(simulated, alpha, beta)
        chunks.append({name: simulated.canary_units(look) for name, look in looks.items()})
    units = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    return Found(
        {way: units[way] for way in WAYS},
        units["errors"],
        units["errors first"],
        {beta: units[f"beta {beta}"] for beta in BETAS},
        units["errors clear"],
        units["latency clear"],
        units["not worse"],
        float(np.isfinite(units["split"]).mean()),
    )


def beta_buckets(mean: float, concentration: float = 11.0) -> tuple[float, ...]:
    """The chances of the buckets, for confidences that are Beta with this mean."""
    fine = (np.arange(BUCKETS * 50) + 0.5) / (BUCKETS * 50)
    density = fine ** (mean * concentration - 1) * (1 - fine) ** ((1 - mean) * concentration - 1)
    chances = density.reshape(BUCKETS, 50).sum(axis=1)
    return tuple(chances / chances.sum())


def slow_share(factor: float, sigma: float = 0.5) -> float:
    """How many are slower than stable's p95 if a lognormal latency grows by this factor."""
    normal = NormalDist()
    return 1 - normal.cdf(normal.inv_cdf(0.95) - np.log(factor) / sigma)


SURE = Release(confidence=beta_buckets(0.75))
HEALTHY = (
    ("fails 1 %, 5 % share, 60 minutes", (Phase(500, HOUR, SURE, SURE),)),
    ("fails 1 %, 50 % share, 60 minutes", (Phase(5_000, HOUR, SURE, SURE),)),
    (
        "fails 0.5 %, 5 % share, 60 minutes",
        (Phase(500, HOUR, replace(SURE, error=0.005), replace(SURE, error=0.005)),),
    ),
    (
        "fails 1 %, steps 1, 5, 25, 50 % of 15 minutes",
        tuple(Phase(weight, HOUR // 4, SURE, SURE) for weight in (100, 500, 2_500, 5_000)),
    ),
)


def of_a_step(
    weight_bp: int, looks: int, canary: Release, stable: Release | None = None
) -> tuple[Phase]:
    return (Phase(weight_bp, looks, stable or Release(), canary),)


# Long enough for more than half of tidegate's rollbacks.
WORSE = tuple(
    (f"errors 1 % → {error:.0%}, {weight // 100} % share", of_a_step(weight, looks, Release(error)))
    for weight, lengths in ((500, (HOUR, 300, 150)), (5_000, (200, 50, 50)))
    for error, looks in zip((0.02, 0.05, 0.10), lengths, strict=True)
) + tuple(
    (
        f"latency times {factor:g}, {weight // 100} % share",
        of_a_step(weight, looks, Release(slow=slow_share(factor))),
    )
    for weight, lengths in ((500, (400, 100, 50)), (5_000, (200, 50, 50)))
    for factor, looks in zip((1.25, 1.5, 3.0), lengths, strict=True)
)
DRIFTED = tuple(
    (
        f"confidence 0.75 → {mean:g}, {weight // 100} % share",
        of_a_step(weight, 100, replace(SURE, confidence=beta_buckets(mean)), SURE),
    )
    for weight in (500, 5_000)
    for mean in (0.65, 0.55)
)
BREAKS_LATE = (
    *(Phase(weight, HOUR // 4, Release(), Release()) for weight in (100, 500, 2_500)),
    Phase(5_000, HOUR // 4, Release(), Release(error=0.05)),
)
ALIKE = tuple(
    (
        f"both fail {error:.1%}, {weight // 100} % share",
        of_a_step(weight, looks, *[Release(error)] * 2),
    )
    for weight, looks in ((500, 900), (5_000, 300))
    for error in (0.0, 0.001, 0.005, 0.01)
)
INFERIOR = tuple(
    (
        f"{stable:.1%} → {canary:.1%}, {weight // 100} % share",
        of_a_step(weight, 300, Release(canary, slow=0.02), Release(stable, slow=0.02)),
    )
    for weight in (500, 5_000)
    for stable, canary in ((0.0, 0.01), (0.01, 0.02), (0.03, 0.045))
)


def middle(units: NDArray[np.float64]) -> str:
    """The median; a dash where most never came to it."""
    median = float(np.median(units))
    return f"{median:,.0f}" if np.isfinite(median) else "-"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def report_rollbacks(rollouts: int, rng: np.random.Generator) -> dict[str, Found]:
    """False rollbacks of healthy releases, and how soon bad ones are rolled back."""
    healthy = {name: run(phases, rollouts, rng) for name, phases in HEALTHY}
    table(
        ("the same release twice", *(f"{way} rolls back" for way in WAYS), "tidegate pauses"),
        [
            (name, *(f"{found.share(way):.2%}" for way in WAYS), f"{found.paused:.2%}")
            for name, found in healthy.items()
        ],
    )
    worse = {name: run(phases, rollouts, rng) for name, phases in (*WORSE, *DRIFTED)}
    table(
        ("a worse canary: its requests until the rollback, median", *WAYS),
        [
            (name, *(middle(found.rolled_back[way]) for way in WAYS))
            for name, found in worse.items()
        ],
    )
    return healthy | worse


def report_bets(found: dict[str, Found]) -> None:
    """What the mixture over ratios is worth against a Beta prior, at the same alpha."""
    table(
        ("the error test alone: median", "ratios", *(f"Beta, {beta}" for beta in BETAS)),
        [
            (name, middle(found[name].errors_first), *map(middle, found[name].betas.values()))
            for name, _ in WORSE
            if name.startswith("errors")
        ],
    )


def report_steps(rollouts: int, rng: np.random.Generator) -> None:
    """What betting on a later start is worth, to a canary that breaks at the 50 % step."""
    found = run(BREAKS_LATE, rollouts, rng)
    before = sum(phase.weight_bp * phase.looks * PER_LOOK // 10_000 for phase in BREAKS_LATE[:3])
    table(
        ("well at 1, 5 and 25 %, fails 5 % at 50 %: its requests there until the alarm", "median"),
        [
            ("stake on trouble from any step", middle(found.errors - before)),
            ("whole stake on the first step", middle(found.errors_first - before)),
        ],
    )


def report_not_worse(rollouts: int, rng: np.random.Generator) -> None:
    """How soon "not worse" is said, and how often it is wrong on the edge of the margin."""
    alike = {name: run(phases, rollouts, rng) for name, phases in ALIKE}
    table(
        ("as good: its requests until not worse, median", "errors", "latency", "all"),
        [
            (name, *map(middle, (found.errors_clear, found.latency_clear, found.not_worse)))
            for name, found in alike.items()
        ],
    )
    inferior = {name: run(phases, rollouts, rng) for name, phases in INFERIOR}
    table(
        ("worse by the margin", "called not worse"),
        [(name, f"{np.isfinite(found.not_worse).mean():.2%}") for name, found in inferior.items()],
    )


def report_keys(rollouts: int, rng: np.random.Generator) -> None:
    """False rollbacks of the error test where a few keys send most of the requests."""
    found = false_alarms(Clients(), rollouts, OPTIONS, rng)
    table(
        ("the same release twice, Zipf keys: what is counted", "rolled back"),
        [(way, f"{share:.2%}") for way, share in found.items()],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rollouts", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-picture", action="store_true")
    given = parser.parse_args(arguments)
    rollouts = min(given.rollouts, 200) if given.quick else given.rollouts
    rng = np.random.default_rng(given.seed)
    same_as_judge(simulate(HEALTHY[3][1], 2, rng), OPTIONS, (0, 149, 150, 599))
    print(f"{rollouts:,} rollouts a row, a look every {PER_LOOK} requests\n")
    found = report_rollbacks(rollouts, rng)
    report_bets(found)
    report_steps(rollouts, rng)
    report_not_worse(rollouts, rng)
    report_keys(rollouts, rng)
    if not (given.no_picture or given.quick):
        from benchmarks.canary_pictures import draw

        draw(found, PICTURE, alpha=OPTIONS.alpha)


if __name__ == "__main__":
    main()
