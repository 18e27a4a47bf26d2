"""How loaded an instance is, by its own word: GPU, CPU, what waits there and for how long.

Utilisations are gauges. The time in the queue is a counter of microseconds by component, beside
one of requests; what both grew by since the scrape before gives the mean time that a request has
waited. A counter that has fallen began at nothing again, since Triton or the model was loaded
anew, and what it shows is what it grew by. An ensemble waits in its components' queues, its own
counter stays at some microseconds; so a release's queue time is the sum of its components'.

What a Triton does not report is unknown (None), not 0: without a GPU there are no ``nv_gpu_``
figures, and not every build has those of the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from control_plane.core.catalogue import Release
from control_plane.core.triton_metrics import (
    PENDING,
    Component,
    MetricFamily,
    Sample,
    component_of,
    pending_by_component,
    pending_for,
)

QUEUED = "nv_inference_queue_duration_us"
DONE = "nv_inference_request_success"
GPU, CPU = "nv_gpu_", "nv_cpu_"

LOOKED_AT = (PENDING, QUEUED, DONE, GPU, CPU)
"""How the names begin of all that is looked at."""

Served = tuple[str, str]
"""An engine and one of its releases."""


@dataclass(frozen=True, slots=True)
class InstanceLoad:
    """One instance at one scrape. Utilisations are 0 to 1; of several GPUs their mean.

    pending: requests that wait there for any model; waiting: by release, in all its components.
    queue_s: the mean time that requests waited since the scrape before, by release; those that
        had none, and all at the first scrape, are missing.
    """

    pending: int = 0
    waiting: Mapping[Served, int] = field(default_factory=dict)
    queue_s: Mapping[Served, float] = field(default_factory=dict)
    gpu_utilization: float | None = None
    gpu_memory_used_bytes: int | None = None
    gpu_memory_total_bytes: int | None = None
    cpu_utilization: float | None = None
    cpu_memory_used_bytes: int | None = None
    cpu_memory_total_bytes: int | None = None


class LoadMeter:
    """Reads the pages of one instance, in their order."""

    def __init__(self) -> None:
        # By component: microseconds in the queue, and requests.
        self._counters: dict[Component, tuple[float, float]] = {}

    def read(self, page: Iterable[MetricFamily], releases: Iterable[Release]) -> InstanceLoad:
        """releases: those that may be on the instance."""
        families = {family.name: family for family in page}
        pending = pending_by_component(families.values())
        waited_s = self._waited_s(families)
        waiting: dict[Served, int] = {}
        queue_s: dict[Served, float] = {}
        for release in releases:
            served = release.engine, release.version
            waiting[served] = pending_for(release, pending)
            known = [waited_s[one] for one in release.pins.items() if one in waited_s]
            if known:
                queue_s[served] = sum(known)
        return InstanceLoad(
            pending=sum(pending.values()),
            waiting=waiting,
            queue_s=queue_s,
            gpu_utilization=_mean(_values(families, "nv_gpu_utilization")),
            gpu_memory_used_bytes=_sum(_values(families, "nv_gpu_memory_used_bytes")),
            gpu_memory_total_bytes=_sum(_values(families, "nv_gpu_memory_total_bytes")),
            cpu_utilization=_mean(_values(families, "nv_cpu_utilization")),
            cpu_memory_used_bytes=_sum(_values(families, "nv_cpu_memory_used_bytes")),
            cpu_memory_total_bytes=_sum(_values(families, "nv_cpu_memory_total_bytes")),
        )

    def _waited_s(self, families: Mapping[str, MetricFamily]) -> dict[Component, float]:
        """The mean time in the queue of each component that has done requests meanwhile."""
        queued, done = _by_component(families, QUEUED), _by_component(families, DONE)
        now = {one: (queued[one], done[one]) for one in queued.keys() & done.keys()}
        found: dict[Component, float] = {}
        for component, (queued_us, requests) in now.items():
            before = self._counters.get(component)
            if before is None:
                continue
            has_begun_anew = queued_us < before[0] or requests < before[1]
            before_us, before_requests = (0.0, 0.0) if has_begun_anew else before
            if requests > before_requests:
                found[component] = (queued_us - before_us) / (requests - before_requests) / 1e6
        self._counters = now
        return found


def _samples(families: Mapping[str, MetricFamily], name: str) -> Iterator[Sample]:
    family = families.get(name)
    return iter(()) if family is None else iter(family.samples)


def _by_component(families: Mapping[str, MetricFamily], name: str) -> dict[Component, float]:
    return {
        component: max(sample.value, 0.0)
        for sample in _samples(families, name)
        if (component := component_of(sample)) is not None
    }


def _values(families: Mapping[str, MetricFamily], name: str) -> list[float]:
    """Of each GPU, or of the machine; what is no number is left out."""
    return [
        sample.value
        for sample in _samples(families, name)
        if math.isfinite(sample.value) and sample.value >= 0
    ]


def _mean(values: list[float]) -> float | None:
    return min(sum(values) / len(values), 1.0) if values else None


def _sum(values: list[float]) -> int | None:
    return round(sum(values)) if values else None
