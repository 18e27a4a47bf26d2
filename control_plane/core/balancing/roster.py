"""Where the members of a pool stand, kept so that no request looks through them.

It follows from a member's breaker and the bench; ``file`` is the only place where one moves:

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

A member in rotation is a *suspect*, too, when its latest call failed, and as long as it has
been asked and has not answered yet: load turns calls away from one of which nothing is known
but a refusal.
"""

from __future__ import annotations

from collections.abc import Callable

from control_plane.core.balancing.member import Member
from control_plane.core.balancing.places import Agenda, Places
from control_plane.core.balancing.policies import Policy
from control_plane.core.breaker import State


class Roster:
    """The places. ``ready`` are all but the benched and the isolated.

    most_ejected: how many of so many members may be out by their breakers; at least one.
    """

    __slots__ = (
        "_most_ejected",
        "_policy",
        "agenda",
        "benched",
        "probing",
        "ready",
        "rotation",
        "suspects",
    )

    def __init__(self, policy: Policy, most_ejected: Callable[[int], int]) -> None:
        self._policy = policy
        self._most_ejected = most_ejected
        self.ready = Places()
        self.benched = Places()
        self.rotation = Places()
        self.probing = Places()
        self.suspects = Places()
        self.agenda = Agenda()

    @property
    def ejected(self) -> int:
        """How many breakers keep out, of those that are ready."""
        return len(self.ready) - len(self.rotation)

    @property
    def is_overruling(self) -> bool:
        """Whether so many members are out that the next pick disregards their breakers."""
        ejected = self.ejected
        return ejected > 1 and ejected > self._most_ejected(len(self.ready))

    def look_who_is_due(self, now_s: float) -> None:
        """Move those whose open time is over."""
        agenda = self.agenda
        while (at_s := agenda.next_at()) is not None and at_s <= now_s:
            self.file(self.ready[agenda.pop()], now_s)

    def file(self, member: Member, now_s: float) -> None:
        """Put a member where its breaker and the bench say."""
        breaker, name = member.breaker, member.name
        is_isolated = breaker.state is State.ISOLATED
        is_closed = breaker.state is State.CLOSED
        is_ready = not (is_isolated or member.is_benched)
        self.ready.hold(member, is_ready)
        self.benched.hold(member, member.is_benched and not is_isolated)
        if is_ready and is_closed:
            self.rotation.enter(member)
            self._policy.entered(member, now_s)
        else:
            self._leave_rotation(member)
        is_due = is_ready and not is_closed and breaker.admits(now_s)
        self.probing.hold(member, is_due)
        if is_ready and not is_due and breaker.opens_until_s is not None:
            self.agenda.enter(name, breaker.opens_until_s)
        else:
            self.agenda.leave(name)

    def strike(self, member: Member) -> None:
        """It is no member any more."""
        for places in (self.ready, self.benched, self.probing):
            places.leave(member.name)
        self.agenda.leave(member.name)
        self._leave_rotation(member)

    def _leave_rotation(self, member: Member) -> None:
        if self.rotation.leave(member.name):
            self._policy.left(member)
            self.suspects.leave(member.name)
