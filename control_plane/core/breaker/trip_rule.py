"""When what was seen is too much: the rule that trips a closed breaker.

Three ways lead to open, and any one is enough:

1. failures in a row (Envoy's ``consecutive_5xx``): the quick one. It needs no volume, so it
   works at night and on two instances.
2. the share of failures in the window (Polly v8's ``FailureRatio``): catches an instance that
   fails every other call and so never fails five times in a row.
3. the share of slow calls in the window (resilience4j's ``slowCallRateThreshold``): catches an
   instance that answers everything, too late.

The shares need a least number of calls, or the first call of the night would be a ratio of 1.

Only bad news trips: the rule is asked after a failure or a slow call, and each share is
looked at only when the call belongs to it. Else a good call could open the breaker, merely
because older good calls had just left the window.
"""

from __future__ import annotations

from control_plane.core.breaker.options import BreakerOptions
from control_plane.core.breaker.window import Counts


def reason_to_trip(
    options: BreakerOptions,
    counts: Counts,
    *,
    consecutive_failures: int,
    is_failure: bool,
    is_slow: bool,
) -> str | None:
    """Why a closed breaker must open after a call, for a person to read; None if it need not.

    counts, consecutive_failures: with that call already counted.
    is_failure, is_slow: what that call was; it may have been both.
    """
    if is_failure and consecutive_failures >= options.consecutive_failures:
        return f"{consecutive_failures} failures in a row"
    if counts.calls < options.min_calls:
        return None
    if is_failure and counts.failure_ratio >= options.failure_ratio:
        return f"{counts.failures} of {counts.calls} calls failed in {options.window_s:g} s"
    if is_slow and counts.slow_ratio >= options.slow_ratio:
        return (
            f"{counts.slow} of {counts.calls} calls in {options.window_s:g} s "
            f"took longer than {options.slow_call_s:g} s"
        )
    return None
