"""Whether a canary is worse than stable: a judgement that may be asked for at any time.

``counts`` is what was seen, as integers that add up; ``tally`` decides what is counted, once
per routing key; ``conditional``, ``noninferiority`` and ``drift`` turn counts into bets, each
after its paper; ``evidence`` adds bets up to one figure against one threshold; ``options`` are
the numbers, and ``judge`` puts the answer together. ``docs/canary-analysis.md`` explains all
of it to an operator, and ADR 12 why it is built this way.
"""

from control_plane.core.analysis.counts import (
    BUCKETS,
    Arm,
    ArmCounts,
    Step,
    StepCounts,
    bucket_of,
    merge,
)
from control_plane.core.analysis.evidence import Evidence
from control_plane.core.analysis.judge import (
    Judgement,
    MetricJudgement,
    Verdict,
    judge,
    seen,
)
from control_plane.core.analysis.options import AnalysisOptions, Margin, Metric
from control_plane.core.analysis.tally import Observed, Tally, digest_of

__all__ = [
    "BUCKETS",
    "AnalysisOptions",
    "Arm",
    "ArmCounts",
    "Evidence",
    "Judgement",
    "Margin",
    "Metric",
    "MetricJudgement",
    "Observed",
    "Step",
    "StepCounts",
    "Tally",
    "Verdict",
    "bucket_of",
    "digest_of",
    "judge",
    "merge",
    "seen",
]
