"""The requests by engine, release and outcome, since the start and over the last minutes.

A request counts for the release that answered it; if none did, for the one that it was sent to
first; if it was never routed, for none, which is written "". What it took counts unless the caller
called it off or got it wrong: those say nothing of how quick a release is. Each try counts by
itself, for its release and its instance.

Everything is bounded. Engines and instances are those that are configured; of an engine's
releases the last ones that had requests are kept, and of their instances so many, the others
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from control_plane.core.outcomes import Ending
from control_plane.core.requests import Ended, Refused
from control_plane.core.traffic.histogram import (
    CONFIDENCE_BOUNDS,
    LATENCY_BOUNDS_S,
    Distribution,
    Histogram,
)
from control_plane.core.traffic.window import Slots, Window
from control_plane.errors import CALLER_MISTAKES, ErrorCode

SUCCESS, SHED = "success", "shed"
"""The outcomes that are no error's code. What is shed was refused for want of room here; what
ends as ``overloaded`` was let in, and an instance had no room."""

OTHERS = "other"
MOST_RELEASES = 16
MOST_INSTANCES = 64

SAYS_NOTHING = CALLER_MISTAKES | {ErrorCode.CANCELLED}
"""Ends of requests that are no error of ours and whose time says nothing."""


@dataclass(frozen=True, slots=True)
class ReleaseSeries:
    """What a release of an engine came to since it is counted.

    outcomes: requests. durations: of requests. calls: of tries, by instance.
    confidences: of those answers that were looked at.
    """

    engine: str
    release: str
    outcomes: Mapping[str, int]
    durations: Distribution
    calls: Mapping[str, Distribution]
    confidences: Distribution


@dataclass(slots=True)
class _Release:
    outcomes: dict[str, int] = field(default_factory=dict)
    durations: Histogram = field(default_factory=lambda: Histogram(LATENCY_BOUNDS_S))
    calls: dict[str, Histogram] = field(default_factory=dict)
    confidences: Histogram = field(default_factory=lambda: Histogram(CONFIDENCE_BOUNDS))
    window: Window = field(default_factory=Window)
    used_s: float = 0.0

    def calls_of(self, instance: str) -> Histogram:
        known = self.calls.get(instance)
        if known is not None:
            return known
        name = instance if len(self.calls) < MOST_INSTANCES else OTHERS
        return self.calls.setdefault(name, Histogram(LATENCY_BOUNDS_S))


@dataclass(slots=True)
class _Engine:
    attempts: dict[Ending, int] = field(default_factory=dict)
    releases: dict[str, _Release] = field(default_factory=dict)

    def release(self, version: str, now_s: float) -> _Release:
        known = self.releases.get(version)
        if known is None:
            if len(self.releases) >= MOST_RELEASES:
                del self.releases[min(self.releases, key=lambda one: self.releases[one].used_s)]
            known = self.releases[version] = _Release()
        known.used_s = now_s
        return known


class RequestCounts:
    """Told of each request that has ended or was not let in. O(1) each, and reads no tensor.

    began_s: when the counting began, by the clock that all the readings handed in are of.
    """

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self._engines: dict[str, _Engine] = {}

    def ended(self, one: Ended) -> None:
        """Counts a request that was let in, and its tries."""
        name, ended_s, error = one.route.engine, one.ended_s, one.error
        engine = self._engine(name)
        answering = one.chosen if one.answered_by is None else one.answered_by
        release = engine.release(answering, ended_s)
        outcome = SUCCESS if error is None else error.value
        release.outcomes[outcome] = release.outcomes.get(outcome, 0) + 1
        if error is not None and error in SAYS_NOTHING:
            release.window.add(ended_s, None, is_error=False)
        else:
            took_s = ended_s - one.started_s
            release.durations.add(took_s)
            release.window.add(ended_s, took_s, is_error=error is not None)
        attempts = engine.attempts
        for made in one.tries:
            attempts[made.ending] = attempts.get(made.ending, 0) + 1
            if made.latency_s is not None:
                of_try = release
                if made.release != answering:
                    of_try = engine.release(made.release, ended_s)
                of_try.calls_of(made.instance).add(made.latency_s)

    def refused(self, one: Refused) -> None:
        """Counts a request that was not let in."""
        is_shed = one.error is ErrorCode.OVERLOADED
        outcome = SHED if is_shed else one.error.value
        release = self._engine(one.engine).release(one.release, one.at_s)
        release.outcomes[outcome] = release.outcomes.get(outcome, 0) + 1
        is_error = one.error not in SAYS_NOTHING
        release.window.add(one.at_s, None, is_error=is_error, is_shed=is_shed)

    def saw_confidence(self, engine: str, release: str, confidence: float, at_s: float) -> None:
        """Counts how sure an answer was. confidence: in 0..1."""
        of = self._engine(engine).release(release, at_s)
        of.confidences.add(confidence)
        of.window.add_confidence(at_s, confidence)

    def series(self) -> tuple[ReleaseSeries, ...]:
        return tuple(
            ReleaseSeries(
                engine=name,
                release=version,
                outcomes=dict(one.outcomes),
                durations=one.durations.read(),
                calls={instance: calls.read() for instance, calls in one.calls.items()},
                confidences=one.confidences.read(),
            )
            for name, engine in self._engines.items()
            for version, one in engine.releases.items()
        )

    def attempts(self) -> Mapping[tuple[str, Ending], int]:
        """Tries by engine and ending."""
        return {
            (name, ending): count
            for name, engine in self._engines.items()
            for ending, count in engine.attempts.items()
        }

    def engines(self) -> tuple[str, ...]:
        """What was asked of no engine that there is, is left out."""
        return tuple(name for name in self._engines if name)

    def slots(self, engine: str, now_s: float) -> Mapping[str, Slots]:
        """The last minutes of an engine by release and slot; what was never routed under ""."""
        known = self._engines.get(engine)
        releases = {} if known is None else known.releases
        return {version: one.window.slots(now_s) for version, one in releases.items()}

    def _engine(self, name: str) -> _Engine:
        engine = self._engines.get(name)
        if engine is None:
            engine = self._engines[name] = _Engine()
        return engine
