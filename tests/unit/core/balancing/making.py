"""Members and pools as the tests of balancing need them, and dice that are loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import cycle
from random import Random

from control_plane.core.balancing import LoadOptions, Pool, PoolOptions, Reservation
from control_plane.core.balancing.member import Member
from control_plane.core.balancing.places import Places
from control_plane.core.breaker import Breaker, BreakerOptions, State
from control_plane.core.outcomes import Verdict

WARM = LoadOptions(slow_start_s=0.0)
TRIPS_AT_ONCE = BreakerOptions(
    consecutive_failures=1, max_probes=1, probes_to_close=1, first_open_s=10.0, longest_open_s=60.0
)


class Dice:
    """Rolls what it is told, over and over."""

    def __init__(self, *rolls: float) -> None:
        self._rolls = cycle(rolls)

    def random(self) -> float:
        return next(self._rolls)


def member(
    name: str = "a", *, weight: float = 1.0, options: LoadOptions = WARM, now_s: float = 0.0
) -> Member:
    breaker = Breaker(BreakerOptions())
    return Member(name, weight=weight, breaker=breaker, options=options, now_s=now_s)


def places(members: Iterable[Member]) -> Places:
    made = Places()
    for each in members:
        made.enter(each)
    return made


def pool(names: Iterable[str], now_s: float = 0.0, **options: object) -> Pool:
    """Warm members whose breakers trip at the first failure, unless told otherwise."""
    settings: dict[str, object] = {"load": WARM, "breaker": TRIPS_AT_ONCE, **options}
    made = Pool(PoolOptions(**settings))  # type: ignore[arg-type]
    for name in names:
        made.add(name, now_s)
    return made


def reserve(
    from_pool: Pool, now_s: float, exclude: Iterable[str] = (), rng: object = None
) -> Reservation:
    reservation = from_pool.reserve(now_s, rng or Random(1), tuple(exclude))  # type: ignore[arg-type]
    assert reservation is not None
    return reservation


def settle(
    from_pool: Pool,
    reservation: Reservation,
    verdict: Verdict = Verdict.SUCCESS,
    *,
    now_s: float,
    latency_s: float = 0.02,
) -> bool:
    return from_pool.settle(
        reservation, verdict, latency_s=latency_s, now_s=now_s, rng=Dice(0.999999999)
    )


def eject(from_pool: Pool, name: str, now_s: float) -> None:
    """Have one call to that member fail; it must be in rotation."""
    others = {each.name for each in from_pool.statistics(now_s).members} - {name}
    reservation = reserve(from_pool, now_s, others)
    assert not reservation.is_panic
    assert settle(from_pool, reservation, Verdict.FAILURE, now_s=now_s)


def in_flight(from_pool: Pool) -> dict[str, int]:
    return {each.name: each.in_flight for each in from_pool.statistics(0.0).members}


def state(of: Pool, name: str, now_s: float = 0.0) -> State:
    return {each.name: each.breaker.state for each in of.statistics(now_s).members}[name]


def chosen(of: Pool, count: int, now_s: float) -> Counter[str]:
    """Whom so many calls in a row went to, each answered at once."""
    names: Counter[str] = Counter()
    rng = Random(5)
    for _ in range(count):
        reservation = reserve(of, now_s, rng=rng)
        settle(of, reservation, now_s=now_s)
        names[reservation.name] += 1
    return names
