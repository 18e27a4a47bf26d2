"""docs/metrics.md, made from the catalogue of metrics and the bounds in the code.

``python -m control_plane.adapters.metrics.reference > docs/metrics.md``
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from control_plane.adapters.metrics.catalogue import DRIFT, GROUPS, SCRAPE_UP
from control_plane.adapters.metrics.family import Family
from control_plane.adapters.metrics.fresh import MAX_AGE_S, TIMEOUT_S
from control_plane.adapters.metrics.tritons import TIMEOUT_S as TRITON_TIMEOUT_S
from control_plane.core.drift import LARGE, LEAST_SAMPLES, MODERATE, REFERENCE_SAMPLES
from control_plane.core.traffic import CONFIDENCE_BOUNDS, LATENCY_BOUNDS_S, SLOT_S, SPANS_S
from control_plane.core.traffic.counts import MOST_INSTANCES, MOST_RELEASES, OTHERS
from control_plane.core.traffic.curves import MOST_STEPS
from control_plane.core.triton_series import MOST_FAMILIES, MOST_SERIES

INTRODUCTION = f"""\
# Metrics

*Made from the code: `python -m control_plane.adapters.metrics.reference > docs/metrics.md`.*

`GET /metrics` of a control plane answers all of this in Prometheus' text format. Each control
plane tells what it has seen itself: add requests up over all of them, and take gauges of the
fleet from any. So does a worker that `worker.http_port` gives a port: the requests that it makes of
its jobs are its own, and add up with the others'.

A scrape never fails and never waits for long. What lies elsewhere (the job store, the queue,
evidence, the instances) is asked at most once in {MAX_AGE_S:g} s, for {TIMEOUT_S:g} s at most,
an instance for {TRITON_TIMEOUT_S:g} s. What cannot be had is missing, and a metric ending in `_up`
is 0.
"""

BOUNDS = f"""\
## Labels and buckets

Labels are bounded. An engine is one of the catalogue, or empty where a caller named one that there
is not. Of each engine the {MOST_RELEASES} releases are kept that last had requests; one that makes
room and comes back begins at 0, as a counter does after a restart. Of a release's instances
{MOST_INSTANCES} are told apart, and the rest is `{OTHERS}`.

- Buckets of seconds end at {{latencies}}.
- Buckets of confidence end at {{confidences}}.

`outcome` of a request is `success`, `shed`, or the `code` that its error has at the edges. That of
a try is `success`, `overload`, `not_ready_here`, `backend_fault`, `unreachable`, `slow`,
`deadline`, `callers_mistake`, `malformed`, `unsupported`, `too_large` or `cancelled`. Streams
(`ModelStreamInfer`) are not counted, nor are the copies that a shadow gets.
"""

TRITON = f"""\
## What the instances measure of themselves

Every metric of Triton, `nv_…`, is shown on as `tidegate_triton_…`, with Triton's own labels and
`instance`; where the model serves a release (a twin, or an engine that is a plain model), with
`engine` and `release` too. Names keep Triton's spelling, `_us` and all, so that its own
documentation applies; a counter ends in `_total`. Counters go on over a restart of a Triton, and
over a model that was loaded anew. An instance is taken up to {MOST_FAMILIES} metrics and
{MOST_SERIES} series, by whole metrics. One that is not scraped has `{SCRAPE_UP.name}` 0 and no
series; one without a `metrics_url` has neither.
"""

PROCESS = """\
## The process

`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_virtual_memory_bytes`,
`process_start_time_seconds`, `process_open_fds` and `process_max_fds`, on Linux, as
prometheus_client has them.
"""

SUMMARY = f"""\
## The last minutes, as JSON

`GET /api/v1/orchestrator/metrics` has for each engine, in all and by release, over
{", ".join(f"{span_s // 60}" for span_s in SPANS_S[:-1])} and {SPANS_S[-1] // 60} minutes: requests,
their rate, errors, what was shed, P50, P90, P95 and P99 in milliseconds (at most 6 % above the
true ones), the mean confidence, and by release how far the confidences have drifted.

It is what all control planes and workers have seen: they tell each other through the store, every
few seconds, and percentiles are of the merged buckets. `planes` says whose counts are in it and how
old the last word of each is; one that `is_gone` still counts with what it served. While the store
is away `is_merged` is false, and it is what the plane that answers has seen itself.

`GET /api/v1/engines/{{engine}}/series?span_s={SPANS_S[-1]}` has the same as curves: by release,
requests and errors a second, P50, P95 and P99 for each step of {SLOT_S:g} s, or of as many slots of
that length as make {MOST_STEPS} steps at most; and the histogram of the confidences.

`{DRIFT.name}` is the population stability index of the confidences of the last
{SPANS_S[-1] // 60} minutes: of a release that is not stable, against the stable one over the same
time; of the stable one, against its first {REFERENCE_SAMPLES} since it became stable, which are
kept in the store. Up to {MODERATE:g} is no drift to speak of, above {LARGE:g} it is large. With
less than {LEAST_SAMPLES} on either side there is none.
"""


def reference_text() -> str:
    """The file."""
    parts = [INTRODUCTION]
    for title, families in GROUPS.items():
        parts.append(f"## {title}\n\n{_table(families)}\n")
    latencies = ", ".join(f"{bound:g}" for bound in LATENCY_BOUNDS_S)
    confidences = ", ".join(f"{bound:g}" for bound in CONFIDENCE_BOUNDS)
    parts.append(BOUNDS.format(latencies=latencies, confidences=confidences))
    return "\n".join([*parts, TRITON, PROCESS, SUMMARY])


def _table(families: Iterable[Family]) -> str:
    rows = ["| metric | kind | labels | what it is |", "| --- | --- | --- | --- |"]
    for one in families:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        rows.append(f"| `{one.name}` | {one.kind.value} | {labels} | {one.help} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(reference_text())
