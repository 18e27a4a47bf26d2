"""Which mends may run now: how many at once, how soon again, and when to stop trying.

A mend takes an engine out of an instance for a while, so it can make an outage of a blip:

- one mend at a time per engine over the fleet, so that its capacity falls by one instance
  at the most, and one at a time per instance, so that two never unload what they share;
- after a mend of an engine on an instance the next one there waits, longer each time;
- after ``limit`` mends in a row it is given up there, with the reason, until an operator
  heals it or its Triton is restarted. A row ends when nothing was amiss for ``lasting_s``:
  what heals for a minute and dies again is not mended, and would be loaded for ever.

The ledger is asked about an engine *because it fails now*, and all the time that it does. So not
being asked is how it learns that all is well there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import inf

from control_plane.core.backoff import Rng, backoff_s

Place = tuple[str, str]
"""An engine and an instance."""


@dataclass(frozen=True, slots=True)
class MendOptions:
    """first_s, most_s: bounds of the wait between mends. limit: mends in a row.

    lasting_s: how long nothing must have been amiss for the row to end.
    """

    first_s: float = 2.0
    most_s: float = 60.0
    limit: int = 8
    lasting_s: float = 120.0

    def __post_init__(self) -> None:
        if not 0.0 < self.first_s <= self.most_s:
            raise ValueError("0 < first_s <= most_s must hold")
        if self.limit < 1:
            raise ValueError("limit must be at least 1")
        if self.lasting_s <= 0.0:
            raise ValueError("lasting_s must be positive")


@dataclass(frozen=True, slots=True)
class MayMend:
    """Go on. attempt: the how-manieth in a row it would be, from 1."""

    attempt: int


@dataclass(frozen=True, slots=True)
class NotNow:
    """Later. wait_s: how long at least; 0.0 where another mend has to end first."""

    reason: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Not any more: the row is at its limit."""

    reason: str


Permission = MayMend | NotNow | GivenUp


@dataclass(slots=True)
class _Row:
    """Mends in a row of one engine on one instance."""

    asked_at_s: float
    mends: int = 0
    not_before_s: float = -inf
    has_helped: bool = False
    reason: str = ""


class MendLedger:
    """The mends under way and the rows of those done.

    Invariants: at most one mend under way per engine, and per instance; a row never grows
    beyond ``limit``; a call that raises changes nothing. Bounded by engines times instances.
    """

    def __init__(self, options: MendOptions) -> None:
        self._options = options
        self._rows: dict[Place, _Row] = {}
        self._by_engine: dict[str, str] = {}
        self._by_instance: dict[str, str] = {}

    @property
    def under_way(self) -> Mapping[str, str]:
        """Engine to the instance where it is being mended, or is out for a neighbour's mend."""
        return dict(self._by_engine)

    def may_mend(self, engine: str, instance: str, now_s: float) -> Permission:
        """Whether an engine that fails now on an instance may be mended there now."""
        row = self._rows.get((engine, instance))
        is_under_way = self._by_instance.get(instance) == engine
        if row is not None and not is_under_way and self._has_lasted(row, now_s):
            del self._rows[engine, instance]
            row = None
        if row is not None:
            row.asked_at_s = now_s
            if row.has_helped:
                row.has_helped, row.reason = False, "it failed again soon after it was mended"
        if engine in self._by_engine:
            return NotNow(f"engine {engine!r} is being mended on {self._by_engine[engine]!r}", 0.0)
        if instance in self._by_instance:
            return NotNow(
                f"engine {self._by_instance[instance]!r} is being mended on {instance!r}", 0.0
            )
        if row is None:
            return MayMend(1)
        if row.mends >= self._options.limit:
            return GivenUp(_given_up(row))
        if now_s < row.not_before_s:
            return NotNow(f"last mend: {row.reason}", row.not_before_s - now_s)
        return MayMend(row.mends + 1)

    def started(
        self, engine: str, instance: str, now_s: float, *, neighbours: Collection[str] = ()
    ) -> None:
        """A mend begins. Raises ValueError unless ``may_mend`` says so.

        neighbours: engines that are taken out with it. They are under way too, so that no other
        instance mends them meanwhile, and their rows do not grow.
        """
        permission = self.may_mend(engine, instance, now_s)
        if not isinstance(permission, MayMend):
            raise ValueError(  # noqa: TRY004 - not a wrong type: a wrong moment
                f"{engine!r} may not be mended on {instance!r}: {permission.reason}"
            )
        for neighbour in neighbours:
            if neighbour in self._by_engine:
                raise ValueError(f"{neighbour!r} is being mended on {self._by_engine[neighbour]!r}")
        self._rows.setdefault((engine, instance), _Row(now_s)).mends += 1
        self._by_engine |= dict.fromkeys((engine, *neighbours), instance)
        self._by_instance[instance] = engine

    def succeeded(self, engine: str, instance: str, now_s: float, rng: Rng) -> None:
        """The golden answer came. Raises ValueError when no such mend is under way."""
        self._end(engine, instance)
        self._book(self._rows[engine, instance], "mended", now_s, rng, has_helped=True)

    def failed(
        self,
        engine: str,
        instance: str,
        reason: str,
        now_s: float,
        rng: Rng,
        *,
        culprit: str | None = None,
    ) -> None:
        """It did not help, or could not be done. Raises ValueError as above.

        culprit: the neighbour that it failed for, when the engine itself was brought back.
        """
        self._end(engine, instance)
        row = self._rows[engine, instance]
        if culprit in (None, engine):
            self._book(row, reason, now_s, rng)
            return
        self._book(row, "mended", now_s, rng, has_helped=True)
        row = self._rows.setdefault((str(culprit), instance), _Row(now_s))
        row.mends = min(row.mends + 1, self._options.limit)
        self._book(row, reason, now_s, rng)

    def stopped(self, engine: str, instance: str) -> None:
        """It was cut off by no fault of its own: it counts for nothing. Raises ValueError too."""
        self._end(engine, instance)
        self._rows[engine, instance].mends -= 1

    def heal(self, instance: str) -> None:
        """An operator says it is well, or it left the fleet: rows there are forgotten.

        A mend under way there goes on, as the first of a new row.
        """
        for place in [place for place in self._rows if place[1] == instance]:
            if self._by_instance.get(instance) == place[0]:
                self._rows[place] = _Row(self._rows[place].asked_at_s, mends=1)
            else:
                del self._rows[place]

    def _has_lasted(self, row: _Row, now_s: float) -> bool:
        """Whether nothing was amiss for so long that what comes now is another matter."""
        return now_s - row.asked_at_s >= self._options.lasting_s

    def _end(self, engine: str, instance: str) -> None:
        if self._by_instance.get(instance) != engine:
            raise ValueError(f"no mend of {engine!r} on {instance!r} is under way")
        del self._by_instance[instance]
        self._by_engine = {
            each: where for each, where in self._by_engine.items() if where != instance
        }

    def _book(
        self, row: _Row, reason: str, now_s: float, rng: Rng, *, has_helped: bool = False
    ) -> None:
        row.asked_at_s, row.reason, row.has_helped = now_s, reason, has_helped
        row.not_before_s = now_s + backoff_s(
            row.mends, first_s=self._options.first_s, most_s=self._options.most_s, rng=rng
        )


def _given_up(row: _Row) -> str:
    return f"given up after {row.mends} mends in a row: {row.reason}"
