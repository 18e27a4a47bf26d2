"""Tritons that are killed, hang, or are all gone."""

from __future__ import annotations

import signal
import time
from collections import Counter

import psutil

from tests.integration.faults.load import Outcome, quantile, steady_load, wait_for_more
from tests.integration.faults.shown import Figure, Shown, callers
from tests.integration.faults.sights import watched
from tests.integration.faults.stage import (
    FIRST,
    SECOND,
    server_of,
    when_in,
    when_out,
    when_server_ready,
)
from tests.integration.running import RunningTidegate

ENGINE = "echo"
HANG_S = 5.0
TRY_TIMEOUT_S = 2.5  # half of the engine's 5 s, as shipped
BACK_AT_MOST_S = 10.0
MIB = 1024 * 1024


def kill_one(tidegate: RunningTidegate) -> Shown:
    """SIGKILL of one Triton; what started it starts it again."""
    outcome = Outcome()
    server = server_of(tidegate)
    with watched(tidegate) as sights, steady_load(tidegate.grpc, outcome):
        wait_for_more(outcome)
        killed_s = time.monotonic()
        server.send_signal(signal.SIGKILL)
        out_s = when_out(sights, killed_s, ENGINE)
        ready_s = when_server_ready(tidegate)
        back_s = when_in(sights, ready_s, ENGINE)
        wait_for_more(outcome)
    return Shown(
        "SIGKILL of one Triton",
        (
            *callers(outcome),
            Figure("out of rotation after", out_s - killed_s, "s", at_most=1.0),
            Figure("ready again after", ready_s - killed_s, "s"),
            Figure("in rotation after that", back_s - ready_s, "s", at_most=BACK_AT_MOST_S),
        ),
        Counter(outcome.errors),
    )


def hang_one(tidegate: RunningTidegate) -> Shown:
    """SIGSTOP of one Triton, and SIGCONT HANG_S later."""
    outcome = Outcome()
    server = server_of(tidegate)
    with watched(tidegate) as sights, steady_load(tidegate.grpc, outcome):
        wait_for_more(outcome)
        hung_s = time.monotonic()
        server.suspend()
        try:
            out_s = when_out(sights, hung_s, ENGINE)
            sights.first(lambda sight: True, after_s=hung_s + HANG_S, what="the hang over")
        finally:
            server.resume()
        resumed_s = time.monotonic()
        back_s = when_in(sights, resumed_s, ENGINE)
        wait_for_more(outcome)
    hung = outcome.between(hung_s, resumed_s)
    # A try that hangs is given up and made again elsewhere, which takes its own time.
    slowest_ms = 1000 * (TRY_TIMEOUT_S + 0.25)
    return Shown(
        f"SIGSTOP of one Triton for {HANG_S:g} s",
        (
            *callers(outcome)[:2],
            Figure("p50 of those", 1000 * quantile(hung.latencies_s, 0.5), "ms"),
            Figure("p99 of those", 1000 * quantile(hung.latencies_s, 0.99), "ms", slowest_ms),
            Figure("out of rotation after", out_s - hung_s, "s", at_most=2.0),
            Figure("in rotation again after", back_s - resumed_s, "s", at_most=BACK_AT_MOST_S),
        ),
        Counter(outcome.errors),
    )


def kill_all(tidegate: RunningTidegate) -> Shown:
    """SIGKILL of both Tritons; what started them starts them again."""
    outcome = Outcome()
    control_plane = psutil.Process(tidegate.process.pid)
    servers = [server_of(tidegate, name) for name in (FIRST, SECOND)]
    with watched(tidegate) as sights, steady_load(tidegate.grpc, outcome):
        wait_for_more(outcome)
        memory_before = control_plane.memory_info().rss
        killed_s = time.monotonic()
        for server in servers:
            server.send_signal(signal.SIGKILL)
        out_s = max(when_out(sights, killed_s, ENGINE, name) for name in (FIRST, SECOND))
        ready_s = min(when_server_ready(tidegate, name) for name in (FIRST, SECOND))
        back_s = min(when_in(sights, ready_s, ENGINE, name) for name in (FIRST, SECOND))
        both_s = max(when_in(sights, ready_s, ENGINE, name) for name in (FIRST, SECOND))
        wait_for_more(outcome)
        memory_after = control_plane.memory_info().rss
    failed = outcome.failures()
    told_s = sorted(one.latency_s for one in failed.requests)
    untyped = [error for error in failed.errors if not error.startswith("StatusCode.UNAVAILABLE")]
    return Shown(
        "SIGKILL of both Tritons",
        (
            *callers(outcome, failed_at_most=None),
            Figure("failed otherwise than UNAVAILABLE", len(untyped), at_most=0),
            Figure("p99 of refusals", 1000 * quantile(told_s, 0.99), "ms", at_most=500),
            Figure("failed after one was back", len(failed.between(back_s).errors), at_most=0),
            Figure("most in flight", max(s.in_flight for s in sights.after(killed_s)), "", 10),
            Figure("memory grew by", (memory_after - memory_before) / MIB, "MiB", at_most=16),
            Figure("out of rotation after", out_s - killed_s, "s", at_most=1.0),
            Figure("one in rotation after ready", back_s - ready_s, "s", BACK_AT_MOST_S),
            Figure("both in rotation after ready", both_s - ready_s, "s"),
        ),
        Counter(outcome.errors),
    )
