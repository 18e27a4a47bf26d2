"""After a try that failed: try again, and when, or give up, and why.

The questions are asked in this order, cheapest first, and the budget last, so that nothing is
taken from it for a retry that is not made:

1. Can another try help? The table of endings knows (``may_go_elsewhere``): never for a caller's
   mistake, a cancelled caller, or a caller whose time ran out.
2. Is it part of a sequence? Its state lives in one instance, and another try would either
   miss that state or apply the step twice.
3. Are there attempts left?
4. Is there somewhere to go? Another instance is always better, and goes without a wait. The
   same one is tried again after a short jittered wait, except when it said itself that it
   cannot: an overloaded instance would only get more load, and one that has not the release
   will not have it in a moment.
5. Is there time for another try? One that is cut off helps nobody and costs the fleet a call.
6. Does the fleet bear it? (``retry_budget``)

Sources: Google's SRE book, chapter 21 "Handling Overload" (a limit per request and one for all
clients together; an overloaded backend is not asked again) and Finagle's retry budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from control_plane.core.backoff import Rng, backoff_s
from control_plane.core.outcomes import MEANINGS, Ending
from control_plane.core.retry_budget import RetryBudget


class GiveUpReason(StrEnum):
    """Why there is no further try."""

    NOT_RETRYABLE = "not_retryable"
    SEQUENCE = "sequence"
    ATTEMPTS_SPENT = "attempts_spent"
    NO_OTHER_INSTANCE = "no_other_instance"
    NO_TIME_LEFT = "no_time_left"
    BUDGET_SPENT = "budget_spent"


@dataclass(frozen=True, slots=True)
class TryElsewhere:
    """Try again after wait_s: on an instance not tried yet, or the same if there is none."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Answer the caller with the failure at hand."""

    reason: GiveUpReason


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """The bounds of trying again, for one request.

    max_attempts: tries in all, the first among them.
    min_try_s: less time than this is not enough for a try.
    first_wait_s, longest_wait_s: the wait before the same instance is tried again; it doubles
        with each attempt from one to the other, and has jitter.

    Raises ValueError for numbers that make no sense.
    """

    max_attempts: int = 3
    min_try_s: float = 0.05
    first_wait_s: float = 0.025
    longest_wait_s: float = 0.25

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        for name in ("min_try_s", "first_wait_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.longest_wait_s < self.first_wait_s:
            raise ValueError("longest_wait_s must be at least first_wait_s")


def may_hedge(
    *,
    attempt: int,
    options: RetryOptions,
    remaining_s: float,
    has_other_instance: bool,
    budget: RetryBudget,
    now_s: float,
) -> bool:
    """Whether a try that has not answered may be joined by a second one elsewhere.

    A hedge is a try more, so it is bound by all that bounds a retry (Dean and Barroso, "The Tail
    at Scale", CACM 56(2), 2013: hedged requests). True has taken its share of the budget. The
    arguments are those of ``decide``.
    """
    return (
        attempt < options.max_attempts
        and has_other_instance
        and remaining_s >= options.min_try_s
        and budget.try_withdraw(now_s)
    )


_NEVER_ON_THE_SAME_INSTANCE = frozenset({Ending.OVERLOAD, Ending.NOT_READY_HERE})


def decide(
    ending: Ending,
    *,
    attempt: int,
    options: RetryOptions,
    remaining_s: float,
    has_other_instance: bool,
    is_sequence: bool,
    budget: RetryBudget,
    now_s: float,
    rng: Rng,
) -> TryElsewhere | GiveUp:
    """What follows from a try that ended so. TryElsewhere has taken its share of the budget.

    attempt: the number of tries so far, at least 1.
    remaining_s: until the caller's deadline.
    has_other_instance: whether an instance that this request has not tried would take it.
    """
    if not MEANINGS[ending].may_go_elsewhere:
        return GiveUp(GiveUpReason.NOT_RETRYABLE)
    if is_sequence:
        return GiveUp(GiveUpReason.SEQUENCE)
    if attempt >= options.max_attempts:
        return GiveUp(GiveUpReason.ATTEMPTS_SPENT)
    wait_s = 0.0
    if not has_other_instance:
        if ending in _NEVER_ON_THE_SAME_INSTANCE:
            return GiveUp(GiveUpReason.NO_OTHER_INSTANCE)
        wait_s = backoff_s(
            attempt, first_s=options.first_wait_s, most_s=options.longest_wait_s, rng=rng
        )
    if remaining_s < wait_s + options.min_try_s:
        return GiveUp(GiveUpReason.NO_TIME_LEFT)
    if not budget.try_withdraw(now_s):
        return GiveUp(GiveUpReason.BUDGET_SPENT)
    return TryElsewhere(wait_s)
