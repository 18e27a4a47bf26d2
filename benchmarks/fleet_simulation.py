"""What each balancing policy does to callers, on a virtual clock; and what one pick costs.

Three stories of four instances: nothing happens, with one slot each and at 80 % of what the
fleet can do, where queues tell policies apart; one of four with four slots each becomes 20
times slower at 60 %; one of those dies and comes back. Every policy meets the same callers
and runs the code of the request path (``tests/simulation``). Prints Markdown and draws
``docs/images/fleet_simulation.png``.

The cost of a pick is taken in two ways. Over 10,000 members in all, as 1,000 pools of ten and
as one pool of ten thousand, in turn: neither fits into the processor's cache, so that their
ratio is the algorithm's (the pools of ten pay for their 1,000 pools a little, too). And of one
pool alone, where the ten are always in the cache and the ten thousand never: their ratio is
the cache's, and is printed beside it and not judged.

    python benchmarks/fleet_simulation.py [--requests 100000] [--seed 1] [--no-picture]
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from control_plane.core.balancing import PolicyName, Pool, PoolOptions  # noqa: E402
from control_plane.core.outcomes import Verdict  # noqa: E402
from tests.simulation.fleet import FleetSimulation, Traffic  # noqa: E402
from tests.simulation.instances import InstanceModel, Mode, alike  # noqa: E402
from tests.simulation.report import Report  # noqa: E402

PICTURE = ROOT / "docs" / "images" / "fleet_simulation.png"
INSTANCES = 4
BUSY = (0.8, InstanceModel(slots=1))
ROOMY = (0.6, InstanceModel(slots=4))
GOOD_S = 0.25
STORIES = ("healthy", "one slow", "one dead")
COLOURS = {"p2c_ewma": "#0b6e99", "round_robin": "#d9730d", "weighted": "#8a8f98"}
POOL_SIZES = (10, 100, 1_000, 10_000)


def simulate(story: str, policy: PolicyName, requests: int, seed: int) -> tuple[Report, float]:
    """The report, and how long the story is in seconds. The blow falls at a quarter of it."""
    load, model = BUSY if story == "healthy" else ROOMY
    rate_per_s = load * INSTANCES * model.capacity_per_s
    length_s = requests / rate_per_s
    simulation = FleetSimulation(
        alike(INSTANCES, model),
        Traffic(requests, rate_per_s),
        seed=seed,
        options=PoolOptions(policy=policy),
    )
    if story == "one slow":
        simulation.slows_down(length_s / 4, "triton-0", 20.0)
    elif story == "one dead":
        simulation.becomes(length_s / 4, "triton-0", Mode.DEAD)
        simulation.becomes(length_s / 2, "triton-0", Mode.HEALTHY)
    return simulation.run(), length_s


def row(story: str, policy: str, report: Report, length_s: float) -> str:
    after_s = length_s / 4 + 5 if story != "healthy" else 0.0
    until_s = length_s / 2 if story == "one dead" else float("inf")
    p50_s, p99_s, p999_s = (report.latency_s(q, after_s, until_s) for q in (0.5, 0.99, 0.999))
    return (
        f"| {story} | {policy} | {p50_s * 1e3:.1f} | {p99_s * 1e3:.1f} | {p999_s * 1e3:.1f} "
        f"| {p99_s / p50_s:.1f} | {report.goodput(GOOD_S, after_s, until_s):.4f} "
        f"| {report.failed()} | {report.share_of('triton-0', after_s, until_s):.3f} "
        f"| {report.amplification:.4f} |"
    )


def filled(sizes: Sequence[int], rng: Random) -> list[Pool]:
    """Pools whose members are warm and have all been heard."""
    pools = []
    for size in sizes:
        pool = Pool(PoolOptions())
        for number in range(size):
            pool.add(f"triton-{number}", 0.0)
        # Whoever has not been heard goes first, so everybody's turn comes.
        for _ in range(4 * size):
            reservation = pool.reserve(20.0, rng)
            assert reservation is not None
            pool.settle(reservation, Verdict.SUCCESS, latency_s=0.02, now_s=20.0, rng=rng)
        pools.append(pool)
    return pools


def pick_cost_ns(pools: Sequence[Pool], picks: int, rng: Random) -> float:
    """Of one reserve, over pools drawn beforehand; what was reserved is settled after."""
    drawn = [pools[int(rng.random() * len(pools))] for _ in range(picks)]
    started_ns = time.process_time_ns()
    held = [pool.reserve(30.0, rng) for pool in drawn]
    cost_ns = (time.process_time_ns() - started_ns) / picks
    for pool, reservation in zip(drawn, held, strict=True):
        assert reservation is not None
        pool.settle(reservation, Verdict.SUCCESS, latency_s=0.02, now_s=30.0, rng=rng)
    return cost_ns


def pick_costs(rounds: int = 60, picks: int = 1_000) -> tuple[dict[int, float], dict[int, float]]:
    """Median cost by pool size: of 10,000 members in all, and of one pool alone."""
    rng = Random(1)
    shared = {size: filled([size] * (POOL_SIZES[-1] // size), rng) for size in POOL_SIZES}
    alone = {size: filled([size], rng) for size in POOL_SIZES}
    gc.collect()
    gc.disable()
    costs: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for size in POOL_SIZES:
            costs.setdefault(("shared", size), []).append(pick_cost_ns(shared[size], picks, rng))
            costs.setdefault(("alone", size), []).append(pick_cost_ns(alone[size], picks, rng))
    gc.enable()
    medians = {key: statistics.median(values) for key, values in costs.items()}
    return (
        {size: medians["shared", size] for size in POOL_SIZES},
        {size: medians["alone", size] for size in POOL_SIZES},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000, help="of each story and policy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-picture", action="store_true")
    options = parser.parse_args()

    reports: dict[tuple[str, str], tuple[Report, float]] = {}
    print(f"Python {platform.python_version()}, {options.requests:,} requests, seed {options.seed}")
    print(f"\n{INSTANCES} instances; latencies in ms, from 5 s after the blow\n")
    print(f"| fleet | policy | p50 | p99 | p99.9 | p99/p50 | within {GOOD_S * 1e3:.0f} ms ", end="")
    print("| failed | share of that one | tries per request |")
    print("| --- " * 10 + "|")
    for story in STORIES:
        for policy in PolicyName:
            report, length_s = simulate(story, policy, options.requests, options.seed)
            reports[story, policy] = report, length_s
            print(row(story, policy, report, length_s), flush=True)

    shared, alone = pick_costs()
    print("\n| members in a pool | one pick of 10,000 members in all, ns | of one pool alone, ns |")
    print("| --- | --- | --- |")
    for size in POOL_SIZES:
        print(f"| {size:,} | {shared[size]:.0f} | {alone[size]:.0f} |")
    most, least = POOL_SIZES[-1], POOL_SIZES[0]
    ratio = shared[most] / shared[least]
    print(f"\ncost of a pick, {most:,} to {least} members: {ratio:.2f} (at most 1.3)")
    print(f"with the cache's help for the small pool: {alone[most] / alone[least]:.2f}")
    if not options.no_picture:
        from fleet_pictures import draw

        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        draw(reports, shared, alone, PICTURE, colours=COLOURS)
        print(f"drew {PICTURE.relative_to(ROOT)}")
    if ratio > 1.3:
        sys.exit("the cost of a pick grows with the number of members")


if __name__ == "__main__":
    main()
