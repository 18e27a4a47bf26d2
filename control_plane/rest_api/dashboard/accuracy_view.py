"""How right each release is by what people said was true, beside the others, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from control_plane.core.accuracy import Accuracy, Estimate, Metric
from control_plane.rest_api.dashboard import tones, words
from control_plane.services.status import EngineView

SHARES = (Metric.RIGHT_SHARE, Metric.PRECISION, Metric.RECALL, Metric.F1, Metric.MAP50)
"""From 0 to 1, and the more the better: these have a bar."""

FEWEST = 10
"""Of fewer photos an interval is not shown: it would look surer than so few can be."""

SHOWN: Mapping[Metric, str] = {
    Metric.RIGHT_SHARE: "called right",
    Metric.PRECISION: "precision",
    Metric.RECALL: "recall",
    Metric.F1: "F1",
    Metric.MAP50: "mAP at 0.5",
    Metric.COUNT_ERROR: "objects miscounted on a photo",
    Metric.VOLUME_ERROR: "volume off by",
    Metric.VOLUME_ERROR_M3: "volume off by, m³",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One release's figure. low, high, value: from 0 to 1 where there is a bar, else None.

    text: with its interval. photos: how many it is of; with fewer than FEWEST, no interval.
    """

    release: str
    tone: str
    text: str
    photos: int
    value: float | None = None
    low: float = 0.0
    high: float = 1.0

    @property
    def photos_words(self) -> str:
        counted = words.counted(self.photos, "photo")
        few = ": too few for an interval" if self.photos < FEWEST else ""
        return f"of {counted}{few}"


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric: a figure of each release that has one."""

    name: str
    figures: tuple[Figure, ...]


def show_accuracy(found: Mapping[str, Accuracy], view: EngineView) -> tuple[MetricRow, ...]:
    """Empty while nothing was said. A release that is in the catalogue no more is left out."""
    toned = tones.release_tones(release.release for release in view.releases)
    rows = []
    for metric, name in SHOWN.items():
        figures = tuple(
            _figure(release, tone, metric, estimate)
            for release, tone in toned.items()
            if release in found
            and (estimate := found[release].metrics.get(metric)) is not None
            and estimate.value is not None
        )
        if figures:
            rows.append(MetricRow(name, figures))
    return tuple(rows)


def _figure(release: str, tone: str, metric: Metric, estimate: Estimate) -> Figure:
    is_share = metric in SHARES or metric is Metric.VOLUME_ERROR
    write = words.percent if is_share else words.decimal
    text = write(estimate.value)
    has_interval = estimate.photos >= FEWEST
    if has_interval and estimate.low is not None and estimate.high is not None:
        text += f" ({write(estimate.low)} to {write(estimate.high)})"
    if metric not in SHARES or estimate.value is None:
        return Figure(release, tone, text, estimate.photos)
    low = estimate.low if has_interval and estimate.low is not None else estimate.value
    high = estimate.high if has_interval and estimate.high is not None else estimate.value
    return Figure(release, tone, text, estimate.photos, estimate.value, low, high)
