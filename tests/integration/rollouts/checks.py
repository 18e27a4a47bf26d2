"""What must be so whatever a rollout does, as counts that must be 0 and one chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.integration.rollouts.load import Answer, Answers, mislabelled
from tests.integration.rollouts.repository import Execution
from tests.integration.rollouts.routes import RouteSights
from tests.integration.rollouts.split import chi_square_p

LEAST_COUNTED = 40
"""Of requests under the same weights, so that the test of the split has something to go by."""


def strayed(answers: Answers, sights: RouteSights) -> list[Answer]:
    """Answers that name a release which the route named at no moment of their time."""
    return [
        one
        for one in list(answers.all)
        if not one.error and not sights.named(one.release, one.started_s, one.ended_s)
    ]


def reached_unnamed(
    answers: Answers, executions: Iterable[Execution], sights: RouteSights
) -> list[Execution]:
    """This load's inputs that reached the scorer of a release which the route did not name.

    By the scorers' own journal, so whatever the control plane says of it.
    """
    started_s = {one.photo: one.started_s for one in list(answers.all)}
    return [
        one
        for one in executions
        if one.photo in started_s and not sights.named(one.release, started_s[one.photo], one.at_s)
    ]


def routed_unready(sights: RouteSights) -> list[str]:
    """Releases that had traffic and were ready nowhere, while the stable one was ready.

    Before that nobody is sent anywhere: a control plane that has just started knows the routes
    from its store, and loads nothing before it leads and has put them right.
    """
    return [
        release
        for one in list(sights.seen)
        if one.ready_on.get(one.stable)
        for release in one.unready
    ]


def split_chances(answers: Answers, sights: RouteSights) -> dict[int, float]:
    """By the target's weight: the chance of a split as uneven as the one that was seen.

    Of the requests that began and ended under the same weights.
    """
    chances: dict[int, float] = {}
    for weights_bp, from_s, to_s in sights.held():
        counts = Counter(
            one.release
            for one in answers.between(from_s, to_s).all
            if not one.error and one.ended_s <= to_s
        )
        if sum(counts.values()) >= LEAST_COUNTED:
            stable = next(one.stable for one in sights.seen if one.answered_s >= from_s)
            target_bp = sum(weights_bp.values()) - weights_bp.get(stable, 0)
            chance = chi_square_p(counts, weights_bp)
            chances[target_bp] = min(chance, chances.get(target_bp, 1.0))
    return chances


def last_on(release: str, executions: Sequence[Execution]) -> float:
    """When the last input of a load reached a release, since the epoch; AssertionError if none."""
    times = [one.at_s for one in executions if one.release == release and one.is_of_load]
    assert times, f"{release} had no request at all"
    return max(times)


def promised(answers: Answers, executions: Sequence[Execution], sights: RouteSights) -> list[str]:
    """What was broken of all of it, in words; empty when nothing was."""
    assert len(answers), "nothing was asked"
    found: dict[str, Sequence[object]] = {
        "failed": answers.failed,
        "mislabelled": mislabelled(answers.all),
        "answered by a release that was not routed": strayed(answers, sights),
        "reached a release that was not routed": reached_unnamed(answers, executions, sights),
        "routed and ready nowhere": routed_unready(sights),
    }
    return [f"{len(these)} {what}, as {these[0]}" for what, these in found.items() if these]
