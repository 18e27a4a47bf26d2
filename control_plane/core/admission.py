"""Admission: whether a request may be sent at all, before anything is spent on it.

One ``Admission`` per engine bounds the requests in flight. The bound follows latency
(``concurrency_limit``); who may use how much of it follows priority:

    0 ────────────────── low ──────────── normal ──── high = limit
      everyone's           │ normal + high   │  high only │

What is shed is shed at once and told when to come back; nothing waits here, because a queue
in front of a full fleet only moves the wait to where the caller cannot see it.

The room kept for the more urgent is a share of the limit, but at least ``reserved`` places:
with a fraction ``load`` of the capacity wanted by high and ``r`` places kept for it, about
``load**r`` of it is lost (trunk reservation, as telephone exchanges do it), so one place,
a tenth of a limit of ten, would lose far too much. No priority is kept below half of the
limit: under it the limit could never grow.

``admit`` is the critical section: it decides and reserves in one synchronous call, and
every ticket comes back through ``settle`` exactly once, whatever the ending.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp

from control_plane.core.concurrency_limit import GradientLimit, LimitOptions
from control_plane.core.detections import Priority
from control_plane.core.outcomes import Ending

CUT_OFF = frozenset({Ending.SLOW, Ending.DEADLINE})
"""Endings that say only how long a call took at least."""


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """low_percent, normal_percent: share of the limit that a priority may fill.

    reserved: places kept at least, above normal for high and above low for normal.
    least_retry_after_s, most_retry_after_s: bounds of what the shed are told.
    memory_s: how far back the drain rate looks.
    """

    limit: LimitOptions = field(default_factory=LimitOptions)
    low_percent: int = 70
    normal_percent: int = 90
    reserved: int = 4
    least_retry_after_s: float = 0.1
    most_retry_after_s: float = 5.0
    memory_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.low_percent <= self.normal_percent <= 100:
            raise ValueError("0 < low_percent <= normal_percent <= 100 must hold")
        if self.reserved < 0:
            raise ValueError("reserved must not be negative")
        if not 0.0 < self.least_retry_after_s <= self.most_retry_after_s:
            raise ValueError("0 < least_retry_after_s <= most_retry_after_s must hold")
        if self.memory_s <= 0.0:
            raise ValueError("memory_s must be positive")


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request's place. in_flight: the requests in flight then, itself among them."""

    number: int
    priority: Priority
    in_flight: int


@dataclass(frozen=True, slots=True)
class Shed:
    """No place. retry_after_s: when there should be one again, at the present drain rate."""

    retry_after_s: float


@dataclass(frozen=True, slots=True)
class AdmissionStatistics:
    """What was decided so far. is_measuring: lower priorities are held back for a moment."""

    limit: int
    in_flight: int
    baseline_s: float | None
    is_measuring: bool
    admitted: Mapping[Priority, int]
    shed: Mapping[Priority, int]


class RecentCount:
    """How many things happened lately; an old one fades by 1/e every ``memory_s``."""

    __slots__ = ("_at_s", "_count", "_memory_s")

    def __init__(self, memory_s: float) -> None:
        self._memory_s = memory_s
        self._count = 0.0
        self._at_s = 0.0

    def add(self, now_s: float) -> None:
        self._count = self.at(now_s) + 1.0
        self._at_s = now_s

    def at(self, now_s: float) -> float:
        return self._count * exp(min(0.0, self._at_s - now_s) / self._memory_s)


class Admission:
    """The requests in flight to one engine, and the bound on them."""

    def __init__(self, options: AdmissionOptions) -> None:
        self._options = options
        self._limit = GradientLimit(options.limit)
        self._open: dict[int, Ticket] = {}
        self._next_number = 0
        self._admitted = dict.fromkeys(Priority, 0)
        self._shed = dict.fromkeys(Priority, 0)
        self._settled_lately = RecentCount(options.memory_s)
        self._shed_lately = RecentCount(options.memory_s)

    def __repr__(self) -> str:
        return f"<Admission {self.in_flight} of {self.limit} in flight>"

    @property
    def limit(self) -> int:
        return self._limit.limit

    @property
    def in_flight(self) -> int:
        return len(self._open)

    def bound(self, priority: Priority) -> int:
        """How many may be in flight once a request of this priority is among them."""
        limit, options = self.limit, self._options
        if priority is Priority.HIGH:
            return limit
        is_low = priority is Priority.LOW
        share = limit * (options.low_percent if is_low else options.normal_percent) // 100
        room = limit - options.reserved * (2 if is_low else 1)
        return min(self._limit.held_limit, max((limit + 1) // 2, min(share, room)))

    def admit(self, priority: Priority, now_s: float) -> Ticket | Shed:
        """A place for one request, to be given back by ``settle``; or no place, at once."""
        excess = self.in_flight + 1 - self.bound(priority)
        if excess > 0:
            self._shed[priority] += 1
            retry_after_s = self._retry_after_s(excess, now_s)
            self._shed_lately.add(now_s)
            return Shed(retry_after_s)
        ticket = Ticket(self._next_number, priority, self.in_flight + 1)
        self._next_number += 1
        self._open[ticket.number] = ticket
        self._admitted[priority] += 1
        return ticket

    def settle(
        self, ticket: Ticket, *, latency_s: float | None, ending: Ending, now_s: float
    ) -> None:
        """Give the place back and learn from how the request ended.

        latency_s: how long the instance took over the call that ended it, without waits
            between attempts; None where no call was made.

        Raises ValueError for a ticket that was settled before or is not of this admission.
        """
        if self._open.get(ticket.number) is not ticket:
            raise ValueError(f"{ticket} is not open here; a ticket is settled exactly once")
        del self._open[ticket.number]
        self._settled_lately.add(now_s)
        if ending is Ending.OVERLOAD:
            self._limit.shrink(now_s)
        elif latency_s is not None and (ending is Ending.SUCCESS or ending in CUT_OFF):
            is_whole = ending is Ending.SUCCESS
            self._limit.observe(
                latency_s, in_flight=ticket.in_flight, now_s=now_s, is_whole=is_whole
            )

    def statistics(self) -> AdmissionStatistics:
        return AdmissionStatistics(
            limit=self.limit,
            in_flight=self.in_flight,
            baseline_s=self._limit.baseline_s,
            is_measuring=self._limit.is_measuring,
            admitted=dict(self._admitted),
            shed=dict(self._shed),
        )

    def _retry_after_s(self, excess: int, now_s: float) -> float:
        """Until those in its way have drained, and those shed lately have had their turn."""
        options = self._options
        ahead = excess + self._shed_lately.at(now_s)
        drained_per_s = self._settled_lately.at(now_s) / options.memory_s
        if drained_per_s * options.most_retry_after_s <= ahead:
            return options.most_retry_after_s
        return max(options.least_retry_after_s, ahead / drained_per_s)
