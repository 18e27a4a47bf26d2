"""The instances where one release is ready, and the reserving of one of them for a call.

``reserve`` picks and takes: the breaker's permit and the place in flight are the caller's
when it returns, and every reservation comes back through ``settle``, once, however its call
ended and whatever has become of the member meanwhile. Nothing is awaited in between, so a
synchronous call is the critical section.

Where a member stands is the roster's (``roster``), who is chosen the chooser's (``choosing``).
None of it looks through the members: a pick costs the same for ten and for ten thousand.
"""

from __future__ import annotations

from collections.abc import Collection

from control_plane.core.backoff import Rng
from control_plane.core.balancing.choosing import Chooser
from control_plane.core.balancing.member import Member
from control_plane.core.balancing.options import PoolOptions
from control_plane.core.balancing.policies import make_policy
from control_plane.core.balancing.reservation import Reservation
from control_plane.core.balancing.roster import Roster
from control_plane.core.balancing.statistics import MemberStatistics, PoolStatistics
from control_plane.core.breaker import Breaker, State
from control_plane.core.outcomes import Verdict


class Pool:
    """One release's members. Every time is a reading of one monotonic clock, in seconds."""

    __slots__ = (
        "_chooser",
        "_members",
        "_options",
        "_outstanding",
        "_panics",
        "_probes",
        "_reserved",
        "_roster",
    )

    def __init__(self, options: PoolOptions) -> None:
        self._options = options
        policy = make_policy(options.policy)
        self._roster = Roster(policy, options.most_ejected)
        self._chooser = Chooser(options, self._roster, policy)
        self._members: dict[str, Member] = {}
        self._outstanding: dict[int, Member] = {}
        self._reserved = 0
        self._panics = 0
        self._probes = 0

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def __repr__(self) -> str:
        return (
            f"<Pool {len(self._roster.rotation)} of {len(self._members)} in rotation, "
            f"{len(self._outstanding)} in flight, {self._panics} panics>"
        )

    def add(self, name: str, now_s: float, *, weight: float = 1.0) -> bool:
        """The release is ready there: a member begins its slow start, with a new breaker.

        False, and nothing but the weight is changed, when it is a member already. Raises
        ValueError for a weight that is not positive.
        """
        member = self._members.get(name)
        if member is not None:
            member.reweigh(weight)
            return False
        member = Member(
            name,
            weight=weight,
            breaker=Breaker(self._options.breaker),
            options=self._options.load,
            now_s=now_s,
        )
        self._members[name] = member
        self._roster.file(member, now_s)
        return True

    def remove(self, name: str) -> bool:
        """The release is no longer ready there. Calls in flight settle as ever.

        False when it was no member.
        """
        member = self._members.pop(name, None)
        if member is None:
            return False
        self._roster.strike(member)
        return True

    def update_hint(self, name: str, pending: int, queue_s: float = 0.0) -> None:
        """Take in the pending count and the queue time that were just scraped there.

        queue_s: 0 where nothing is known. Of no member, nothing is taken in.
        """
        member = self._members.get(name)
        if member is not None:
            member.hint(pending, queue_s)

    def isolate(self, name: str, now_s: float) -> None:
        """Keep every call away, panic or not, until released. Raises KeyError."""
        member = self._members[name]
        member.breaker.isolate(now_s)
        self._roster.file(member, now_s)

    def release(self, name: str, now_s: float) -> None:
        """End the isolation; probes decide. Raises KeyError, and IllegalEvent if it was not."""
        member = self._members[name]
        member.breaker.release(now_s)
        self._roster.file(member, now_s)

    def bench(self, name: str, now_s: float) -> None:
        """Keep calls away, but for the last resort, until unbenched. Raises KeyError."""
        member = self._members[name]
        member.is_benched = True
        self._roster.file(member, now_s)

    def unbench(self, name: str, now_s: float) -> None:
        """It is well again: a slow start, and an open breaker takes probes at once.

        Health checks say little about calls, so what the breaker has learnt is kept. Nothing
        happens to a member that is not benched. Raises KeyError.
        """
        member = self._members[name]
        if not member.is_benched:
            return
        member.is_benched = False
        member.start_afresh(now_s)
        if member.breaker.state is State.OPEN:
            member.breaker.vouch(now_s)
        self._roster.file(member, now_s)

    def reserve(
        self,
        now_s: float,
        rng: Rng,
        barred: Collection[str] = (),
        *,
        tried: Collection[str] = (),
        sequence: str | None = None,
        is_stream: bool = False,
    ) -> Reservation | None:
        """Pick a member for one call and take the place there.

        barred: members that must not be picked; tried: members that this request was sent to
            before, and that are picked again only if nobody else is ready. A few names each;
            with any of them the call is a retry.
        sequence: the stateful sequence the call belongs to; all of a sequence go to one member,
            as long as the same members are ready.
        is_stream: whether the place is for a stream of many calls.
        None if nobody may be picked.
        """
        self._roster.look_who_is_due(now_s)
        if sequence is None:
            member, is_panic = self._chooser.choose(
                now_s, rng, barred=barred, tried=tried, is_stream=is_stream
            )
        else:
            member, is_panic = self._chooser.home(
                sequence, now_s, barred=barred, is_stream=is_stream
            )
        if member is None:
            return None
        breaker = member.breaker
        if breaker.state is State.CLOSED:
            permit = breaker.admit(now_s)
        else:
            permit = None if is_stream else breaker.admit(now_s)
            self._probes += permit is not None
            self._roster.file(member, now_s)
        self._panics += is_panic
        self._reserved += 1
        self._outstanding[self._reserved] = member
        member.in_flight += 1
        member.streams += is_stream
        member.picks += 1
        return Reservation(member.name, permit, is_panic, is_stream, now_s, self._reserved)

    def settle(
        self,
        reservation: Reservation,
        verdict: Verdict,
        *,
        latency_s: float,
        now_s: float,
        rng: Rng,
    ) -> bool:
        """Give a place back and learn from how the call ended. True if a breaker changed.

        Of a stream only a fault is learnt; how long it was open says nothing.

        Raises ValueError, and changes nothing, if it was settled before.
        """
        member = self._outstanding.pop(reservation.number, None)
        if member is None:
            raise ValueError(f"{reservation!r} was settled before")
        member.in_flight -= 1
        if reservation.is_stream:
            member.streams -= 1
            latency_s = 0.0
            verdict = verdict if verdict is Verdict.FAILURE else Verdict.IGNORED
        if verdict is Verdict.SUCCESS:
            member.succeeded(latency_s, now_s)
        elif verdict is Verdict.FAILURE:
            member.failed(latency_s, now_s)
        elif not reservation.is_stream:
            member.given_up(latency_s, now_s)
        has_changed = _tell_breaker(
            member, reservation, verdict, latency_s=latency_s, now_s=now_s, rng=rng
        )
        if self._members.get(member.name) is not member:
            return has_changed
        if has_changed or member.breaker.state is not State.CLOSED or member.is_benched:
            self._roster.file(member, now_s)
        elif verdict is Verdict.SUCCESS:
            self._roster.suspects.leave(member.name)
        elif verdict is Verdict.FAILURE or not (member.has_answered or reservation.is_stream):
            self._roster.suspects.enter(member)
        return has_changed

    @property
    def is_overruling(self) -> bool:
        """Whether so many members are out that the next pick disregards their breakers."""
        return self._roster.is_overruling

    def breaker_state(self, name: str) -> State:
        """How a member's breaker stands. Raises KeyError."""
        return self._members[name].breaker.state

    def statistics(self, now_s: float) -> PoolStatistics:
        """What a person wants to see. A look: nothing is changed. O(members)."""
        roster = self._roster
        return PoolStatistics(
            members=tuple(MemberStatistics.of(member, now_s) for member in self._members.values()),
            in_flight=len(self._outstanding),
            reserved=self._reserved,
            probes=self._probes,
            panics=self._panics,
            in_rotation=len(roster.rotation),
            ejected=roster.ejected,
            benched=len(roster.benched),
            is_overruling=roster.is_overruling,
        )


def _tell_breaker(
    member: Member,
    reservation: Reservation,
    verdict: Verdict,
    *,
    latency_s: float,
    now_s: float,
    rng: Rng,
) -> bool:
    """What a member's breaker makes of an ending; an answer without its leave vouches for it."""
    breaker = member.breaker
    if reservation.permit is not None:
        has_changed = breaker.settle(
            reservation.permit, verdict, latency_s=latency_s, now_s=now_s, rng=rng
        )
    else:
        has_changed = verdict is Verdict.SUCCESS and breaker.state is State.OPEN
        if has_changed:
            breaker.vouch(now_s)
    if has_changed and breaker.state is State.CLOSED:
        member.start_afresh(now_s)
    return has_changed
