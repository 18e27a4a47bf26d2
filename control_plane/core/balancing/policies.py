"""The pickers: given who is in rotation, whose turn is it?

Metric and picker are apart, as in Finagle and tower: a member knows its load and its worth
(``member``), a policy only compares. All of them leave out the barred, and give a member in
slow start less than its share.

- ``p2c_ewma``, the default: the less loaded of two drawn at random (Mitzenmacher, "The power
  of two choices in randomized load balancing", 2001). Two suffice to keep the longest queue
  at log log n, and because the draw is random, many gateways with the same stale view do not
  all turn to the same instance. O(1).
- ``round_robin``: each in turn; blind to load. O(1).
- ``weighted``: each as often as its weight says, evenly spread in time. Earliest deadline
  first, as Envoy's scheduler: O(log n) by a heap in C, where nginx's smooth weighted round
  robin, whose order it approaches, looks at every member for each pick.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from enum import StrEnum
from typing import Protocol

from control_plane.core.backoff import Rng
from control_plane.core.balancing.member import Member
from control_plane.core.balancing.places import Agenda, Places

# The golden ratio's fraction: its multiples fill the unit interval evenly, however many.
_GOLDEN = 0.6180339887498949


class PolicyName(StrEnum):
    """The policies as settings name them."""

    P2C_EWMA = "p2c_ewma"
    ROUND_ROBIN = "round_robin"
    WEIGHTED = "weighted"


class Policy(Protocol):
    """Chooses among the members in rotation."""

    def pick(
        self, rotation: Places, barred: Collection[str], *, now_s: float, rng: Rng
    ) -> Member | None:
        """A member that is in rotation and not barred; None when there is none."""
        ...

    def entered(self, member: Member, now_s: float) -> None:
        """A member has come into rotation, for the first time or again."""
        ...

    def left(self, member: Member) -> None:
        """A member has left rotation, for the time being or for good."""
        ...


class P2cEwma:
    """The less loaded of two."""

    __slots__ = ()

    def pick(
        self, rotation: Places, barred: Collection[str], *, now_s: float, rng: Rng
    ) -> Member | None:
        return least_loaded(rotation.draw(rng, 2, barred), now_s)

    def entered(self, member: Member, now_s: float) -> None:
        """Nothing is kept."""

    def left(self, member: Member) -> None:
        """Nothing is kept."""


class InTurn:
    """Round robin. A member in slow start passes some of its turns on."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = -1

    def pick(
        self, rotation: Places, barred: Collection[str], *, now_s: float, rng: Rng
    ) -> Member | None:
        member = self._next(rotation, barred)
        if member is None:
            return None
        warmth = member.warmth(now_s)
        if warmth < 1.0 and rng.random() >= warmth:
            return self._next(rotation, barred)
        return member

    def entered(self, member: Member, now_s: float) -> None:
        """Nothing is kept."""

    def left(self, member: Member) -> None:
        """Nothing is kept."""

    def _next(self, rotation: Places, barred: Collection[str]) -> Member | None:
        size = len(rotation)
        # Of one more than are barred, one is not.
        for _ in range(min(size, len(barred) + 1)):
            self._turn = (self._turn + 1) % size
            member = rotation.at(self._turn)
            if member.name not in barred:
                return member
        return None


class Weighted:
    """Earliest deadline first: a pick puts a member 1/weight behind the others."""

    __slots__ = ("_agenda", "_clock", "_count")

    def __init__(self) -> None:
        # In turns, not seconds: the deadline of the latest pick.
        self._clock = 0.0
        self._count = 0
        self._agenda = Agenda()

    def pick(
        self,
        rotation: Places,
        barred: Collection[str],
        *,
        now_s: float,
        rng: Rng,  # noqa: ARG002 - every policy is asked alike; this one draws nothing
    ) -> Member | None:
        passed_over: list[tuple[str, float]] = []
        picked: Member | None = None
        while picked is None and (deadline := self._agenda.next_at()) is not None:
            name = self._agenda.pop()
            if name in barred:
                passed_over.append((name, deadline))
                continue
            picked = rotation[name]
            self._clock = max(self._clock, deadline)
            self._agenda.enter(name, self._clock + 1.0 / picked.worth(now_s))
        for name, deadline in passed_over:
            self._agenda.enter(name, deadline)
        return picked

    def entered(self, member: Member, now_s: float) -> None:
        # Members that enter together are spread over their first round.
        offset = (0.5 + self._count * _GOLDEN) % 1.0
        self._count += 1
        self._agenda.enter(member.name, self._clock + offset / member.worth(now_s))

    def left(self, member: Member) -> None:
        self._agenda.leave(member.name)


def make_policy(name: PolicyName) -> Policy:
    """A fresh policy of that name."""
    made: dict[PolicyName, type[Policy]] = {
        PolicyName.P2C_EWMA: P2cEwma,
        PolicyName.ROUND_ROBIN: InTurn,
        PolicyName.WEIGHTED: Weighted,
    }
    return made[name]()


def least_loaded(members: Collection[Member], now_s: float) -> Member | None:
    """The first of the least loaded; None of none."""
    least: Member | None = None
    least_load = math.inf
    for member in members:
        load = member.load(now_s)
        if least is None or load < least_load:
            least, least_load = member, load
    return least
