"""How many retries the fleet can bear: a budget that all requests share.

A limit per request cannot stop a retry storm: three tries each are three times the load, at
the very moment when the fleet can bear the least. So every request deposits a fraction of a
retry, and every retry withdraws a whole one. While few calls fail there is always one left;
when all of them fail, the load grows by the ratio and no more.

    deposit, each request        + 0.2  ---+
                                           +-->  [ tokens ]  -->  - 1, each retry or hedge
    the floor, each second       + 3    ---+      at most what came in within 10 s

The floor lets a quiet fleet retry at all. What is not spent is worth nothing after burst_s:
the bucket never holds more than came in within that time. So the burst grows with the
traffic, because the calls in flight on an instance that dies grow with it, and a quiet night
does not save up for a storm.

Source: Twitter Finagle's ``RetryBudget``
(https://finagle.github.io/blog/2016/02/08/retry-budgets/: 20 %, a floor per second, a time to
live of 10 s); Envoy's and Linkerd's retry budgets have the same two terms.
"""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.core.breaker.window import Window

_BUCKETS = 10


@dataclass(frozen=True, slots=True)
class RetryBudgetOptions:
    """What may be retried.

    ratio: retries earned by one request.
    floor_per_s: retries earned by one second, without any request.
    burst_s: how long what was earned can be spent.

    Raises ValueError for numbers that make no budget.
    """

    ratio: float = 0.2
    floor_per_s: float = 3.0
    burst_s: float = 10.0

    def __post_init__(self) -> None:
        for name in ("ratio", "floor_per_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.burst_s <= 0:
            raise ValueError("burst_s must be over 0")


class RetryBudget:
    """A token bucket. Over any time, from a new budget on:

    retries <= floor_per_s * (seconds + burst_s) + ratio * requests

    Every operation is O(1), and time that goes backwards earns nothing. Fractions are added up
    in floating point, so a rounding may bring a retry one request early or late.
    """

    __slots__ = ("_options", "_requests", "_tokens", "_updated_at_s")

    def __init__(self, options: RetryBudgetOptions) -> None:
        self._options = options
        self._requests = Window(options.burst_s / _BUCKETS, _BUCKETS)
        # It starts with its floor's burst: the first request of all may fail.
        self._tokens = options.floor_per_s * options.burst_s
        self._updated_at_s: float | None = None

    def __repr__(self) -> str:
        return f"<RetryBudget {self._tokens:g} retries at {self._updated_at_s} s>"

    def deposit(self, now_s: float) -> None:
        """Count a request, once, when it first comes in; its retries are not requests."""
        tokens = self._earned(now_s) + self._options.ratio
        self._requests.record(now_s)
        self._keep(tokens, now_s)

    def try_withdraw(self, now_s: float) -> bool:
        """Take one retry, if there is a whole one. False takes nothing."""
        remaining = self.remaining(now_s)
        if remaining < 1.0:
            return False
        self._keep(remaining - 1.0, now_s)
        return True

    def remaining(self, now_s: float) -> float:
        """The retries that could be made now. A look: nothing is changed."""
        return min(self._earned(now_s), self._most(now_s))

    def _earned(self, now_s: float) -> float:
        if self._updated_at_s is None:
            return self._tokens
        elapsed_s = max(0.0, now_s - self._updated_at_s)
        return self._tokens + self._options.floor_per_s * elapsed_s

    def _most(self, now_s: float) -> float:
        options = self._options
        lately = self._requests.counts(now_s).calls
        return options.floor_per_s * options.burst_s + options.ratio * lately

    def _keep(self, tokens: float, now_s: float) -> None:
        self._tokens = min(tokens, self._most(now_s))
        if self._updated_at_s is None or now_s > self._updated_at_s:
            self._updated_at_s = now_s
