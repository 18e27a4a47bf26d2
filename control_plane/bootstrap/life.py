"""The whole life of the process: start, serve until told to stop, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Coroutine, Sequence
from contextlib import AsyncExitStack

import structlog
import uvloop

from control_plane import __version__
from control_plane.adapters.logs import LEVELS, set_up_logs
from control_plane.bootstrap.job_options import store_shown
from control_plane.bootstrap.tracing import triton_arguments
from control_plane.bootstrap.wiring import ControlPlane, Loop, wired
from control_plane.bootstrap.worker import looked_at
from control_plane.embedded.fleet import EmbeddedFleet
from control_plane.embedded.options import FleetOptions, LogLevel, LogLine
from control_plane.loops.drain import StopOrders, drain
from control_plane.loops.readiness import report_readiness
from control_plane.settings import LoadedSettings, Settings

log = structlog.get_logger(__name__)
triton_log = structlog.get_logger("triton", source="triton")


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


def run_worker(loaded: LoadedSettings) -> int:
    """Work on jobs until SIGTERM or Ctrl-C. The exit status: 0 after a clean stop.

    A control plane without edges: it follows routes, looks at instances and counts its requests
    as the others do, and does not lead. Without ``instances`` it asks the Tritons that
    ``tidegate up`` has started on this machine.

    Raises ControlPlaneError when what is configured cannot be started.
    """
    settings = loaded.settings
    set_up_logs(settings.log.level, settings.log.format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(settings))
    return 0


def _listen_for_orders() -> StopOrders:
    orders = StopOrders()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, orders.give)
    return orders


async def _work(settings: Settings) -> None:
    orders = _listen_for_orders()
    async with (
        wired(settings, with_tritons=not settings.instances) as plane,
        looked_at(settings, plane) as url,
    ):
        log.info(
            "working",
            http=url,
            version=__version__,
            store=store_shown(settings),
            queue=settings.queue.kind,
            queue_prefix=settings.queue.prefix,
            concurrency=settings.jobs.concurrency,
            instances=[one.name for one in plane.instances.fleet.instances],
        )
        loops = (*plane.following_loops(), *plane.job_loops(), plane.jobs.work)
        await run_loops(loops, _stopped(plane, settings, orders))
    log.info("stopped")


async def _stopped(plane: ControlPlane, settings: Settings, orders: StopOrders) -> None:
    """Until a stop was ordered and what is in hand is done, or given back."""
    await orders.first.wait()
    plane.status.announce_stop()
    await drain((plane.jobs.work,), orders, notice_s=0, grace_s=settings.shutdown.grace_s)


async def _serve(settings: Settings, *, with_tritons: bool) -> None:
    orders = _listen_for_orders()
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
        loops: list[Loop] = [*plane.following_loops(), *plane.job_loops()]
        loops += [plane.rollouts.lead, plane.jobs.depths, *plane.feedback.loops]
        if settings.jobs.work_here:
            loops.append(plane.jobs.work)
        await run_loops(loops, _drained(plane, settings, orders), *reports_of(plane, embedded))
    log.info("stopped")


async def _drained(plane: ControlPlane, settings: Settings, orders: StopOrders) -> None:
    """Until a stop was ordered and the edges have drained."""
    await orders.first.wait()
    plane.status.announce_stop()
    await drain(
        (plane.http, plane.grpc, plane.jobs.work),
        orders,
        notice_s=settings.shutdown.notice_s,
        grace_s=settings.shutdown.grace_s,
    )


async def run_loops(
    loops: Sequence[Loop], end: Awaitable[object], *reports: Coroutine[object, object, None]
) -> None:
    """Until ``end`` is over, or a loop ends by an error, which ends the process too."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(loop.run()) for loop in loops]
        running += [group.create_task(report) for report in reports]
        await end
        for one in running:
            one.cancel()


def reports_of(
    plane: ControlPlane, embedded: EmbeddedFleet | None
) -> list[Coroutine[object, object, None]]:
    """What is told as long as the process runs."""
    reports = [report_readiness(plane.status.is_ready, plane.grpc.report)]
    if embedded is not None:
        reports.append(_report_ended(embedded))
    return reports


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
            extra_arguments=triton_arguments(settings),
        )
    )
