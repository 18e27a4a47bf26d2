"""A pool at one moment, for showing. Nothing is decided by it."""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.core.balancing.member import Member
from control_plane.core.breaker import BreakerStatistics


@dataclass(frozen=True, slots=True)
class MemberStatistics:
    """One member.

    latency_s: the latency to expect of it; None when it has not been heard.
    warmth: how far its slow start has come; 1 when it is over.
    waiting_elsewhere: calls that wait there beside this pool's, as last hinted.
    queue_s: how long requests, whoever sent them, have waited there, as last hinted.
    picks: how often it was chosen since it became a member.
    is_benched: whether health checks keep it out, but for the last resort.
    """

    name: str
    weight: float
    breaker: BreakerStatistics
    in_flight: int
    latency_s: float | None
    warmth: float
    waiting_elsewhere: int
    queue_s: float
    picks: int
    is_benched: bool

    @classmethod
    def of(cls, member: Member, now_s: float) -> MemberStatistics:
        return cls(
            name=member.name,
            weight=member.weight,
            breaker=member.breaker.statistics(now_s),
            in_flight=member.in_flight,
            latency_s=member.latency_s(now_s),
            warmth=member.warmth(now_s),
            waiting_elsewhere=member.waiting_elsewhere,
            queue_s=member.queue_s,
            picks=member.picks,
            is_benched=member.is_benched,
        )


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """A pool's members and what they carry.

    in_flight: reservations that are not settled, those on former members included.
    reserved, probes, panics: how often since the pool was made.
    ejected: members kept out by their breakers, without the benched and the isolated.
    benched: members kept out by health checks, without the isolated.
    is_overruling: whether too many are, so that breakers are disregarded.
    """

    members: tuple[MemberStatistics, ...]
    in_flight: int
    reserved: int
    probes: int
    panics: int
    in_rotation: int
    ejected: int
    benched: int
    is_overruling: bool
