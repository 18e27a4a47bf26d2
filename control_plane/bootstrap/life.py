"""The whole life of the process: start, serve until told to stop, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Protocol

import structlog
import uvloop

from control_plane import __version__
from control_plane.adapters.logs import LEVELS, set_up_logs
from control_plane.bootstrap.wiring import ControlPlane, wired
from control_plane.embedded.fleet import EmbeddedFleet
from control_plane.embedded.options import FleetOptions, LogLevel, LogLine
from control_plane.loops.drain import StopOrders, drain
from control_plane.loops.readiness import report_readiness
from control_plane.settings import LoadedSettings, Settings

log = structlog.get_logger(__name__)
triton_log = structlog.get_logger("triton", source="triton")


class Loop(Protocol):
    """Runs until it is cancelled."""

    async def run(self) -> None: ...


def run(loaded: LoadedSettings, *, with_tritons: bool) -> int:
    """Serve until SIGTERM or Ctrl-C. The exit status: 0 after a clean stop.

    with_tritons: start Tritons on this machine too.
    Raises ControlPlaneError when what is configured cannot be started.
    """
    settings = loaded.settings
    set_up_logs(settings.log.level, settings.log.format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, with_tritons=with_tritons))
    return 0


async def _serve(settings: Settings, *, with_tritons: bool) -> None:
    orders = StopOrders()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, orders.give)
    # Left in the opposite order: the edges have finished what they accepted, then the channels
    # to the instances close, and only then the Tritons of this machine stop.
    async with AsyncExitStack() as stack:
        embedded = embedded_fleet(settings) if with_tritons else None
        if embedded is not None:
            stack.push_async_callback(embedded.stop)
        plane = await stack.enter_async_context(wired(settings, with_tritons=with_tritons))
        grace_s = settings.shutdown.grace_s
        # For an end that nobody ordered; after a drain there is nothing left to stop.
        stack.push_async_callback(plane.grpc.stop, grace_s)
        stack.push_async_callback(plane.http.stop, grace_s)
        await plane.http.start()
        await plane.grpc.start()
        log.info("listening", http=plane.http.url, grpc=plane.grpc.address, version=__version__)
        if embedded is not None:
            await embedded.start()
        await run_loops(plane, embedded, _drained(plane, settings, orders))
    log.info("stopped")


async def _drained(plane: ControlPlane, settings: Settings, orders: StopOrders) -> None:
    """Until a stop was ordered and the edges have drained."""
    await orders.first.wait()
    plane.status.announce_stop()
    await drain(
        (plane.http, plane.grpc),
        orders,
        notice_s=settings.shutdown.notice_s,
        grace_s=settings.shutdown.grace_s,
    )


async def run_loops(
    plane: ControlPlane, embedded: EmbeddedFleet | None, end: Awaitable[object]
) -> None:
    """Until ``end`` is over, or a loop ends by an error, which ends the process too."""
    async with asyncio.TaskGroup() as group:
        instances, rollouts = plane.instances, plane.rollouts
        every: tuple[Loop, ...] = (
            *instances.watches,
            *instances.scrapes,
            *instances.probes,
            plane.path.measuring,
            rollouts.measure,
            rollouts.catalogue,
            rollouts.follow,
            rollouts.lead,
        )
        loops = [group.create_task(loop.run()) for loop in every]
        loops.append(group.create_task(report_readiness(plane.status.is_ready, plane.grpc.report)))
        if embedded is not None:
            loops.append(group.create_task(_report_ended(embedded)))
        await end
        for loop in loops:
            loop.cancel()


async def _report_ended(embedded: EmbeddedFleet) -> None:
    """Says loudly which embedded Triton nobody restarts any more; an error when none is left."""
    async for name, error in embedded.ended():
        log.error("embedded Triton is no longer supervised", instance=name, exc_info=error)
    raise RuntimeError("no embedded Triton is supervised any more")


def embedded_fleet(settings: Settings) -> EmbeddedFleet:
    def write(line: LogLine) -> None:
        # What Triton calls information is detail to those who run Tidegate.
        is_detail = line.level in (LogLevel.DEBUG, LogLevel.INFO)
        level = logging.DEBUG if is_detail else LEVELS[line.level.value]
        triton_log.log(level, line.text, instance=line.instance)

    return EmbeddedFleet(
        FleetOptions(
            model_repository=settings.model_repository.absolute(),
            count=settings.embedded.tritons,
            base_port=settings.embedded.base_port,
            start_timeout_s=settings.embedded.start_timeout_s,
            on_log=write,
        )
    )
