"""The instances where one release is ready, and the reserving of one of them for a call.

``reserve`` picks and takes: the breaker's permit and the place in flight are the caller's
when it returns, and every reservation comes back through ``settle``, once, however its call
ended and whatever has become of the member meanwhile. Nothing is awaited in between, so a
synchronous call is the critical section.

Where a member is follows from its breaker and the bench, and is kept so that no request looks
through the members; a pick costs the same for ten and for ten thousand:

    breaker                                       place
    closed                                        in rotation: the policy chooses among them
    open                                          on the agenda, by the end of its open time
    open and that is over, half open with room    probing: the next first try may go there
    half open without room                        nowhere, until a probe comes back
    isolated                                      nowhere; not even in panic

Whatever its breaker says, a member that health checks have *benched* is on the bench and at
none of these places: no share of traffic, no probe, and no ejection, so that it never helps
to overrule the breakers of others. Its readiness or its probes look bad, and they can err, so
it is the last resort. A call that it answers then teaches its breaker as ever and does not
bring it back: only who benched it does. Isolated and benched, it is isolated.

A member in rotation is a suspect, too, when its latest call failed, and as long as it has
been asked and has not answered yet: load turns calls away from one of which nothing is known
but a refusal.

How a member is chosen, in this order:

1. A first try probes a member that is due or checks on a suspect that is idle, if the
   allowance for probes permits. A retry does not: its caller has waited once already. This is
   done on purpose because load would not choose a member that has just failed for most of a
   minute: too long for one stray fault, and too seldom for its breaker to learn the truth.
2. In rotation, by the policy, unless so many are out that the breakers are overruled.
3. Nobody left there: any member that may be probed.
4. Panic: the least loaded of a few drawn from all members but the isolated and the benched,
   whatever their breakers say; from the benched only when nobody else is left. When most of a
   fleet seems broken, more likely the release, the network or the load is at fault than each
   instance, and an answer that may fail beats none. Panic is counted, never failed (Finagle's
   PanicMode; Envoy's panic threshold). An answer in panic vouches for its member: its breaker
   takes probes at once.
"""

from __future__ import annotations

from collections.abc import Collection

from control_plane.core.backoff import Rng
from control_plane.core.balancing.member import Member
from control_plane.core.balancing.options import PoolOptions
from control_plane.core.balancing.places import Agenda, Places
from control_plane.core.balancing.policies import least_loaded, make_policy
from control_plane.core.balancing.probing import ProbeAllowance
from control_plane.core.balancing.reservation import Reservation
from control_plane.core.balancing.statistics import MemberStatistics, PoolStatistics
from control_plane.core.breaker import Breaker, State
from control_plane.core.outcomes import Verdict


class Pool:
    """One release's members. Every time is a reading of one monotonic clock, in seconds."""

    __slots__ = (
        "_agenda",
        "_allowance",
        "_benched",
        "_members",
        "_options",
        "_outstanding",
        "_panics",
        "_policy",
        "_probes",
        "_probing",
        "_ready",
        "_reserved",
        "_rotation",
        "_suspects",
    )

    def __init__(self, options: PoolOptions) -> None:
        self._options = options
        self._policy = make_policy(options.policy)
        self._allowance = ProbeAllowance(options.probe_share, options.probe_floor_per_s)
        self._members: dict[str, Member] = {}
        self._ready = Places()
        self._benched = Places()
        self._rotation = Places()
        self._probing = Places()
        self._suspects = Places()
        self._agenda = Agenda()
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
            f"<Pool {len(self._rotation)} of {len(self._members)} in rotation, "
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
        self._file(member, now_s)
        return True

    def remove(self, name: str) -> bool:
        """The release is no longer ready there. Calls in flight settle as ever.

        False when it was no member.
        """
        member = self._members.pop(name, None)
        if member is None:
            return False
        self._ready.leave(name)
        self._benched.leave(name)
        self._probing.leave(name)
        self._suspects.leave(name)
        self._agenda.leave(name)
        if self._rotation.leave(name):
            self._policy.left(member)
        return True

    def update_hint(self, name: str, pending: int) -> None:
        """Take in the pending count that was just scraped there; of no member, nothing."""
        member = self._members.get(name)
        if member is not None:
            member.hint(pending)

    def isolate(self, name: str, now_s: float) -> None:
        """Keep every call away, panic or not, until released. Raises KeyError."""
        member = self._members[name]
        member.breaker.isolate(now_s)
        self._file(member, now_s)

    def release(self, name: str, now_s: float) -> None:
        """End the isolation; probes decide. Raises KeyError, and IllegalEvent if it was not."""
        member = self._members[name]
        member.breaker.release(now_s)
        self._file(member, now_s)

    def bench(self, name: str, now_s: float) -> None:
        """Keep calls away, but for the last resort, until unbenched. Raises KeyError."""
        member = self._members[name]
        member.is_benched = True
        self._file(member, now_s)

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
        self._file(member, now_s)

    def reserve(self, now_s: float, rng: Rng, exclude: Collection[str] = ()) -> Reservation | None:
        """Pick a member for one call and take the place there.

        exclude: members that this request was sent to before; a few names.
        None only if every member is excluded or isolated.
        """
        self._look_who_is_due(now_s)
        member, is_panic = self._choose(now_s, rng, exclude)
        if member is None:
            return None
        permit = member.breaker.admit(now_s)
        if member.breaker.state is not State.CLOSED:
            self._probes += permit is not None
            self._file(member, now_s)
        self._panics += is_panic
        self._reserved += 1
        self._outstanding[self._reserved] = member
        member.in_flight += 1
        member.picks += 1
        return Reservation(member.name, permit, is_panic, now_s, self._reserved)

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

        Raises ValueError, and changes nothing, if it was settled before.
        """
        member = self._outstanding.pop(reservation.number, None)
        if member is None:
            raise ValueError(f"{reservation!r} was settled before")
        member.in_flight -= 1
        if verdict is Verdict.SUCCESS:
            member.succeeded(latency_s, now_s)
        elif verdict is Verdict.FAILURE:
            member.failed(latency_s, now_s)
        else:
            member.given_up(latency_s, now_s)
        breaker = member.breaker
        if reservation.permit is not None:
            has_changed = breaker.settle(
                reservation.permit, verdict, latency_s=latency_s, now_s=now_s, rng=rng
            )
        else:
            has_changed = verdict is Verdict.SUCCESS and breaker.state is State.OPEN
            if has_changed:
                breaker.vouch(now_s)
        is_closed = breaker.state is State.CLOSED
        if has_changed and is_closed:
            member.start_afresh(now_s)
        if self._members.get(member.name) is not member:
            return has_changed
        if has_changed or not is_closed or member.is_benched:
            self._file(member, now_s)
        elif verdict is Verdict.FAILURE:
            self._suspects.enter(member)
        elif verdict is Verdict.SUCCESS:
            self._suspects.leave(member.name)
        elif not member.has_answered:
            self._suspects.enter(member)
        return has_changed

    @property
    def is_overruling(self) -> bool:
        """Whether so many members are out that the next pick disregards their breakers."""
        out = len(self._ready) - len(self._rotation)
        return out > self._options.most_ejected(len(self._ready))

    def breaker_state(self, name: str) -> State:
        """How a member's breaker stands. Raises KeyError."""
        return self._members[name].breaker.state

    def statistics(self, now_s: float) -> PoolStatistics:
        """What a person wants to see. A look: nothing is changed. O(members)."""
        return PoolStatistics(
            members=tuple(MemberStatistics.of(member, now_s) for member in self._members.values()),
            in_flight=len(self._outstanding),
            reserved=self._reserved,
            probes=self._probes,
            panics=self._panics,
            in_rotation=len(self._rotation),
            ejected=len(self._ready) - len(self._rotation),
            benched=len(self._benched),
            is_overruling=self.is_overruling,
        )

    def _look_who_is_due(self, now_s: float) -> None:
        while (at_s := self._agenda.next_at()) is not None and at_s <= now_s:
            self._file(self._members[self._agenda.pop()], now_s)

    def _choose(
        self, now_s: float, rng: Rng, exclude: Collection[str]
    ) -> tuple[Member | None, bool]:
        if not exclude:
            self._allowance.earn(now_s)
            if self._probing or self._suspects:
                doubted = self._doubted(rng)
                if doubted is not None and self._allowance.spend():
                    return doubted, False
        if not self.is_overruling:
            member = self._policy.pick(self._rotation, exclude, now_s=now_s, rng=rng)
            if member is None:
                member = least_loaded(self._probing.draw(rng, 1, exclude), now_s)
            if member is not None:
                return member, False
        count = self._options.panic_choices
        drawn = self._ready.draw(rng, count, exclude) or self._benched.draw(rng, count, exclude)
        return least_loaded(drawn, now_s), bool(drawn)

    def _doubted(self, rng: Rng) -> Member | None:
        """One that may be probed, else a suspect with nothing out that would tell."""
        for member in self._probing.draw(rng, 1) or self._suspects.draw(rng, 1):
            if member.breaker.state is not State.CLOSED or not member.in_flight:
                return member
        return None

    def _file(self, member: Member, now_s: float) -> None:
        """Put a member where its breaker and the bench say. The only place where it moves."""
        breaker, name = member.breaker, member.name
        is_isolated = breaker.state is State.ISOLATED
        is_closed = breaker.state is State.CLOSED
        is_ready = not (is_isolated or member.is_benched)
        self._ready.hold(member, is_ready)
        self._benched.hold(member, member.is_benched and not is_isolated)
        if is_ready and is_closed:
            self._rotation.enter(member)
            self._policy.entered(member, now_s)
        elif self._rotation.leave(name):
            self._policy.left(member)
            self._suspects.leave(name)
        is_due = is_ready and not is_closed and breaker.admits(now_s)
        self._probing.hold(member, is_due)
        if is_ready and not is_due and breaker.opens_until_s is not None:
            self._agenda.enter(name, breaker.opens_until_s)
        else:
            self._agenda.leave(name)
