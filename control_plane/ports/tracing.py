"""Where finished traces go."""

from __future__ import annotations

from typing import Protocol

from control_plane.core.tracing import FinishedTrace


class SpanSink(Protocol):
    """Takes traces off the path of requests."""

    def offer(self, trace: FinishedTrace) -> None:
        """At once: it is taken, or dropped and counted. Never raises."""
        ...
