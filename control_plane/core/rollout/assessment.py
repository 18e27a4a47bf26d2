"""One look at the evidence, as it is stored, shown and drawn.

The judgement itself is made anew from counts at every tick (``core/analysis``); what is kept of
it is for people. Figures are natural logarithms of e-processes beside their thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.core.rollout.advance import Verdict


@dataclass(frozen=True, slots=True)
class MetricFigures:
    """One test of a rollout as it stood.

    metric: ``errors``, ``latency``, ``confidence``, ``sample_ratio``, ``detections`` (a shadow's
        boxes), ``query:NAME`` or ``accuracy:SCORE``. What the rollout ignores is undecided and
        without evidence.
    log_e, log_threshold: evidence that the target is worse, and what it must reach.
    clear_log_e, clear_log_threshold: evidence that it is not worse by the margin; None where
        only the alarm is asked.
    stable, target: what was seen of each in the current step (the share of errors or of slow
        requests, the mean confidence, expected and seen share); None where nothing was.
    """

    metric: str
    verdict: Verdict
    log_e: float = 0.0
    log_threshold: float = 0.0
    clear_log_e: float | None = None
    clear_log_threshold: float | None = None
    stable: float | None = None
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """All tests of a rollout as they stood at one moment.

    at_s: seconds since the epoch. step: 0 in the shadow before the first step.
    samples: requests to the target that were counted in this step (``Facts.samples``).
    """

    at_s: float
    step: int
    verdict: Verdict
    reason: str
    samples: int
    metrics: tuple[MetricFigures, ...] = ()
