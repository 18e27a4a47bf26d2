"""The request path: the gateway, and who hears of what has ended."""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.adapters.clock import MonotonicClock
from control_plane.bootstrap.instances import make_rng
from control_plane.bootstrap.options import (
    call_times,
    gateway_options,
    measuring_options,
    shadow_options,
)
from control_plane.core.detections import Priority
from control_plane.core.requests import Ended
from control_plane.core.traffic import RequestCounts
from control_plane.services.board import Board
from control_plane.services.calling import Calling
from control_plane.services.drift import ConfidenceDrift
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway
from control_plane.services.measuring import Measuring
from control_plane.services.shadowing import Shadowing
from control_plane.settings import Settings


@dataclass(frozen=True, slots=True)
class RequestPath:
    """counts, measuring, shadowing: told of each request when its answer is known."""

    gateway: Gateway
    counts: RequestCounts
    measuring: Measuring
    shadowing: Shadowing


def make_request_path(
    settings: Settings,
    plane: str,
    board: Board,
    fleet: Fleet,
    drift: ConfidenceDrift,
    clock: MonotonicClock,
) -> RequestPath:
    counts = RequestCounts(clock.now_s())

    def saw_confidence(engine: str, release: str, confidence: float, at_s: float) -> None:
        counts.saw_confidence(engine, release, confidence, at_s)
        drift.saw(engine, release, confidence)

    measuring = Measuring(
        plane=plane,
        table=lambda: board.table,
        clock=clock,
        options=measuring_options(settings),
        saw_confidence=saw_confidence,
    )

    def ended(one: Ended) -> None:
        counts.ended(one)
        measuring.ended(one)
        shadowing.ended(one)

    options, times = gateway_options(settings), call_times(settings)
    gateway = Gateway(
        fleet=fleet,
        table=lambda: board.table,
        options=options,
        clock=clock,
        rng=make_rng(),
        ended=ended,
        refused=counts.refused,
    )
    shadowing = Shadowing(
        calling=Calling(fleet=fleet, times=times, retries=options.retries, clock=clock),
        measuring=measuring,
        room=lambda engine: gateway.room(engine, Priority.LOW),
        times=times,
        clock=clock,
        options=shadow_options(settings),
    )
    return RequestPath(gateway, counts, measuring, shadowing)
