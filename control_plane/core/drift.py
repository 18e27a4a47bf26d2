"""Has an engine's confidence drifted? One number that says how far two distributions lie apart.

The population stability index over the buckets of ``CONFIDENCE_BOUNDS``:

    sum over the buckets of (p - q) ln (p / q)

p: the share of the answers lately, q: that of the reference. It is the symmetric Kullback-Leibler
divergence (Kullback and Leibler, "On information and sufficiency", 1951) as credit scoring uses
it; the limits below are its rule of thumb (Siddiqi, "Credit Risk Scorecards", 2006). Each share
is smoothed by half a count (Krichevsky and Trofimov, 1981), or one empty bucket were infinite.

Without any drift the index is not 0: it is near (1/n + 1/m) times a chi-square of one less than
the buckets (Yurdakul, "Statistical properties of population stability index", 2018). With ten
buckets and ``LEAST_SAMPLES`` on either side it is above ``LARGE`` once in a thousand times; with
fewer samples nothing is said.

What is compared with what:

- a release that is not the stable one (a canary), with the stable one over the same minutes: a
  drift of the photos moves both alike and is not the canary's;
- the stable release, with its own reference: the first ``REFERENCE_SAMPLES`` confidences since it
  became stable, frozen, kept in the store and the same for all planes.

An index says how far, not whether by chance or by how much worse: while a rollout runs, that is
its anytime-valid test of the means (``core.analysis.drift``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log

from control_plane.core.traffic import CONFIDENCE_BOUNDS, Distribution

MODERATE, LARGE = 0.1, 0.25
"""Below the first: no drift to speak of; above the second: look into it."""

LEAST_SAMPLES = 250
REFERENCE_SAMPLES = 1000
SMOOTHING = 0.5


class Against(StrEnum):
    """What a release's confidences are compared with."""

    STABLE = "stable"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Reference:
    """How sure a release was at first. counts: by bucket, as in a Distribution."""

    release: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """index: None with too few samples on either side."""

    index: float | None
    samples: int
    against: Against
    reference_samples: int


def stability_index(counts: Sequence[int], reference: Sequence[int]) -> float:
    """The population stability index of two histograms of the same buckets, at least 0."""
    ours, theirs = _shares(counts), _shares(reference)
    return sum((p - q) * log(p / q) for p, q in zip(ours, theirs, strict=True))


def drifts(
    confidences: Mapping[str, Distribution], stable: str, reference: Reference | None
) -> dict[str, Drift]:
    """The drift of each release of an engine.

    confidences: of its releases, over the same time. reference: of the stable release; None
        while it is not known, and one of another release is none.
    """
    of_stable: Sequence[int] = confidences[stable].counts if stable in confidences else ()
    frozen: Sequence[int] = ()
    if reference is not None and reference.release == stable:
        frozen = reference.counts
    return {
        release: (
            _drift(seen.counts, frozen, Against.REFERENCE)
            if release == stable
            else _drift(seen.counts, of_stable, Against.STABLE)
        )
        for release, seen in confidences.items()
    }


def _drift(counts: Sequence[int], reference: Sequence[int], against: Against) -> Drift:
    samples, of_reference = sum(counts), sum(reference)
    index = None
    if min(samples, of_reference) >= LEAST_SAMPLES and len(counts) == len(reference):
        index = stability_index(counts, reference)
    return Drift(index, samples, against, of_reference)


def _shares(counts: Sequence[int]) -> list[float]:
    # What is above all bounds cannot be: a confidence is at most 1. It is no bucket.
    kept = counts[: len(CONFIDENCE_BOUNDS)]
    total = sum(kept) + SMOOTHING * len(kept)
    return [(count + SMOOTHING) / total for count in kept]


class ReferenceSample:
    """Collects the first confidences of a release."""

    __slots__ = ("_counts", "release")

    def __init__(self, release: str) -> None:
        self.release = release
        self._counts = [0] * (len(CONFIDENCE_BOUNDS) + 1)

    def add(self, bucket: int) -> None:
        """bucket: of a confidence. A full sample takes no more."""
        if not self.is_full:
            self._counts[bucket] += 1

    @property
    def is_full(self) -> bool:
        return sum(self._counts) >= REFERENCE_SAMPLES

    def frozen(self) -> Reference:
        return Reference(self.release, tuple(self._counts))
