"""Health: what is believed of an instance and of each engine on it, and why.

``InstanceHealth`` is the whole of it; the states, the looks and the fitness of an engine are
its parts, each a table with a few pure functions around it.
"""

from control_plane.core.health.fitness import Fitness
from control_plane.core.health.instance import (
    NOT_SERVED,
    Change,
    HealthOptions,
    InstanceHealth,
)
from control_plane.core.health.looks import Look, ProbeResult
from control_plane.core.health.schedule import ProbeOptions, ProbeSchedule
from control_plane.core.health.states import IllegalEvent, State

__all__ = [
    "NOT_SERVED",
    "Change",
    "Fitness",
    "HealthOptions",
    "IllegalEvent",
    "InstanceHealth",
    "Look",
    "ProbeOptions",
    "ProbeResult",
    "ProbeSchedule",
    "State",
]
