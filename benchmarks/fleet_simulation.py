"""What each balancing policy does to callers, on a virtual clock; and what one pick costs.

Three stories of four instances, by policy: nothing happens, with one slot each and at 80 % of
what the fleet can do, where queues tell policies apart; one of four with four slots each
becomes 20 times slower at 60 %; one of those dies and comes back. Every policy meets the same
callers and runs the code of the request path (``tests/simulation``). Then larger fleets with
the default policy, of which four of ten instances die at once and come back. Prints Markdown
and draws ``docs/images/fleet_simulation.png``.

The cost of a pick is that of one ``reserve`` in a pool of ten members and of ten thousand, in
turn. Each pool is picked from as often as it has members before its clock starts, so that what
is compared is a pool at work and not one that another pool has just driven out of the
processor's cache. What is left of a difference is that cache: ten members are always in it.

    python benchmarks/fleet_simulation.py [--requests 100000] [--seed 1] [--no-picture]
"""

from __future__ import annotations

import argparse
import gc
import platform
import sys
import time
from math import inf
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
# Instances, and times --requests.
LARGER = ((2, 1), (10, 1), (100, 5), (1_000, 10))
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


def simulate_larger(instances: int, requests: int, seed: int) -> tuple[Report, float]:
    """A correlated failure at 40 % load: four of ten die at a quarter, and are back at half."""
    model = InstanceModel(slots=4)
    rate_per_s = 0.4 * instances * model.capacity_per_s
    length_s = requests / rate_per_s
    simulation = FleetSimulation(alike(instances, model), Traffic(requests, rate_per_s), seed=seed)
    for number in range(max(1, instances * 4 // 10)):
        simulation.becomes(length_s / 4, f"triton-{number}", Mode.DEAD)
        simulation.becomes(length_s / 2, f"triton-{number}", Mode.HEALTHY)
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


def larger_row(instances: int, report: Report, length_s: float) -> str:
    before_s = report.latency_s(0.99, 0.0, length_s / 4)
    during_s = report.latency_s(0.99, length_s / 4, length_s / 2)
    return (
        f"| {instances:,} | {report.requests:,} | {before_s * 1e3:.1f} | {during_s * 1e3:.1f} "
        f"| {report.failed()} | {report.most_probes_in_a_second()} | {report.panics} "
        f"| {report.amplification:.4f} |"
    )


def pick_often(pool: Pool, picks: int, now_s: float, rng: Random) -> None:
    for _ in range(picks):
        reservation = pool.reserve(now_s, rng)
        assert reservation is not None
        pool.settle(reservation, Verdict.SUCCESS, latency_s=0.02, now_s=now_s, rng=rng)


def filled(size: int, rng: Random) -> Pool:
    """A pool whose members are warm and have all been heard."""
    pool = Pool(PoolOptions())
    for number in range(size):
        pool.add(f"triton-{number}", 0.0)
    # Whoever has not been heard goes first, so everybody's turn comes.
    pick_often(pool, 4 * size, 20.0, rng)
    return pool


def pick_cost_ns(pool: Pool, picks: int, rng: Random) -> float:
    """Of one reserve; what was reserved is settled after."""
    pick_often(pool, len(pool), 30.0, rng)
    started_ns = time.process_time_ns()
    held = [pool.reserve(30.0, rng) for _ in range(picks)]
    cost_ns = (time.process_time_ns() - started_ns) / picks
    for reservation in held:
        assert reservation is not None
        pool.settle(reservation, Verdict.SUCCESS, latency_s=0.02, now_s=30.0, rng=rng)
    return cost_ns


def pick_costs(rounds: int = 50, picks: int = 2_000) -> dict[int, float]:
    """The cost in ns by pool size: the least of many rounds, each of which asks every pool.

    The least, as ``timeit`` has it: what a round takes longer is other processes' doing, and
    they disturb most what needs the most of the cache.
    """
    rng = Random(1)
    pools = {size: filled(size, rng) for size in POOL_SIZES}
    costs = dict.fromkeys(POOL_SIZES, inf)
    gc.collect()
    gc.freeze()
    gc.disable()
    for _ in range(rounds):
        for size, pool in pools.items():
            costs[size] = min(costs[size], pick_cost_ns(pool, picks, rng))
    gc.enable()
    gc.unfreeze()
    return costs


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

    print("\nFour of ten instances (one of two) die at once and come back; latencies in ms\n")
    print("| instances | requests | p99 before | p99 during | failed | most probes/s ", end="")
    print("| panics | tries per request |")
    print("| --- " * 8 + "|")
    for instances, times in LARGER:
        report, length_s = simulate_larger(instances, times * options.requests, options.seed)
        print(larger_row(instances, report, length_s), flush=True)

    costs = pick_costs()
    print("\n| members in a pool | one pick, ns |\n| --- | --- |")
    for size, cost_ns in costs.items():
        print(f"| {size:,} | {cost_ns:.0f} |")
    most, least = POOL_SIZES[-1], POOL_SIZES[0]
    ratio = costs[most] / costs[least]
    print(f"\ncost of a pick, {most:,} to {least} members: {ratio:.2f} (at most 1.3)")
    if not options.no_picture:
        from fleet_pictures import draw

        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        draw(reports, costs, PICTURE, colours=COLOURS)
        print(f"drew {PICTURE.relative_to(ROOT)}")
    if ratio > 1.3:
        sys.exit("the cost of a pick grows with the number of members")


if __name__ == "__main__":
    main()
