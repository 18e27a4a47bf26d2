"""The circuit breaker of one instance and one engine release.

``states`` is the machine as data, ``options`` the numbers, ``window`` what was seen lately,
``trip_rule`` when that is too much, and ``breaker`` the piece that callers hold.
"""

from control_plane.core.breaker.breaker import Breaker, BreakerStatistics, Permit
from control_plane.core.breaker.options import BreakerOptions
from control_plane.core.breaker.states import IllegalEvent, State

__all__ = [
    "Breaker",
    "BreakerOptions",
    "BreakerStatistics",
    "IllegalEvent",
    "Permit",
    "State",
]
