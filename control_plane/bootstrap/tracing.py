"""Traces, as the settings want them: who records them, and where they are sent."""

from __future__ import annotations

import os
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from control_plane import __version__
from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.bootstrap.instances import make_rng
from control_plane.core.tracing import Propagation, RecentOptions
from control_plane.ports import SpanSink
from control_plane.services.tracing import NOT_TRACED, NotTraced, Tracing, TracingOptions
from control_plane.settings import Settings

if TYPE_CHECKING:
    from control_plane.adapters.tracing.otlp import OtlpSink


async def open_spans(settings: Settings, stack: AsyncExitStack) -> OtlpSink | None:
    """None where no traces are sent anywhere."""
    tracing = settings.tracing
    if not (tracing.enabled and tracing.is_exported):
        return None
    # OpenTelemetry takes a third of a second to import, which most who start this need not wait.
    from control_plane.adapters.tracing.otlp import OtlpOptions, open_otlp

    options = OtlpOptions(
        endpoint=tracing.endpoint,
        protocol=tracing.protocol,
        headers={name: value.get_secret_value() for name, value in tracing.headers.items()},
        resource={
            "service.name": tracing.service_name,
            "service.version": __version__,
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        },
        timeout_s=tracing.timeout_s,
        max_waiting=tracing.max_waiting,
    )
    return await stack.enter_async_context(open_otlp(options))


def make_tracing(settings: Settings, sink: SpanSink | None) -> Tracing | NotTraced:
    tracing = settings.tracing
    if not tracing.enabled:
        return NOT_TRACED
    return Tracing(
        clock=MonotonicClock(),
        calendar=SystemCalendar(),
        bits=make_rng(),
        options=TracingOptions(
            sample_ratio=tracing.sample_ratio,
            propagation=Propagation(tracing.propagation),
            max_spans=tracing.max_spans,
            recent=RecentOptions(
                max_quick=tracing.kept_quick,
                max_notable=tracing.kept_notable,
                slow_s=tracing.slow_s,
            ),
        ),
        sink=sink,
    )


def triton_arguments(settings: Settings) -> tuple[str, ...]:
    """What an embedded Triton is started with, so that it sends spans of its own.

    Its rate stays 0: it traces the requests that bring a context along, which are the sampled.
    """
    tracing = settings.tracing
    if not (tracing.enabled and tracing.triton_endpoint):
        return ()
    return (
        "--trace-config=mode=opentelemetry",
        "--trace-config=level=TIMESTAMPS",
        f"--trace-config=opentelemetry,url={tracing.triton_endpoint}",
        f"--trace-config=opentelemetry,resource=service.name={tracing.service_name}-triton",
    )
