"""What the process uses, and what runs in it."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric

from control_plane.adapters.metrics.catalogue import BUILD


class ProcessMetrics:
    """A source of ``MetricsText``: ``process_*``, where there is a /proc, and the build."""

    def __init__(self, version: str) -> None:
        self._build = version, platform.python_version()
        # None: it is asked here, and not by a registry of the whole process.
        self._process = ProcessCollector(registry=None)

    async def refresh(self) -> None:
        """They are always new."""

    def collect(self) -> Iterator[Metric]:
        yield BUILD.of({self._build: 1})
        yield from self._process.collect()
