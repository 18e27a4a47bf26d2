"""What an instance measures of itself, kept so that it can be shown on.

Triton's counters begin at nothing again when it is restarted, and those of a model when it is
loaded anew. Here they go on: what a counter had come to is added to what it counts from then on.
All counters of one model, or of one GPU, begin anew together, so it is enough that one of them
has fallen, and the buckets of a histogram stay consistent.

An instance that is asked for too much of it (a hundred models, a faulty page) is cut off by whole
families, so that what is shown is complete in itself; what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite

from control_plane.core.catalogue import Release
from control_plane.core.triton_metrics import MetricFamily, Sample

PREFIX = "nv_"
MOST_FAMILIES = 64
MOST_SERIES = 2000
"""Of one instance; seven models have some 250."""

PARTS = frozenset({"le", "quantile"})
"""Labels of the parts of one histogram or summary."""

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Counter:
    """last: what the instance said. before: what it had come to before it began anew."""

    last: float
    before: float = 0.0


class InstanceSeries:
    """The series of one instance. ``families`` is None while they are not to be had."""

    def __init__(self) -> None:
        self.families: tuple[MetricFamily, ...] | None = None
        self.left_out = 0
        self._counters: dict[Labels, dict[tuple[str, Labels], _Counter]] = {}

    def take(self, page: Iterable[MetricFamily]) -> None:
        """Goes by a new page."""
        kept: list[MetricFamily] = []
        number, self.left_out = 0, 0
        for family in page:
            fits = number + len(family.samples) <= MOST_SERIES and len(kept) < MOST_FAMILIES
            if fits:
                kept.append(family)
                number += len(family.samples)
            else:
                self.left_out += len(family.samples)
        seen = self._cumulative(kept)
        self._carry_over(seen)
        self._forget(seen.keys())
        self.families = tuple(map(self._continued, kept))

    def lose(self) -> None:
        """There is no page now; the counters are remembered."""
        self.families = None

    def _cumulative(
        self, families: Iterable[MetricFamily]
    ) -> dict[Labels, dict[tuple[str, Labels], float]]:
        """What only grows, by what it is of."""
        found: dict[Labels, dict[tuple[str, Labels], float]] = {}
        for family in families:
            for sample in family.samples:
                if is_cumulative(family, sample) and isfinite(sample.value):
                    found.setdefault(_subject(sample), {})[_key(sample)] = sample.value
        return found

    def _carry_over(self, seen: Mapping[Labels, Mapping[tuple[str, Labels], float]]) -> None:
        for subject, values in seen.items():
            known = self._counters.setdefault(subject, {})
            has_begun_anew = any(
                key in known and value < known[key].last for key, value in values.items()
            )
            if has_begun_anew:
                for counter in known.values():
                    counter.before += counter.last
                    counter.last = 0.0
            for key, value in values.items():
                known.setdefault(key, _Counter(value)).last = value

    def _forget(self, present: Iterable[Labels]) -> None:
        """Lets go of what is gone, once that is much: models come and go."""
        if sum(map(len, self._counters.values())) > 2 * MOST_SERIES:
            self._counters = {subject: self._counters[subject] for subject in present}

    def _continued(self, family: MetricFamily) -> MetricFamily:
        samples = []
        for sample in family.samples:
            before = 0.0
            if is_cumulative(family, sample):
                counter = self._counters.get(_subject(sample), {}).get(_key(sample))
                before = 0.0 if counter is None else counter.before
            samples.append(replace(sample, value=sample.value + before))
        return replace(family, samples=tuple(samples))


def is_cumulative(family: MetricFamily, sample: Sample) -> bool:
    """Whether it only grows while the instance lives."""
    if family.kind in ("counter", "histogram"):
        return True
    return family.kind == "summary" and "quantile" not in sample.labels


def served_by(releases: Iterable[Release]) -> dict[tuple[str, str], Release]:
    """Which release a model is, by the model's name and version on an instance."""
    return {(one.model_name, one.model_version): one for one in releases}


def labels_of(
    sample: Sample, instance: str, served: Mapping[tuple[str, str], Release]
) -> dict[str, str]:
    """The labels it is shown with: its own, whose it is, and the release where a model is one."""
    labels = {**sample.labels, "instance": instance}
    release = served.get((labels.get("model", ""), labels.get("version", "")))
    if release is not None:
        labels |= {"engine": release.engine, "release": release.version}
    return labels


def _subject(sample: Sample) -> Labels:
    """What a sample is of: a model, a GPU, or the server."""
    return tuple(sorted(one for one in sample.labels.items() if one[0] not in PARTS))


def _key(sample: Sample) -> tuple[str, Labels]:
    return sample.name, tuple(sorted(sample.labels.items()))
