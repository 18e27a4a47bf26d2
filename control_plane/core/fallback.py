"""After a release could not answer: which other release may, and whether it is worth a try.

Another instance comes first; that is ``retry``'s part. When the release chosen by the split has
nothing left to try, stable answers in its place, and then the release that the settings name
for the worst case. Whoever names a release gets that one or an error, and a sequence has its
state in one release. A caller's mistake would be one for every release.

What a fallback costs is a try more, so it comes out of the same budget as a retry (``retry``).
A release that is ready nowhere has cost none yet.
"""

from __future__ import annotations

from control_plane.core.catalogue import Release
from control_plane.core.outcomes import MEANINGS, Ending
from control_plane.core.retry import RetryOptions
from control_plane.core.retry_budget import RetryBudget
from control_plane.core.routing import Route


def fallbacks(
    route: Route, chosen: Release, *, wanted: str, is_sequence: bool
) -> tuple[Release, ...]:
    """The releases that may answer in place of the chosen one, the better first.

    wanted: what the caller asked for; "" for the split.
    """
    if wanted or is_sequence or (route.fallback is None and chosen.version == route.stable):
        return ()
    names = dict.fromkeys((route.stable, route.fallback))
    return tuple(
        route.serving[name] for name in names if name is not None and name != chosen.version
    )


def may_fall_back(
    ending: Ending | None,
    *,
    remaining_s: float,
    options: RetryOptions,
    budget: RetryBudget,
    now_s: float,
) -> bool:
    """Whether to ask another release. True has taken its share of the budget.

    ending: the last try's; None when there was none, because no instance has the release.
    remaining_s: until the request's own deadline, which is later than the release's.
    """
    if remaining_s < options.min_try_s:
        return False
    if ending is None:
        return True
    can_help = MEANINGS[ending].may_go_elsewhere or ending is Ending.DEADLINE
    return can_help and budget.try_withdraw(now_s)
