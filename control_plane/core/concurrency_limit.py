"""How many requests may be in flight: a limit that follows measured latency.

Gradient2 of Netflix/concurrency-limits (``Gradient2Limit.java``; "Performance Under Load",
2018), chosen over its siblings for engines whose latencies are small and noisy: AIMD learns
only from refusals, and a Triton without a queue bound never refuses; Vegas compares with the
lowest latency ever seen, which for mixed photo sizes is a lucky one. Gradient2 compares a
short measurement with a slow baseline and lets a little queueing pass:

    bearable = min(max(tolerance * baseline, baseline + patience), longest)
    gradient = bearable / latency, kept within 0.5 .. 1
    limit    = (1 - smoothing) * limit + smoothing * (gradient * limit + sqrt(limit))

Where it departs from the Java, and why:

- A *latency* is the median of a window, as in Envoy's adaptive concurrency filter: what one
  slow instance of two does is for balancing and the breaker, not for the bound of them all.
- The headroom is ``sqrt(limit)``, as in Envoy and in Netflix's first Gradient.
- ``patience_s`` of queueing is borne, whatever the baseline is: a queue of thirty calls that
  take two milliseconds each is many times the baseline and harms nobody, and who would shed
  it would shed a handful of callers that wait for each other's answers. It stays far below
  the time that a try may take. (CoDel's target, RFC 8289, is an absolute time for the same
  reason.)
- ``longest_s`` is the end of it, whatever the baseline is: calls that take nearly as long as
  a try may are about to be cut off, and then the instances work for nobody.
- Until latency first leaves its tolerance, patience or not, the limit doubles with each busy
  window, as in TCP's slow start with HyStart's exit on delay (RFC 5681, RFC 9406): 40 s from
  20 to 200 by the headroom alone is too long.
- And it doubles again, while nothing queues beyond what is borne, up to half of what it was when
  queueing began: TCP's ssthresh (RFC 5681, 3.1). After two minutes in which all instances hang
  nothing is left of the limit, and by the headroom alone an engine asked for 500 requests/s went
  on to refuse them for half a minute. Each new queueing halves that mark, so a mark that the
  engine can no longer bear is gone after a few.
- Under lasting overload Gradient2's baseline follows the queue it has let build up, and the
  limit drifts to its maximum. Here only samples *below half of the limit* teach the
  baseline. When latency has stood above tolerance for ``remeasure_s`` without such a window,
  all but the most urgent are held to two fifths of the limit until one window has been seen:
  if latency falls with the load, it was queueing; if it stays, it is the new baseline
  (Envoy's minRTT recalculation, BBR's ProbeRTT, but not at the floor, so that the instances
  stay busy). As tolerance times two fifths is below one, a baseline learned so cannot carry
  the limit whose own queue has raised it; at one half it could, nearly: simulated, the limit
  of an engine good for 4 requests/s crept to 31 and goodput fell to a quarter.

        in flight < limit/2           in flight >= limit/2
    ┌──────────────────────┐       ┌──────────────────────┐  above tolerance for
    │ idle: teach baseline │       │ busy: move the limit │──── remeasure_s ──┐
    └──────────────────────┘       └──────────────────────┘                   ▼
                                       ▲   window seen, or time out   ┌──────────────────┐
                                       └──────────────────────────────│ measuring at 2/5 │
                                                                      └──────────────────┘
Nothing here knows priorities or requests; that is admission's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

STEEPEST = 0.5
"""The lowest gradient: one window never asks for less than half of the limit."""

LEAST_BY_LATENCY = 4
"""Where half of the limit equals its headroom: latency alone cannot push it lower."""

HELD_PERCENT = 40
"""Of the limit, while measuring."""

LEAST_LATENCY_S = 1e-6


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """min_limit, max_limit, initial: requests in flight.

    smoothing: share of the new estimate in the limit, per window.
    baseline_smoothing: share of an idle window's median in the baseline.
    tolerance, patience_s: a latency counts as queueing when it is over this many times the
        baseline and over the baseline by as much.
    longest_s: a latency over this counts as queueing whatever the baseline is; well below
        what a try may take.
    start_growth: what the limit is multiplied by, per busy window, until latency is first
        over its tolerance, and later below half of what was borne before; 1 for no more than
        the headroom.
    overload_ratio: what remains of the limit after an overload, at most once per window.
    window_s, least_samples, most_samples: a window closes when it is old enough and has
        enough samples, or has the most it may hold.
    remeasure_s: how long queueing may be seen before the baseline is put to the test.
    """

    initial: int = 40
    min_limit: int = 4
    max_limit: int = 512
    smoothing: float = 0.2
    baseline_smoothing: float = 0.2
    tolerance: float = 1.5
    patience_s: float = 0.5
    longest_s: float = 1.25
    start_growth: float = 2.0
    overload_ratio: float = 0.9
    window_s: float = 0.25
    least_samples: int = 10
    most_samples: int = 250
    remeasure_s: float = 10.0

    def __post_init__(self) -> None:
        if not 1 <= self.min_limit <= self.initial <= self.max_limit:
            raise ValueError("1 <= min_limit <= initial <= max_limit must hold")
        if not 1.0 <= self.tolerance < 2.0:
            raise ValueError("tolerance must be at least 1 and below 2")
        if self.patience_s < 0.0:
            raise ValueError("patience_s must not be negative")
        if self.longest_s <= 0.0:
            raise ValueError("longest_s must be positive")
        if self.start_growth < 1.0:
            raise ValueError("start_growth must be at least 1")
        if not 0.0 < self.smoothing <= 1.0 or not 0.0 < self.baseline_smoothing <= 1.0:
            raise ValueError("smoothing and baseline_smoothing must be above 0 and at most 1")
        if not 0.0 < self.overload_ratio < 1.0:
            raise ValueError("overload_ratio must be between 0 and 1")
        if not 1 <= self.least_samples <= self.most_samples:
            raise ValueError("1 <= least_samples <= most_samples must hold")
        if self.window_s <= 0.0 or self.remeasure_s <= 0.0:
            raise ValueError("window_s and remeasure_s must be positive")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a window saw: the upper median of its samples, and from first to last of them."""

    median_s: float
    took_s: float


class LatencyWindow:
    """Samples until there are enough of them; then a reading, and an empty window."""

    __slots__ = ("_options", "_samples", "_started_at_s")

    def __init__(self, options: LimitOptions) -> None:
        self._options = options
        self._samples: list[float] = []
        self._started_at_s = 0.0

    def add(self, latency_s: float, now_s: float) -> Reading | None:
        """The reading of the window when this sample closes it."""
        if not self._samples:
            self._started_at_s = now_s
        self._samples.append(latency_s)
        count, took_s = len(self._samples), now_s - self._started_at_s
        is_due = took_s >= self._options.window_s and count >= self._options.least_samples
        if not is_due and count < self._options.most_samples:
            return None
        median_s = sorted(self._samples)[count // 2]
        self._samples.clear()
        return Reading(median_s, took_s)

    def clear(self) -> None:
        self._samples.clear()


class GradientLimit:
    """The limit, and what it has learned. min_limit <= limit <= max_limit, always."""

    def __init__(self, options: LimitOptions) -> None:
        self._options = options
        self._limit = float(options.initial)
        self._baseline_s: float | None = None
        self._lowest_s = inf
        # Below it the limit doubles; without bound until something has queued.
        self._doubles_below = inf
        self._is_queueing_now = False
        self._taught_at_s = -inf
        self._shrunk_at_s = -inf
        self._measuring_since_s: float | None = None
        self._idle = LatencyWindow(options)
        self._busy = LatencyWindow(options)
        self._measured = LatencyWindow(options)

    @property
    def limit(self) -> int:
        return int(self._limit)

    @property
    def held_limit(self) -> int:
        """What all but the most urgent may use: the limit, or two fifths of it while measuring."""
        if self._measuring_since_s is None:
            return self.limit
        floor = max(self._options.min_limit, LEAST_BY_LATENCY)
        return min(self.limit, max(floor, self.limit * HELD_PERCENT // 100))

    @property
    def is_measuring(self) -> bool:
        return self._measuring_since_s is not None

    @property
    def baseline_s(self) -> float | None:
        """The latency without queueing, as far as it is known."""
        return self._baseline_s

    def observe(
        self, latency_s: float, *, in_flight: int, now_s: float, is_whole: bool = True
    ) -> None:
        """Take in one call's latency.

        in_flight: the calls in flight when it was admitted, itself among them.
        is_whole: whether the call was answered. One that was cut off took *at least* so
            long: it counts as queueing where that is too long already, and never teaches
            the baseline.
        """
        latency_s = max(latency_s, LEAST_LATENCY_S)
        if is_whole and self._baseline_s is None:
            self._lowest_s = min(self._lowest_s, latency_s)
        if not is_whole and not self._is_queueing(latency_s):
            return
        if self._measuring_since_s is not None:
            self._measure(latency_s, self._measuring_since_s, in_flight, now_s, is_whole)
        elif 2 * in_flight >= self.limit:
            self._move(latency_s, now_s)
        elif is_whole:
            self._learn(latency_s, now_s)

    def shrink(self, now_s: float) -> None:
        """An instance refused for want of room. At most one step per window, as in TCP."""
        self._note_queueing(True)
        if now_s - self._shrunk_at_s >= self._options.window_s:
            self._shrunk_at_s = now_s
            self._set_limit(self._limit * self._options.overload_ratio)

    def _is_queueing(self, latency_s: float) -> bool:
        """Also where nothing was ever answered: there is no better guess."""
        baseline_s = self._lowest_s if self._baseline_s is None else self._baseline_s
        return baseline_s == inf or latency_s > self._bearable_s(baseline_s)

    def _bearable_s(self, baseline_s: float) -> float:
        """The longest latency that is not queueing."""
        options = self._options
        patient_s = max(options.tolerance * baseline_s, baseline_s + options.patience_s)
        return min(patient_s, options.longest_s)

    def _learn(self, latency_s: float, now_s: float) -> None:
        reading = self._idle.add(latency_s, now_s)
        if reading is not None:
            self._pull_baseline(reading.median_s)
            self._taught_at_s = now_s

    def _move(self, latency_s: float, now_s: float) -> None:
        reading = self._busy.add(latency_s, now_s)
        if reading is None:
            return
        if self._baseline_s is None and self._lowest_s < inf:
            # Never idle so far: the luckiest sample stands in until a measurement.
            self._baseline_s = self._lowest_s
        options, baseline_s = self._options, self._baseline_s
        gradient = 0.0 if baseline_s is None else self._bearable_s(baseline_s) / reading.median_s
        is_starting = self._doubles_below == inf
        is_over = baseline_s is None or reading.median_s > options.tolerance * baseline_s
        self._note_queueing(gradient < 1.0 or (is_starting and is_over))
        self._step(gradient, reading.took_s)
        if baseline_s is not None and reading.median_s < baseline_s:
            self._pull_baseline(reading.median_s)
        elif gradient < 1.0 and now_s - self._taught_at_s >= options.remeasure_s:
            self._measuring_since_s = now_s

    def _note_queueing(self, is_queueing: bool) -> None:
        """Where queueing begins, mark how far the limit may double once it is over."""
        if is_queueing and not self._is_queueing_now:
            was_borne = self._limit
            if self._doubles_below < inf:
                # On its way up again: one straggler of the trouble before must not undo it all.
                was_borne = max(self._limit, self._doubles_below)
            self._doubles_below = was_borne / 2.0
        self._is_queueing_now = is_queueing

    def _step(self, gradient: float, took_s: float) -> None:
        keep = 1.0 - self._options.smoothing
        if gradient < 1.0:
            # A slow engine fills its windows slowly: as much is shed per second as elsewhere.
            keep **= max(1.0, took_s / self._options.window_s)
        wanted = self._limit * max(STEEPEST, min(1.0, gradient)) + sqrt(self._limit)
        stepped = keep * self._limit + (1.0 - keep) * wanted
        if not self._is_queueing_now:
            doubled = min(self._options.start_growth * self._limit, self._doubles_below)
            stepped = max(stepped, doubled)
        self._set_limit(stepped)

    def _measure(
        self, latency_s: float, since_s: float, in_flight: int, now_s: float, is_whole: bool
    ) -> None:
        reading = None
        if is_whole and in_flight <= self.held_limit:
            reading = self._measured.add(latency_s, now_s)
        if reading is not None:
            self._baseline_s = reading.median_s
        elif now_s - since_s < self._options.remeasure_s:
            return
        self._taught_at_s = now_s
        self._measuring_since_s = None
        self._measured.clear()
        self._busy.clear()

    def _pull_baseline(self, median_s: float) -> None:
        before_s = median_s if self._baseline_s is None else self._baseline_s
        self._baseline_s = before_s + self._options.baseline_smoothing * (median_s - before_s)

    def _set_limit(self, limit: float) -> None:
        self._limit = min(float(self._options.max_limit), max(self._options.min_limit, limit))
