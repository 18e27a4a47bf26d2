"""What is done to many jobs at once: how many it is about, and what is said before and after.

Nobody is asked about a number that is not known: what was counted is named, and where there are
more than were counted, that is said, with how many are done at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from control_plane.core.jobs import Job
from control_plane.rest_api.dashboard.jobs_query import JobsQuery
from control_plane.rest_api.dashboard.jobs_view import (
    MOST_ACTED_ON,
    MOST_READ,
    OFFERS,
    JobRow,
    show_row,
)
from control_plane.rest_api.jobs import Act

JOBS = "/dashboard/jobs"
_VERBS = {Act.REPLAY: "Replay", Act.DISCARD: "Discard", Act.RESEND: "Send again"}


@dataclass(frozen=True, slots=True)
class Bulk:
    """One order about many. fields: the filter, and how many were counted."""

    verb: str
    url: str
    title: str
    consequence: str
    is_dangerous: bool
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeadGroup:
    """Dead letters that died of the same. query: where they are listed."""

    dead: str
    code: str
    count: int
    latest: JobRow
    query: str
    bulk: tuple[Bulk, ...]


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """is_more: there are more than were read, so every count is a least one."""

    groups: tuple[DeadGroup, ...]
    is_more: bool
    words: str


def show_dead(jobs: Sequence[Job]) -> DeadLetters:
    """jobs: the latest dead letters, at most one more than ``MOST_READ``."""
    is_more = len(jobs) > MOST_READ
    kinds: dict[tuple[str, str], list[Job]] = {}
    for job in jobs[:MOST_READ]:
        if job.dead is not None:
            code = job.error.code.value if job.error else ""
            kinds.setdefault((job.dead.value, code), []).append(job)
    groups = [_group(dead, code, members, is_more) for (dead, code), members in kinds.items()]
    groups.sort(key=lambda group: -group.count)
    words = f"the latest {MOST_READ}; there are more" if is_more else ""
    return DeadLetters(tuple(groups), is_more, words)


def bulks_of(query: JobsQuery, *, dead: Sequence[Job], given_up: Sequence[Job]) -> tuple[Bulk, ...]:
    """What may be done to all that a list with filters is of.

    dead, given_up: the dead letters and the undelivered results among them, the latest, at most
    one more than ``MOST_READ`` of each. Without a filter nothing is offered: what is done to
    every dead letter is done kind by kind.
    """
    if query.problem or not query.is_filtered:
        return ()
    fields = dict(query.chosen)
    letters = "dead letters of this list"
    readable = [job for job in dead if job.request is not None]
    bulks = []
    if readable:
        bulks.append(_bulk(Act.REPLAY, readable, letters, fields, len(dead) > MOST_READ))
    if dead:
        bulks.append(_bulk(Act.DISCARD, dead, letters, fields, len(dead) > MOST_READ))
    if given_up:
        what = "undelivered results of this list"
        bulks.append(_bulk(Act.RESEND, given_up, what, fields, len(given_up) > MOST_READ))
    return tuple(bulks)


def how_many(count: int, *, is_more: bool) -> str:
    if is_more:
        return f"at least {count}, at most {MOST_ACTED_ON} at once"
    return f"all {count}" if count != 1 else "1"


def acted_in_words(action: Act, count: int, *, expected: int, may_have_more: bool) -> str:
    """What came of it, without more than is known. expected: how many the page had counted."""
    done = {Act.REPLAY: "replayed", Act.DISCARD: "discarded", Act.RESEND: "sent again"}[action]
    said = f"{count} {_were(count)} {done}."
    if may_have_more:
        return f"{said} There may be more: do it again for the next {MOST_ACTED_ON}."
    if count < expected:
        left = expected - count
        return (
            f"{said} {left} {_were(left)} not: changed by somebody else meanwhile, or unreadable."
        )
    return said


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _group(dead: str, code: str, jobs: Sequence[Job], is_more: bool) -> DeadGroup:
    chosen = {"dead": dead, **({"code": code} if code else {})}
    query = JobsQuery(chosen)
    what = f"dead letters that are {dead}" + (f" with {code}" if code else "")
    bulk: list[Bulk] = []
    if code:  # without one the filter would mean more than this kind
        readable = [job for job in jobs if job.request is not None]
        if readable:
            bulk.append(_bulk(Act.REPLAY, readable, what, chosen, is_more))
        bulk.append(_bulk(Act.DISCARD, jobs, what, chosen, is_more))
    return DeadGroup(dead, code, len(jobs), show_row(jobs[0]), query.query, tuple(bulk))


def _bulk(
    action: Act, jobs: Sequence[Job], what: str, fields: Mapping[str, str], is_more: bool
) -> Bulk:
    count = min(len(jobs), MOST_READ)
    offer = OFFERS[action]
    more = "≥ " if is_more else ""
    return Bulk(
        verb=f"{_VERBS[action]} {more}{count}",
        url=f"{JOBS}/{action.value}",
        title=f"{_VERBS[action]} {how_many(count, is_more=is_more)} {what}?",
        consequence=f"Of each of them: {offer.consequence[0].lower()}{offer.consequence[1:]}",
        is_dangerous=offer.is_dangerous,
        fields={**fields, "expected": str(count)},
    )
