"""What the rollouts under way have come to, as the store has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping

from prometheus_client.core import Metric

from control_plane.adapters.metrics.catalogue import EVIDENCE, EVIDENCE_THRESHOLD, EVIDENCE_UP
from control_plane.adapters.metrics.fresh import Fresh
from control_plane.core.rollout import Assessment


class EvidenceMetrics:
    """A source of ``MetricsText``.

    looks: the latest look at the evidence by engine, where a rollout is under way.
    now_s: a monotonic clock's reading.
    """

    def __init__(
        self, looks: Callable[[], Awaitable[Mapping[str, Assessment]]], now_s: Callable[[], float]
    ) -> None:
        self._looks = Fresh("evidence of rollouts", looks, now_s)

    async def refresh(self) -> None:
        await self._looks.refresh()

    def collect(self) -> Iterator[Metric]:
        looks = self._looks.value
        yield EVIDENCE_UP.of({(): looks is not None})
        tests = {
            (engine, one.metric): one
            for engine, look in (looks or {}).items()
            for one in look.metrics
        }
        yield EVIDENCE.of({labels: one.log_e for labels, one in tests.items()})
        yield EVIDENCE_THRESHOLD.of({labels: one.log_threshold for labels, one in tests.items()})
