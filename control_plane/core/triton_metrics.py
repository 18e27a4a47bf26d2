"""What a Triton says about itself on ``/metrics``, as values, and what balancing makes of it.

A request waits at one step of its release's ensemble at a time, so the counts of all the
components that a release pins add up to the requests that are ahead of its next one. A
component that several engines share counts for each of them: whoever's requests wait there,
the next one waits behind them. A pool takes its own calls in flight off
(:meth:`Member.hint`), so that they are not counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from control_plane.core.catalogue import Release

PENDING = "nv_inference_pending_request_count"
"""Requests that wait for a model to run them, by model and version; ensembles stay at 0."""

MOST_PENDING = 1_000_000
"""More than any queue holds: what is above is nonsense, and must not be reckoned with."""

Component = tuple[str, int]
"""A model and its version."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' value now. name: the family's, with the suffix that its kind has."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """All series of one name.

    kind: ``counter``, ``gauge``, ``summary`` … A counter's samples end in ``_total`` whether
        Triton wrote that or not, as OpenMetrics has it.
    help: what the instance says it means.
    """

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def pending_by_component(families: Iterable[MetricFamily]) -> dict[Component, int]:
    """How many requests wait for each component. What is no count of one is left out."""
    pending: dict[Component, int] = {}
    for family in families:
        if family.name != PENDING:
            continue
        for sample in family.samples:
            component = component_of(sample)
            if component is not None:
                pending[component] = round(min(max(sample.value, 0), MOST_PENDING))
    return pending


def component_of(sample: Sample) -> Component | None:
    """Which component a sample is of; None where it is of none, or no number."""
    model, version = sample.labels.get("model"), sample.labels.get("version", "")
    is_version = version.isascii() and version.isdigit() and len(version) <= 18
    if model and is_version and math.isfinite(sample.value):
        return model, int(version)
    return None


def pending_for(release: Release, pending: Mapping[Component, int]) -> int:
    """How many requests wait ahead of the release's next one, over all that it pins."""
    return sum(pending.get(component, 0) for component in release.pins.items())
