"""Real Triton servers without a container: found in the wheel, started, watched, put away.

May import ``control_plane.errors`` and ``control_plane.core`` only; settings and models are given.
"""

from control_plane.embedded.fleet import EmbeddedFleet, NotReady
from control_plane.embedded.lifecycle import InstanceState, InstanceStatus
from control_plane.embedded.options import FleetOptions, InstancePorts, LogLevel, LogLine
from control_plane.embedded.prerequisites import Finding, MissingPrerequisite, check

__all__ = [
    "EmbeddedFleet",
    "Finding",
    "FleetOptions",
    "InstancePorts",
    "InstanceState",
    "InstanceStatus",
    "LogLevel",
    "LogLine",
    "MissingPrerequisite",
    "NotReady",
    "check",
]
