"""Which member a call goes to. Nothing is taken here; the pool reserves what is chosen.

In this order:

1. A first try probes a member that is due or checks on a suspect of which no call is out, if
   the allowance for probes permits. A retry does not: its caller has waited once already. This
   is done on purpose because load would not choose a member that has just failed for most of
   a minute: too long for one stray fault, and too seldom for its breaker to learn the truth.
2. In rotation, by the policy, unless so many are out that the breakers are overruled.
3. Nobody left there: any member that may be probed.
4. Panic: the least loaded of a few drawn from all that are ready, whatever their breakers say.
   When most of a fleet seems broken, more likely the release, the network or the load is at
   fault than each instance, and an answer that may fail beats none. Panic is counted, never
   failed (Finagle's PanicMode; Envoy's panic threshold). An answer in panic vouches for its
   member: its breaker takes probes at once.
5. All were tried: 2 to 4 once more, with those that were tried and are not barred.
6. The bench, in panic too, but no call goes there against the breaker as well: of a member
   that health checks and calls agree on, a caller gets nothing but a long wait. Who has
   answered a call in the last ``bench_trust_s`` is asked freely, retries included, for looks
   and probes that fail where calls are answered err: the fleet is slow to answer them, no
   more. Of anybody else nothing is known but that it looks bad: it gets a first try within the
   allowance, one at a time, and its answer makes it trusted. All others are turned away at
   once. So an engine that is dead everywhere costs its callers no time, and yet is found
   again by calls alone.

A stream never probes and checks on nobody: it says nothing of its member for hours, and the
place of a probe would be taken for as long.

A sequence goes to its home and nowhere else (``homes``): among the ready, whatever its
breaker says, and when none is ready, on the bench, by rule 6.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from control_plane.core.backoff import Rng
from control_plane.core.balancing.homes import Homes
from control_plane.core.balancing.member import Member
from control_plane.core.balancing.options import PoolOptions
from control_plane.core.balancing.policies import Policy, least_loaded
from control_plane.core.balancing.probing import ProbeAllowance
from control_plane.core.balancing.roster import Roster
from control_plane.core.breaker import State

Choice = tuple[Member | None, bool]
"""A member, if there is one, and whether it is a choice in panic."""

_NOBODY: Choice = (None, False)


class Chooser:
    """Chooses among the members of one roster, and keeps the allowance for probes."""

    __slots__ = ("_allowance", "_homes", "_options", "_policy", "_resorts", "_roster")

    def __init__(self, options: PoolOptions, roster: Roster, policy: Policy) -> None:
        self._options = options
        self._roster = roster
        self._policy = policy
        self._allowance = ProbeAllowance(options.probe_share, options.probe_floor_per_s)
        self._homes = Homes(roster.ready)
        self._resorts = Homes(roster.benched)

    def choose(
        self,
        now_s: float,
        rng: Rng,
        *,
        barred: Collection[str],
        tried: Collection[str],
        is_stream: bool,
    ) -> Choice:
        """Never one of the barred; one that was tried only if nobody else is ready."""
        is_retry = bool(tried or barred)
        if not is_retry:
            self._allowance.earn(now_s)
            if not is_stream and (self._roster.probing or self._roster.suspects):
                doubted = self._doubted(rng)
                if doubted is not None and self._allowance.spend():
                    return doubted, False
        out = {*barred, *tried} if tried else barred
        choice = self._ready(now_s, rng, out, is_stream=is_stream)
        if choice[0] is None and tried:
            choice = self._ready(now_s, rng, barred, is_stream=is_stream)
        if choice[0] is None:
            resorts = self._roster.benched.draw(rng, self._options.panic_choices, out)
            choice = self._last_resort(resorts, now_s, is_retry=is_retry)
        return choice

    def home(
        self, sequence: str, now_s: float, *, barred: Collection[str], is_stream: bool
    ) -> Choice:
        """Where the sequence lives, or nowhere."""
        self._allowance.earn(now_s)
        member = self._homes.of(sequence)
        if member is None:
            member = self._resorts.of(sequence)
        if member is None or member.name in barred:
            return _NOBODY
        if member.is_benched:
            return self._last_resort((member,), now_s, is_retry=False)
        breaker = member.breaker
        is_let = breaker.state is State.CLOSED if is_stream else breaker.admits(now_s)
        return member, not is_let

    def _ready(self, now_s: float, rng: Rng, barred: Collection[str], *, is_stream: bool) -> Choice:
        roster = self._roster
        if not roster.is_overruling:
            member = self._policy.pick(roster.rotation, barred, now_s=now_s, rng=rng)
            if member is None and not is_stream:
                member = least_loaded(roster.probing.draw(rng, 1, barred), now_s)
            if member is not None:
                return member, False
        drawn = roster.ready.draw(rng, self._options.panic_choices, barred)
        return least_loaded(drawn, now_s), bool(drawn)

    def _doubted(self, rng: Rng) -> Member | None:
        """One that may be probed, else a suspect with nothing out that would tell."""
        for member in self._roster.probing.draw(rng, 1) or self._roster.suspects.draw(rng, 1):
            if member.breaker.state is not State.CLOSED or not member.awaited:
                return member
        return None

    def _last_resort(self, resorts: Iterable[Member], now_s: float, *, is_retry: bool) -> Choice:
        willing = [each for each in resorts if each.breaker.admits(now_s)]
        since_s = now_s - self._options.bench_trust_s
        trusted = [each for each in willing if each.has_answered_since(since_s)]
        if trusted:
            return least_loaded(trusted, now_s), True
        idle = [each for each in willing if not each.awaited]
        if is_retry or not idle or not self._allowance.spend():
            return _NOBODY
        return least_loaded(idle, now_s), True
