"""One inference request that has ended, and what the analysis counts of it.

What counts is how the *arm* did that the split sent the request to, whoever answered in the
end: a failure of the canary that a retry or the fallback saved is a failure of the canary. The
rules must treat both arms alike, and whether a request is counted must not depend on how well
its arm did; what the rules leave out, the sample-ratio test watches over.

    how the arm's part ended                                    counted as
    it answered, at its first try that says something           no error
    its first such try was at fault                             error, even if a later one answered
    nothing but not-ready-here, here and there overload         error
    its time ran out, by the caller's own deadline              no error, but slow
    overload only, or no try at all                             not counted
    the caller's mistake, or the caller went away               not counted

A try says something of a release if a breaker would count it (``outcomes``). A hedge that was
cancelled says nothing, and neither does an instance that was full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from control_plane.core.analysis import Arm, Observed, bucket_of
from control_plane.core.outcomes import MEANINGS, Ending, Verdict
from control_plane.core.routing import Route
from control_plane.errors import CALLER_MISTAKES, ErrorCode


@dataclass(slots=True)
class Try:
    """One try of a release at one instance.

    ending: how it ended; a try that is still out is cancelled if nothing comes of it.
    latency_s: how long it took to that end. ended_s: when that was.
    """

    release: str
    instance: str
    ending: Ending = Ending.CANCELLED
    latency_s: float | None = None
    ended_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A request that was let in and has ended, as the gateway saw it.

    route: the one that it was split by. wanted_release: "" where the split chose.
    routing_key: what the split hashed; is_key_given: False where it was made up for this request.
    chosen: the release that the request was sent to first. tries: all, in their order.
    answered_by: the release that answered; None if none did. error: None if one did.
    started_s, ended_s: readings of the monotonic clock.
    message, answer: the request's bytes as they are sent, without a target, and the answer's.
    """

    route: Route
    wanted_release: str
    routing_key: str
    is_key_given: bool
    sequence: str | None
    correlation_id: str
    chosen: str
    tries: Sequence[Try]
    answered_by: str | None
    error: ErrorCode | None
    started_s: float
    ended_s: float
    message: bytes = field(default=b"", repr=False)
    answer: bytes = field(default=b"", repr=False)

    @property
    def engine(self) -> str:
        return self.route.engine

    @property
    def is_of_arm(self) -> bool:
        """Whether the release that the request was sent to first has answered it."""
        return self.answered_by == self.chosen

    @property
    def arm_s(self) -> float | None:
        """How long the chosen release took, its retries and their waits included.

        Without what a fallback took after it. None if no try of it came to an end.
        """
        last_s: float | None = None
        for made in self.tries:
            end_s = made.ended_s if made.release == self.chosen else None
            # Not the last one's: of a try and its hedge, the first may be the one to end last.
            if end_s is not None and (last_s is None or end_s > last_s):
                last_s = end_s
        return None if last_s is None else last_s - self.started_s


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that was not let in, as the gateway saw it.

    engine, release: "" where there is none such. error: OVERLOADED where there was no room.
    """

    engine: str
    release: str
    error: ErrorCode
    at_s: float


def observed_of(ended: Ended, *, slow_s: float, confidence: float | None = None) -> Observed | None:
    """What the analysis counts of a request; None if it counts for neither arm.

    slow_s: fixed before the first request that it is asked of. confidence: of its answer, in
        0..1; it counts only if the arm gave that answer itself.
    """
    if ended.wanted_release or ended.error is ErrorCode.CANCELLED:
        return None
    endings = [made.ending for made in ended.tries if made.release == ended.chosen]
    if not endings or ended.error in CALLER_MISTAKES:
        return None
    is_error, ran_out = _is_error(endings), Ending.DEADLINE in endings
    if is_error is None and not ran_out:
        return None
    arm_s = ended.arm_s
    bucket = bucket_of(confidence) if confidence is not None and ended.is_of_arm else None
    return Observed(
        arm=Arm.STABLE if ended.chosen == ended.route.stable else Arm.CANARY,
        is_error=bool(is_error),
        is_slow=ran_out or (arm_s is not None and arm_s > slow_s),
        confidence_bucket=bucket,
        key=ended.routing_key if ended.is_key_given else None,
    )


def _is_error(endings: Sequence[Ending]) -> bool | None:
    """Whether the arm failed; None if its tries say nothing of that."""
    for ending in endings:
        verdict = MEANINGS[ending].verdict
        if verdict is not Verdict.IGNORED:
            return verdict is Verdict.FAILURE
    # Not ready where it was said to be: no fault of an instance, but the release was not there.
    return True if Ending.NOT_READY_HERE in endings and Ending.DEADLINE not in endings else None
