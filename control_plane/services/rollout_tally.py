"""What this control plane has counted of one rollout so far. It adds up; it judges nothing."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

from control_plane.core.analysis import Arm, Observed, Step, Tally, digest_of
from control_plane.core.state import KeyedUnit
from control_plane.ports import RolloutCounts

PAIR_WEIGHT_BP = 5_000
"""Every request that is copied to a shadow is one unit of each arm."""

WHOLE = -1
"""The step of requests that came while all traffic was the target's, without a trial to say
which step that is; a rollout has no two such steps."""


@dataclass(frozen=True, slots=True)
class TallyOptions:
    """How much may be held of one rollout.

    max_keys: routing keys known. max_waiting: keyed units that are not stored yet.
    max_ids: request ids known, to count one that is used again and again only once.
    """

    max_keys: int = 200_000
    max_waiting: int = 50_000
    max_ids: int = 100_000


class RolloutTally:
    """Counts of one rollout by one control plane.

    label: under which they are stored; no other tally ever has the same, so that one that was
        forgotten and begun anew replaces nothing.
    version: grows with each change. used_at_s: when its rollout was last heard of.
    """

    def __init__(self, label: str, options: TallyOptions, now_s: float) -> None:
        self.label = label
        self.version = 0
        self.used_at_s = now_s
        self._options = options
        self._loose = Tally()
        self._keyed = Tally(options.max_keys)
        self._pairs = Tally()
        self._samples: Counter[int] = Counter()
        self._details: Counter[str] = Counter()
        self._waiting: deque[KeyedUnit] = deque()
        self._ids: set[int] = set()

    def __repr__(self) -> str:
        return f"<RolloutTally {self.label}, {len(self._waiting)} units to be stored>"

    def add(self, observed: Observed, step: Step, made_up_key: str) -> None:
        """Counts a request that the split had sent to an arm.

        made_up_key: what it was split by, where it has no key of its own. Nobody shares it, as a
            rule; but a client may number all of its requests 1, and then it is one draw.
        """
        if observed.key is None:
            if self._is_new(made_up_key):
                self._loose.observe(observed, step)
                self.version += 1
        elif len(self._waiting) < self._options.max_waiting and self._keyed.observe(observed, step):
            self._waiting.append(_unit(observed, step))
            self.version += 1

    def add_pair(self, stable: Observed, shadow: Observed, confidence_centre: float) -> None:
        """Counts a request that both releases were asked, in both arms.

        Confidences should be there if both have answered: else their means would be of different
        requests.
        """
        step = Step(1, PAIR_WEIGHT_BP, confidence_centre)
        for arm, one in ((Arm.STABLE, stable), (Arm.CANARY, shadow)):
            self._pairs.observe(replace(one, arm=arm, key=None), step)
        self.version += 1

    def add_sample(self, step: int) -> None:
        """One more request was answered by the target. step: 0 in the shadow."""
        self._samples[step] += 1
        self.version += 1

    def add_details(self, details: Mapping[str, int]) -> None:
        self._details.update(details)
        self.version += 1

    def counts(self) -> RolloutCounts:
        """All but what has a routing key."""
        return RolloutCounts(
            steps=self._loose.counts(),
            shadow=self._pairs.counts(),
            samples=dict(self._samples),
            details=dict(self._details),
        )

    def keyed(self, limit: int) -> tuple[KeyedUnit, ...]:
        """The first of those that are to be stored."""
        return tuple(islice(self._waiting, limit))

    def stored(self, number: int) -> None:
        """So many of the first are stored."""
        for _ in range(number):
            self._waiting.popleft()

    def _is_new(self, made_up_key: str) -> bool:
        key = hash(made_up_key)
        if key in self._ids:
            return False
        if len(self._ids) >= self._options.max_ids:
            self._ids.clear()  # then an id that is used all the time counts once more
        self._ids.add(key)
        return True


def _unit(observed: Observed, step: Step) -> KeyedUnit:
    return KeyedUnit(
        digest=digest_of(observed.key or ""),
        step=step.number,
        weight_bp=step.weight_bp,
        confidence_centre=step.confidence_centre,
        is_canary=observed.arm is Arm.CANARY,
        is_error=observed.is_error,
        is_slow=observed.is_slow,
        confidence_bucket=observed.confidence_bucket,
    )
