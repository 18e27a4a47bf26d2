"""Doing something about jobs: one by one where they are named, at once where they are chosen."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from cli.client import ControlPlane
from cli.failure import UNREACHABLE, Refused, complain
from cli.job_options import JOBS, MAX_LISTED, as_options, job_path, jobs_query
from cli.job_words import line_of
from cli.printing import print_json
from cli.rollout_options import elsewhere

DONE = {"replay": "replayed", "discard": "discarded", "resend": "to be sent again"}
# What an action is about: the query that lists it, one of it, and what is said where there is none.
DEAD = ({"dead": "any"}, "dead letter", "no dead letters")
UNDELIVERED = ({"undelivered": "true"}, "result", "no result was given up")
ABOUT = {"replay": DEAD, "discard": DEAD, "resend": UNDELIVERED}
MANY_TIMEOUT_S = 300.0


def act_on(
    control_plane: ControlPlane,
    action: str,
    job_ids: Sequence[str],
    signature: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Each on its own. Exit status 1 when one was refused; the others are done all the same."""
    is_well = True
    for job_id in job_ids:
        try:
            job = control_plane.post(f"{job_path(job_id)}/{action}", dict(signature))
        except Refused as refusal:
            if refusal.code == UNREACHABLE:
                raise
            is_well = False
            if as_json:
                print_json({"id": job_id, "error": refusal.as_json()}, is_line=True)
            complain(f"{job_id}: {refusal.line()}")
            continue
        if as_json:
            print_json(job, is_line=True)
        else:
            typer.echo(f"{job['id']} {DONE[action]}: {line_of(job)}")
    if not is_well:
        raise typer.Exit(1)


def act_on_chosen(
    control_plane: ControlPlane,
    action: str,
    wanted: Mapping[str, Any],
    *,
    before: str | None,
    limit: int,
    signature: Mapping[str, Any],
    is_sure: bool,
    as_json: bool,
) -> None:
    """All that are wanted of those that the action is about, up to the limit, after asking back."""
    place = {} if before is None else {"before": before}
    most = limit if is_sure else _confirmed(control_plane, action, {**wanted, **place}, limit)
    if not most:
        if as_json:
            print_json({"count": 0, "ids": [], "may_have_more": False})
        return
    body = {**(wanted or {"all": True}), **place, "limit": most, **signature}
    done = control_plane.post(f"{JOBS}/{action}", body, timeout_s=MANY_TIMEOUT_S)
    if as_json:
        print_json(done)
        return
    typer.echo(f"{_counted(action, done['count'])} {DONE[action]}")
    if done["may_have_more"] and most == limit:
        # Not the same again: what fails again at once is the latest again.
        options = f"{as_options(wanted)} --before {done['ids'][-1]} --limit {limit}"
        sure = " --yes" if is_sure else ""
        where = elsewhere(control_plane.url)
        typer.echo(f"there may be more: tidegate jobs {action} {options}{sure}{where}")


def _confirmed(
    control_plane: ControlPlane, action: str, wanted: Mapping[str, Any], limit: int
) -> int:
    """How many a person says yes to. Raises Refused where there is nobody to ask."""
    shown = min(limit, MAX_LISTED)
    only, one, none = ABOUT[action]
    path = jobs_query(**{**only, **wanted}, limit=shown)
    found = len(control_plane.get(path)["jobs"])
    if not found:
        typer.echo(f"no such {one}" if wanted else none, err=True)
        return 0
    is_more = found == MAX_LISTED < limit
    at_least = "at least " if is_more else ""
    what = f"{action} {at_least}{_counted(action, found)}"
    if not has_person():
        raise Refused(
            f"this would {what}, and nobody is there to be asked",
            code="unconfirmed",
            hint="--yes does it",
        )
    if not typer.confirm(f"{what}?", err=True):
        return 0
    # What has died since was not in the question.
    return limit if is_more else found


def has_person() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def _counted(action: str, count: int) -> str:
    return f"{count} {ABOUT[action][1]}{'' if count == 1 else 's'}"
