"""What a caller holds while its call is out."""

from __future__ import annotations

from dataclasses import dataclass, field

from control_plane.core.breaker import Permit


@dataclass(frozen=True, slots=True)
class Reservation:
    """One call's place on a member. Give it back with ``Pool.settle``, once.

    permit: the breaker's leave; None when it was overruled.
    is_panic: whether breakers were disregarded in choosing the member.
    """

    name: str
    permit: Permit | None
    is_panic: bool
    started_s: float
    number: int = field(repr=False)
