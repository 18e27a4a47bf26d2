"""One breaker: whether a call may go to an instance now, and what its end says about it.

It decides and does nothing else. Asking is reserving: ``admit`` hands out a Permit in the
same step in which it says yes, so that two callers never take the last probe, and every
permit comes back through ``settle``, whatever the ending. Between two admissions nothing
happens by itself: an open breaker whose time is over becomes half open when it is next asked.

- *closed*: everyone is admitted. Endings are counted, and the trip rule looks at them.
- *open*: nobody is, until ``opens_until_s`` or until somebody vouches for it.
- *half_open*: ``max_probes`` at a time. ``probes_to_close`` good ones close it and wipe the
  counters; one bad one opens it for twice as long. A slow probe is a bad one (as in
  resilience4j): an instance that was shut out for being slow is not well because it answers.
- *isolated*: nobody is, until it is released.

The open time is exponential with jitter, first_open_s to longest_open_s, as Envoy's ejection
time grows with every ejection. Closing does not reset it, or an instance that flaps would be
trusted anew every time; staying closed for reset_after_s does.

A permit carries the generation of the period it was given in. One that comes back in another
period is taken back and says nothing: when an instance dies with a hundred calls in flight,
five of them trip the breaker and the others must not judge the probes that follow.

A probe's permit that never came back would keep its place until the period ends: with
max_probes of them lost, a half-open breaker admits nobody. There is no time limit for that,
since a slow probe is no lost one. So a permit is held where leaving gives it back, whatever
happens: in a context manager that settles as IGNORED what nobody has settled.

Sources: Nygard, Release It!; Polly v8 ``CircuitStateController``; Envoy's outlier detection;
resilience4j ``CircuitBreakerStateMachine``.
"""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.core.backoff import Rng, backoff_s
from control_plane.core.breaker.options import BreakerOptions
from control_plane.core.breaker.states import Event, State, next_state
from control_plane.core.breaker.trip_rule import reason_to_trip
from control_plane.core.breaker.window import Window
from control_plane.core.outcomes import Verdict


@dataclass(slots=True, eq=False)
class Permit:
    """Leave to make one call. It belongs to the breaker that gave it, and is settled once.

    generation: the period of the breaker it was given in.
    """

    issuer: Breaker
    generation: int
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class BreakerStatistics:
    """A breaker at one moment, for showing. Nothing is decided by it.

    since_s: when the present state began; None since it was made, or when nobody said.
    opened_times: how often it opened since it was made.
    last_trip: why it last opened; None if it never did.
    """

    state: State
    since_s: float | None
    opens_until_s: float | None
    consecutive_failures: int
    calls: int
    failure_ratio: float
    slow_ratio: float
    probes_out: int
    good_probes: int
    opened_times: int
    last_trip: str | None


class Breaker:
    """A circuit breaker. Every time is a reading of one monotonic clock, in seconds."""

    __slots__ = (
        "_consecutive_failures",
        "_forgiven_at_s",
        "_generation",
        "_good_probes",
        "_last_trip",
        "_open_exponent",
        "_opened_times",
        "_opens_until_s",
        "_options",
        "_probes_out",
        "_since_s",
        "_state",
        "_window",
    )

    def __init__(self, options: BreakerOptions) -> None:
        self._options = options
        self._window = Window(options.bucket_s, options.window_buckets)
        self._state = State.CLOSED
        self._since_s: float | None = None
        self._generation = 0
        self._consecutive_failures = 0
        self._probes_out = 0
        self._good_probes = 0
        self._opens_until_s: float | None = None
        # Openings since it last stayed closed for reset_after_s: the open time doubles by it.
        self._open_exponent = 0
        self._forgiven_at_s = 0.0
        self._opened_times = 0
        self._last_trip: str | None = None

    def __repr__(self) -> str:
        details = [self._state.value]
        if self._opens_until_s is not None:
            details.append(f"until {self._opens_until_s:g} s")
        if self._state is State.HALF_OPEN:
            details.append(f"{self._probes_out}/{self._options.max_probes} probes out")
            details.append(f"{self._good_probes}/{self._options.probes_to_close} good")
        details.append(f"failures in a row: {self._consecutive_failures}")
        details.append(f"opened: {self._opened_times}")
        if self._last_trip is not None:
            details.append(f"last trip: {self._last_trip}")
        return f"<Breaker {', '.join(details)}>"

    @property
    def state(self) -> State:
        """OPEN stays OPEN when its time is over, until somebody is admitted."""
        return self._state

    @property
    def opens_until_s(self) -> float | None:
        """From when an open breaker may be probed; None in every other state."""
        return self._opens_until_s

    def admits(self, now_s: float) -> bool:
        """Whether ``admit`` would give a permit. A look: nothing is changed."""
        if self._state is State.HALF_OPEN:
            return self._probes_out < self._options.max_probes
        if self._state is State.OPEN:
            return self._is_open_time_over(now_s)
        return self._state is State.CLOSED

    def admit(self, now_s: float) -> Permit | None:
        """Leave for one call, which must be settled; None when it may not be made.

        The first one after the open time moves the breaker to half_open.
        """
        if not self.admits(now_s):
            return None
        if self._state is State.OPEN:
            self._move(Event.PROBE, now_s)
        if self._state is State.HALF_OPEN:
            self._probes_out += 1
        return Permit(self, self._generation)

    def settle(
        self, permit: Permit, verdict: Verdict, *, latency_s: float, now_s: float, rng: Rng
    ) -> bool:
        """Take a permit back and learn from how its call ended. True if the state changed.

        IGNORED returns a probe and moves no counter. A permit of an earlier period returns
        nothing and moves nothing.

        Raises ValueError, and changes nothing, for a permit that was settled before or that
        another breaker gave.
        """
        if permit.issuer is not self:
            raise ValueError(f"the permit was given by {permit.issuer!r}, not by {self!r}")
        if permit.is_settled:
            raise ValueError(f"the permit was settled before; {self!r}")
        permit.is_settled = True
        if permit.generation != self._generation:
            return False
        is_probe = self._state is State.HALF_OPEN
        if is_probe:
            self._probes_out -= 1
        if verdict is Verdict.IGNORED:
            return False

        limit_s = self._options.slow_call_s
        is_failure = verdict is Verdict.FAILURE
        is_slow = limit_s is not None and latency_s > limit_s
        self._window.record(now_s, is_failure=is_failure, is_slow=is_slow)
        self._consecutive_failures = self._consecutive_failures + 1 if is_failure else 0
        if not (is_failure or is_slow):
            return is_probe and self._count_good_probe(now_s)
        if is_probe:
            reason = "a probe failed" if is_failure else f"a probe took longer than {limit_s:g} s"
            self._open(Event.RELAPSE, reason, now_s, rng)
            return True
        return self._trip_if_due(now_s, rng, is_failure=is_failure, is_slow=is_slow)

    def isolate(self, now_s: float | None = None) -> None:
        """Let nobody through until it is released, from whatever state.

        now_s: only for showing since when.
        """
        self._move(Event.ISOLATE, now_s)

    def release(self, now_s: float | None = None) -> None:
        """End the isolation; probes must prove it well before it closes.

        now_s: only for showing since when. Raises IllegalEvent if it is not isolated.
        """
        self._move(Event.RELEASE, now_s)

    def vouch(self, now_s: float) -> None:
        """End the open time early, for a sign of life; probes must prove it as ever.

        Raises IllegalEvent if it is not open.
        """
        self._move(Event.VOUCH, now_s)

    def retry_after_s(self, now_s: float) -> float:
        """When it makes sense to ask again; 0 when that is now.

        Nobody knows how long a probe or a person takes: with all probes out it is the
        shortest open time, and isolated the longest.
        """
        if self.admits(now_s):
            return 0.0
        if self._opens_until_s is not None:
            return self._opens_until_s - now_s
        if self._state is State.ISOLATED:
            return self._options.longest_open_s
        return self._options.first_open_s

    def statistics(self, now_s: float) -> BreakerStatistics:
        """What a person wants to see. A look: nothing is changed."""
        counts = self._window.counts(now_s)
        return BreakerStatistics(
            state=self._state,
            since_s=self._since_s,
            opens_until_s=self._opens_until_s,
            consecutive_failures=self._consecutive_failures,
            calls=counts.calls,
            failure_ratio=counts.failure_ratio,
            slow_ratio=counts.slow_ratio,
            probes_out=self._probes_out,
            good_probes=self._good_probes,
            opened_times=self._opened_times,
            last_trip=self._last_trip,
        )

    def _is_open_time_over(self, now_s: float) -> bool:
        return self._opens_until_s is not None and now_s >= self._opens_until_s

    def _count_good_probe(self, now_s: float) -> bool:
        self._good_probes += 1
        if self._good_probes < self._options.probes_to_close:
            return False
        self._move(Event.PROVE, now_s)
        self._forgiven_at_s = now_s + self._options.reset_after_s
        # What happened before the proof must not trip it right after.
        self._window.clear()
        return True

    def _trip_if_due(self, now_s: float, rng: Rng, *, is_failure: bool, is_slow: bool) -> bool:
        reason = reason_to_trip(
            self._options,
            self._window.counts(now_s),
            consecutive_failures=self._consecutive_failures,
            is_failure=is_failure,
            is_slow=is_slow,
        )
        if reason is None:
            return False
        if now_s >= self._forgiven_at_s:
            self._open_exponent = 0
        self._open(Event.TRIP, reason, now_s, rng)
        return True

    def _open(self, event: Event, reason: str, now_s: float, rng: Rng) -> None:
        self._move(event, now_s)
        self._open_exponent += 1
        self._opened_times += 1
        self._last_trip = reason
        self._opens_until_s = now_s + backoff_s(
            self._open_exponent,
            first_s=self._options.first_open_s,
            most_s=self._options.longest_open_s,
            rng=rng,
        )

    def _move(self, event: Event, now_s: float | None) -> None:
        """Begin the period that an event leads to. The only place where the state changes."""
        after = next_state(self._state, event)
        if after is self._state:
            return
        self._state = after
        self._since_s = now_s
        self._generation += 1
        self._probes_out = 0
        self._good_probes = 0
        self._opens_until_s = None
