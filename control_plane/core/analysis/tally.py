"""Which requests are counted: the first of each routing key in a step, and no other.

All requests of one key go to one arm. So they are one draw of the split, however many they
are: if a client that sends a third of the traffic happens to send bad photos, then the arm it
fell into looks bad, by that one draw. A test that counted its requests one by one would take
one coin for a thousand (``docs/canary-analysis.md`` shows how often it is wrong). Without a
routing key each request draws its own arm, and each is counted.

The split is sticky, too. A key that was in the canary before is there again, with certainty,
and so tells nothing new about the split: it is not counted. A key that was in stable before
moves to the canary with a smaller chance than the new weight: it is counted in the stratum of
what was known of it (``StepCounts.seen_weight_bp``).

Several control planes: each may see a key first. So each keeps a tally of its own and hands on
what that one counted (``observe`` says so), and the leader's tally counts it again, once. What
has no key needs no such care: its counts simply add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from control_plane.core.analysis.counts import ALL_BP, BUCKETS, Arm, ArmCounts, Step, StepCounts

_UNITS, _ERRORS, _SLOW, _FIRST_BUCKET = range(4)


@dataclass(frozen=True, slots=True)
class Observed:
    """How one request ended that the split of a route had sent to an arm.

    Not observed, in neither arm: a request that asked for its release; one that was shed for
    overload; one that was the caller's mistake; one that the caller cancelled. If one
    arm loses more units in such ways than the other, the sample-ratio test finds out.

    arm: where the split sent it, whoever answered in the end.
    is_error: its first try in that arm failed, even if a retry or the fallback saved it.
    is_slow: the arm took longer than stable's p95, which was fixed before the step.
    confidence_bucket: ``bucket_of`` the answer's mean confidence, and of 0.0 for an answer
        without a detection; None if it failed, or if the engine gives no confidences.
    key: the routing key; None if it was made up for this request alone.
    """

    arm: Arm
    is_error: bool
    is_slow: bool
    confidence_bucket: int | None
    key: str | None


class Tally:
    """Counts of one rollout. At most max_keys keys are known; a further one is not counted.

    Leaving out new keys when it is full depends on no outcome, so the tests stay valid.
    O(1) per request.
    """

    def __init__(self, max_keys: int = 200_000) -> None:
        self._max_keys = max_keys
        # By key: the greatest weight under which it was seen in stable; ALL_BP once it was seen
        # in the canary, for then nothing about its arm is left to chance.
        self._seen_bp: dict[int, int] = {}
        self._cells: dict[tuple[Step, int], dict[Arm, list[int]]] = {}

    def __repr__(self) -> str:
        return f"<Tally of {len(self._seen_bp)} keys in {len(self._cells)} strata>"

    @property
    def is_full(self) -> bool:
        """Whether new keys are left out."""
        return len(self._seen_bp) >= self._max_keys

    def observe(self, observed: Observed, step: Step) -> bool:
        """Counts a request, and says whether it did.

        step: the one whose weights split the request, which may be over when it ends.
        """
        if observed.key is None:
            self._count(observed, step, seen_weight_bp=0)
            return True
        return self.observe_again(observed, step, digest_of(observed.key))

    def observe_again(self, observed: Observed, step: Step, digest: int) -> bool:
        """As ``observe``, for what another tally has counted: of the key, only its digest."""
        seen_bp = self._seen_bp.get(digest, 0)
        if step.weight_bp <= seen_bp or (not seen_bp and self.is_full):
            return False
        self._seen_bp[digest] = ALL_BP if observed.arm is Arm.CANARY else step.weight_bp
        self._count(observed, step, seen_bp)
        return True

    def counts(self) -> tuple[StepCounts, ...]:
        """What was counted, by step and stratum: what ``judge`` takes."""
        return tuple(
            StepCounts(step, seen, _arm_counts(cells[Arm.STABLE]), _arm_counts(cells[Arm.CANARY]))
            for (step, seen), cells in self._cells.items()
        )

    def _count(self, observed: Observed, step: Step, seen_weight_bp: int) -> None:
        by_arm = self._cells.get((step, seen_weight_bp))
        if by_arm is None:
            by_arm = {arm: [0] * (_FIRST_BUCKET + BUCKETS) for arm in Arm}
            self._cells[step, seen_weight_bp] = by_arm
        cells = by_arm[observed.arm]
        cells[_UNITS] += 1
        cells[_ERRORS] += observed.is_error
        cells[_SLOW] += observed.is_slow
        if observed.confidence_bucket is not None:
            cells[_FIRST_BUCKET + observed.confidence_bucket] += 1


def _arm_counts(cells: list[int]) -> ArmCounts:
    units, errors, slow, *confidences = cells
    return ArmCounts(units, errors, slow, tuple(confidences))


def digest_of(key: str) -> int:
    """64 bits of a key: two of a million keys share theirs with a chance below 1 in 10^7."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
