"""The request path's counts and latencies, as ``core/traffic`` counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import Metric

from control_plane.adapters.metrics.catalogue import (
    ATTEMPTS,
    CALL_DURATION,
    CONFIDENCE,
    REQUEST_DURATION,
    REQUESTS,
)
from control_plane.core.traffic import SUCCESS, RequestCounts


class RequestMetrics:
    """A source of ``MetricsText``.

    routed: engines and releases that may get requests now. Their success is shown before the
    first one, at 0: a rate has to begin somewhere.
    """

    def __init__(
        self, counts: RequestCounts, routed: Callable[[], Iterable[tuple[str, ...]]]
    ) -> None:
        self._counts = counts
        self._routed = routed

    async def refresh(self) -> None:
        """They are always new."""

    def collect(self) -> Iterator[Metric]:
        series = self._counts.series()
        ends: dict[tuple[str, ...], float] = {(*one, SUCCESS): 0 for one in self._routed()}
        for one in series:
            for outcome, count in one.outcomes.items():
                ends[one.engine, one.release, outcome] = count
        yield REQUESTS.of(ends)
        # What was never routed has neither a duration nor an answer.
        routed = [one for one in series if one.release]
        yield REQUEST_DURATION.distributed(
            {(one.engine, one.release): one.durations for one in routed}
        )
        yield CALL_DURATION.distributed(
            {
                (one.engine, one.release, instance): calls
                for one in routed
                for instance, calls in one.calls.items()
            }
        )
        yield ATTEMPTS.of(
            {
                (engine, ending.value): count
                for (engine, ending), count in self._counts.attempts().items()
            }
        )
        yield CONFIDENCE.distributed(
            {
                (one.engine, one.release): one.confidences
                for one in routed
                if any(one.confidences.counts)
            }
        )
