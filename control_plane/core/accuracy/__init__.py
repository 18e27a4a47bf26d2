"""Whether the models are right: truth, answers held against it, and what that says of a release.

``truth`` is what somebody says of a photo, ``found`` what an engine said, ``matching`` and
``judging`` hold one against the other; ``classes`` are those that an engine knows. ``summary`` adds
photos up to figures with ``intervals`` (``ranking`` is mAP), ``comparing`` is the gate of a
rollout, and ``kept`` what is stored.
"""

from control_plane.core.accuracy.classes import check_classes, classes_of
from control_plane.core.accuracy.comparing import AccuracyGate, Comparison, compare
from control_plane.core.accuracy.found import Found, FoundBox, kept_of, read_found
from control_plane.core.accuracy.intervals import LEVEL, Estimate
from control_plane.core.accuracy.judging import Counted, Judged, Measured, Score, judge
from control_plane.core.accuracy.kept import Feedback, KeptDetection, KeptResult, keep
from control_plane.core.accuracy.matching import ClassMatches, match, overlap
from control_plane.core.accuracy.summary import (
    MOST_PHOTOS,
    Accuracy,
    ClassAccuracy,
    Metric,
    summarize,
)
from control_plane.core.accuracy.truth import (
    Box,
    BoxTruth,
    CountTruth,
    RightTruth,
    TrueBox,
    Truth,
    VolumeTruth,
    check_truth,
)

__all__ = [
    "LEVEL",
    "MOST_PHOTOS",
    "Accuracy",
    "AccuracyGate",
    "Box",
    "BoxTruth",
    "ClassAccuracy",
    "ClassMatches",
    "Comparison",
    "CountTruth",
    "Counted",
    "Estimate",
    "Feedback",
    "Found",
    "FoundBox",
    "Judged",
    "KeptDetection",
    "KeptResult",
    "Measured",
    "Metric",
    "RightTruth",
    "Score",
    "TrueBox",
    "Truth",
    "VolumeTruth",
    "check_classes",
    "check_truth",
    "classes_of",
    "compare",
    "judge",
    "keep",
    "kept_of",
    "match",
    "overlap",
    "read_found",
    "summarize",
]
