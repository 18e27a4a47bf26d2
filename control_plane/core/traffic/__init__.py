"""What the requests came to: how many, how they ended, how long they took, how sure the answers.

Counted as each request ends and looked at when somebody asks; nothing is decided by it.
"""

from control_plane.core.traffic.counts import (
    SHED,
    SUCCESS,
    EngineSummary,
    ReleaseSeries,
    RequestCounts,
)
from control_plane.core.traffic.curves import Curve, Curves, draw
from control_plane.core.traffic.histogram import (
    CONFIDENCE_BOUNDS,
    LATENCY_BOUNDS_S,
    Distribution,
    Histogram,
)
from control_plane.core.traffic.window import SPANS_S, Counted, Figures, Window

__all__ = [
    "CONFIDENCE_BOUNDS",
    "LATENCY_BOUNDS_S",
    "SHED",
    "SPANS_S",
    "SUCCESS",
    "Counted",
    "Curve",
    "Curves",
    "Distribution",
    "EngineSummary",
    "Figures",
    "Histogram",
    "ReleaseSeries",
    "RequestCounts",
    "Window",
    "draw",
]
