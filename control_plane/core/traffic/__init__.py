"""What the requests came to: how many, how they ended, how long they took, how sure the answers.

Counted as each request ends and looked at when somebody asks; nothing is decided by it.
"""

from control_plane.core.traffic.counts import (
    SHED,
    SUCCESS,
    ReleaseSeries,
    RequestCounts,
)
from control_plane.core.traffic.curves import Curve, Curves, draw
from control_plane.core.traffic.histogram import (
    CONFIDENCE_BOUNDS,
    LATENCY_BOUNDS_S,
    Distribution,
    Histogram,
    bucket_of_confidence,
)
from control_plane.core.traffic.merging import (
    HeardPlane,
    OtherPlanes,
    SlotCounts,
    ToldSlot,
    added_up,
)
from control_plane.core.traffic.summary import EngineSummary, summarise
from control_plane.core.traffic.window import SLOT_S, SPANS_S, Counted, Figures, Slots, Window

__all__ = [
    "CONFIDENCE_BOUNDS",
    "LATENCY_BOUNDS_S",
    "SHED",
    "SLOT_S",
    "SPANS_S",
    "SUCCESS",
    "Counted",
    "Curve",
    "Curves",
    "Distribution",
    "EngineSummary",
    "Figures",
    "HeardPlane",
    "Histogram",
    "OtherPlanes",
    "ReleaseSeries",
    "RequestCounts",
    "SlotCounts",
    "Slots",
    "ToldSlot",
    "Window",
    "added_up",
    "bucket_of_confidence",
    "draw",
    "summarise",
]
