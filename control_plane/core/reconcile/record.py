"""What came of the work on one instance: what rests after it failed, and what was refused there.

An action that has failed rests by itself, longer each time, and keeps nothing else on its
instance waiting. A release is *refused* once the work towards it has failed so many times in a
row that it may well be the release's fault; a Triton that dies under a load is such a failure,
but once it may have died of something else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from control_plane.core.backoff import Rng, backoff_s
from control_plane.core.catalogue import Release
from control_plane.core.loading import LoadTwin, LoadVersions, Observation
from control_plane.core.mending import UnloadTwin
from control_plane.core.reconcile.actions import Action, Prove, unmet
from control_plane.core.reconcile.facts import ReleaseKey, key_of

FIRST_REST_S, MOST_REST_S = 1.0, 30.0
"""How long what has failed on an instance is not tried again there."""

REFUSED_AFTER = 2
"""Failures in a row by which an instance has refused a release."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An action that did not do what it should.

    is_telling: it may be the release's fault, as a call that ran out of time is not.
    """

    action: Action
    reason: str
    is_telling: bool


@dataclass(frozen=True, slots=True)
class _Rest:
    """An action that has failed so many times in a row, and when it may be tried again."""

    action: Action
    failures: int
    until_s: float


class Record:
    """The failures of one instance. Bounded: by the actions that a plan can have there."""

    def __init__(self) -> None:
        self._rests: dict[tuple[str, str], _Rest] = {}
        self._strikes: dict[ReleaseKey, tuple[int, str]] = {}

    def __repr__(self) -> str:
        return f"<Record of {len(self._rests)} at rest, strikes {self._strikes}>"

    @property
    def is_clean(self) -> bool:
        return not (self._rests or self._strikes)

    @property
    def has_rests(self) -> bool:
        return bool(self._rests)

    @property
    def refused(self) -> Mapping[ReleaseKey, str]:
        """The releases that were refused there, and why."""
        return {
            key: reason
            for key, (strikes, reason) in self._strikes.items()
            if strikes >= REFUSED_AFTER
        }

    def resting(self, now_s: float) -> tuple[Action, ...]:
        """The actions that are not to be tried yet."""
        return tuple(rest.action for rest in self._rests.values() if now_s < rest.until_s)

    def ended(
        self,
        done: Sequence[Action],
        failures: Sequence[Failure],
        observed: Observation | None,
        *,
        known: Iterable[Release],
        now_s: float,
        rng: Rng,
    ) -> tuple[Failure, ...]:
        """Take in a piece of work; all that has failed of it, what was only said to be done too.

        observed: a look from after it; None if the instance is away, and with it all that was
            done there. What had failed then may be what ended it.
        """
        releases = tuple(known)
        if observed is None:
            self._strike(failures, releases)
            return tuple(failures)
        undone = [
            Failure(action, words, is_telling=True)
            for action in done
            if (words := unmet(action, observed))
        ]
        failed = (*failures, *undone)
        self._strike([failure for failure in failed if failure.is_telling], releases)
        rests = {_name(failure.action): self._rest(failure, now_s, rng) for failure in failed}
        for action in done:
            self._rests.pop(_name(action), None)
        self._rests |= rests
        return failed

    def proved(self, key: ReleaseKey) -> None:
        """It is ready there: what failed before is forgiven."""
        self._strikes.pop(key, None)

    def keep(self, wanted: Collection[ReleaseKey]) -> None:
        """What is not wanted there any more may be tried anew when it is."""
        self._strikes = {key: had for key, had in self._strikes.items() if key in wanted}

    def _strike(self, failures: Iterable[Failure], known: Sequence[Release]) -> None:
        for failure in failures:
            for key in _helped_by(failure.action, known):
                strikes, _ = self._strikes.get(key, (0, ""))
                self._strikes[key] = (strikes + 1, failure.reason)

    def _rest(self, failure: Failure, now_s: float, rng: Rng) -> _Rest:
        last = self._rests.get(_name(failure.action))
        failures = 1 if last is None or last.action != failure.action else last.failures + 1
        rest_s = backoff_s(failures, first_s=FIRST_REST_S, most_s=MOST_REST_S, rng=rng)
        return _Rest(failure.action, failures, now_s + rest_s)


def _name(action: Action) -> tuple[str, str]:
    """The same for what is tried again with other versions."""
    match action:
        case LoadTwin(release) | UnloadTwin(release) | Prove(release):
            return type(action).__name__, release.model_name
        case _:
            return type(action).__name__, action.model


def _helped_by(action: Action, known: Sequence[Release]) -> list[ReleaseKey]:
    """The releases that an action was to bring nearer."""
    match action:
        case LoadTwin(release) | Prove(release):
            return [key_of(release)]
        case LoadVersions(model, versions):
            return [key_of(one) for one in known if one.pins.get(model) in versions]
        case _:
            return []
