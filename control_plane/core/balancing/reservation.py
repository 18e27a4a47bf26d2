"""What a caller holds while its call is out."""

from __future__ import annotations

from typing import NamedTuple

from control_plane.core.breaker import Permit


class Reservation(NamedTuple):
    """One call's place on a member. Give it back with ``Pool.settle``, once.

    A tuple, for each request makes one: a frozen dataclass takes four times as long.

    permit: the breaker's leave; None when it was overruled.
    is_panic: whether breakers or the bench were disregarded in choosing the member.
    is_stream: whether it is for many calls, of which only a fault says anything.
    number: of this place in its pool.
    """

    name: str
    permit: Permit | None
    is_panic: bool
    is_stream: bool
    started_s: float
    number: int
