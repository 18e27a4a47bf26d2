"""A tracer for tests, and what became of its traces."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from control_plane.core.tracing import FinishedTrace
from control_plane.services.tracing import Tracing, TracingOptions
from tests.unit.fakes import FakeCalendar, FakeClock


@dataclass
class Sink:
    """Keeps what it is offered."""

    offered: list[FinishedTrace] = field(default_factory=list)

    def offer(self, trace: FinishedTrace) -> None:
        self.offered.append(trace)


def tracer(
    clock: FakeClock, options: TracingOptions | None = None, sink: Sink | None = None
) -> Tracing:
    return Tracing(
        clock=clock,
        calendar=FakeCalendar(),
        bits=Random(7),
        options=options or TracingOptions(),
        sink=sink,
    )
