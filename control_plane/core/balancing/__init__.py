"""Balancing: which instance a request goes to. Which release is routing's question.

``pool`` is what callers hold: one release's members, reserved and settled. ``roster`` says
where a member stands, made of ``places``; ``choosing`` who is asked. ``policies`` are the
pickers, ``member`` the load they compare, made of ``ewma``; ``homes`` is where sequences live,
``probing`` what recovery may cost, ``options`` the numbers.
"""

from control_plane.core.balancing.member import LoadOptions
from control_plane.core.balancing.options import PoolOptions
from control_plane.core.balancing.policies import PolicyName
from control_plane.core.balancing.pool import Pool
from control_plane.core.balancing.reservation import Reservation
from control_plane.core.balancing.statistics import MemberStatistics, PoolStatistics

__all__ = [
    "LoadOptions",
    "MemberStatistics",
    "PolicyName",
    "Pool",
    "PoolOptions",
    "PoolStatistics",
    "Reservation",
]
