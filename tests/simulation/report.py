"""What a simulated fleet's callers saw, and where their calls went."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter

from control_plane.core.balancing import PoolStatistics, Reservation
from control_plane.core.breaker import State


class Report:
    """Filled while the simulation runs; asked afterwards."""

    def __init__(self) -> None:
        self.requests = 0
        self.tries = 0
        self.shed = 0
        self.panics = 0
        self.breaker_moves = 0
        self.ended_s = 0.0
        self.pool: PoolStatistics | None = None
        self._sent: dict[str, array[float]] = {}
        self._probes_s: array[float] = array("d")
        self._panics_s: array[float] = array("d")
        self._lost_s: array[float] = array("d")
        self._answers: list[tuple[float, float, bool]] = []

    def sent(self, now_s: float, reservation: Reservation, *, is_lost: bool) -> None:
        """A try went out; is_lost: to an instance that cannot answer."""
        self.tries += 1
        self._sent.setdefault(reservation.name, array("d")).append(now_s)
        if is_lost:
            self._lost_s.append(now_s)
        if reservation.is_panic:
            self._panics_s.append(now_s)
        if reservation.permit is not None and (reservation.permit.issuer.state is State.HALF_OPEN):
            self._probes_s.append(now_s)

    def answered(self, arrived_s: float, latency_s: float, *, is_served: bool) -> None:
        self._answers.append((arrived_s, latency_s, is_served))

    def finish(self, statistics: PoolStatistics, now_s: float) -> None:
        self.pool = statistics
        self.panics = statistics.panics
        self.ended_s = now_s
        self._answers.sort()

    def success_rate(self, from_s: float = 0.0, until_s: float = float("inf")) -> float:
        """The share of the requests that arrived in between that were served."""
        served = [is_served for _, _, is_served in self._between(from_s, until_s)]
        return sum(served) / len(served)

    def goodput(self, within_s: float, from_s: float = 0.0, until_s: float = float("inf")) -> float:
        """The share of the requests that arrived in between that were served in good time."""
        good = [ok and took_s <= within_s for _, took_s, ok in self._between(from_s, until_s)]
        return sum(good) / len(good)

    def failed(self, from_s: float = 0.0, until_s: float = float("inf")) -> int:
        return sum(not is_served for _, _, is_served in self._between(from_s, until_s))

    def latency_s(
        self, quantile: float, from_s: float = 0.0, until_s: float = float("inf")
    ) -> float:
        """Of the served requests that arrived in between, retries and all."""
        latencies = sorted(
            latency_s for _, latency_s, is_served in self._between(from_s, until_s) if is_served
        )
        return latencies[min(len(latencies) - 1, int(quantile * len(latencies)))]

    def latencies_s(self) -> list[float]:
        return sorted(latency_s for _, latency_s, is_served in self._answers if is_served)

    def share_of(self, name: str, from_s: float = 0.0, until_s: float = float("inf")) -> float:
        """The share of the tries in between that went to that instance."""
        counts = {each: count(moments, from_s, until_s) for each, moments in self._sent.items()}
        return counts.get(name, 0) / sum(counts.values())

    def tries_to(self, name: str, from_s: float = 0.0, until_s: float = float("inf")) -> int:
        return count(self._sent.get(name, array("d")), from_s, until_s)

    def probes(self, from_s: float = 0.0, until_s: float = float("inf")) -> int:
        return count(self._probes_s, from_s, until_s)

    def panics_between(self, from_s: float, until_s: float = float("inf")) -> int:
        return count(self._panics_s, from_s, until_s)

    def lost_between(self, from_s: float, until_s: float = float("inf")) -> int:
        """Tries sent to instances that could not answer."""
        return count(self._lost_s, from_s, until_s)

    def amplification_between(self, from_s: float, until_s: float) -> float:
        """Tries per request of those that were made in between."""
        tries = sum(count(moments, from_s, until_s) for moments in self._sent.values())
        return tries / len(self._between(from_s, until_s))

    def most_probes_in_a_second(self) -> int:
        return max(Counter(int(at_s) for at_s in self._probes_s).values(), default=0)

    @property
    def amplification(self) -> float:
        """Tries per request."""
        return self.tries / self.requests

    def _between(self, from_s: float, until_s: float) -> list[tuple[float, float, bool]]:
        first = bisect_left(self._answers, (from_s,))
        last = bisect_left(self._answers, (until_s,))
        return self._answers[first:last]


def count(moments: array[float], from_s: float, until_s: float) -> int:
    """How many of the rising moments lie in between."""
    return bisect_left(moments, until_s) - bisect_left(moments, from_s)
