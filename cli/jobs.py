"""``jobs``: what waits, what failed, and what is done about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from cli import job_options as options
from cli.client import ControlPlane
from cli.job_acts import act_on, act_on_chosen
from cli.options import DEFAULT_URL, AsJson, Token, Url, Who, signed
from cli.printing import console, print_json
from cli.rollout_options import elsewhere
from cli.watching import Times

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="See and steer jobs: detections that nobody waits for.\n\n"
    "Those that failed are dead letters until they are replayed or discarded.",
)

Limit = Annotated[
    int,
    typer.Option("--limit", min=1, max=options.MAX_LISTED, metavar="N", help="How many at most."),
]


@app.command("list")
def list_jobs(
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            show_default=False,
            help="queued, processing, completed, partial or failed. May be repeated.",
        ),
    ] = None,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="Only where sending the result was given up.")
    ] = False,
    priority: options.Priority = None,
    code: options.Code = None,
    engine: options.Engine = None,
    correlation_id: options.CorrelationId = None,
    since: options.Since = None,
    until: options.Until = None,
    before: options.Before = None,
    limit: Limit = 50,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the latest jobs, the latest first."""
    from cli.job_picture import jobs_picture

    wanted = options.chosen(
        reason=None,
        code=code,
        engine=engine,
        priority=priority,
        correlation_id=correlation_id,
        since=since,
        until=until,
    )
    path = options.jobs_query(
        state=state,
        undelivered="true" if undelivered else None,
        **wanted,
        limit=limit,
        before=before,
    )
    answer = ControlPlane(url, token).get(path)
    if as_json:
        print_json(answer)
        return
    if not answer["jobs"]:
        is_chosen = bool(wanted or state or undelivered or before)
        typer.echo("no jobs" if is_chosen else "no jobs yet: tidegate detect PHOTO --async")
        return
    out = console()
    out.print(jobs_picture(answer["jobs"], _now(), out.width))
    _tell_more(answer)


@app.command()
def dead(
    reason: options.DeadReason = None,
    code: options.Code = None,
    engine: options.Engine = None,
    priority: options.Priority = None,
    correlation_id: options.CorrelationId = None,
    since: options.Since = None,
    until: options.Until = None,
    before: options.Before = None,
    limit: Limit = 50,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the dead letters: why each failed, and what to do about it."""
    from cli.job_picture import dead_picture
    from cli.job_words import next_commands

    wanted = options.chosen(
        reason=reason,
        code=code,
        engine=engine,
        priority=priority,
        correlation_id=correlation_id,
        since=since,
        until=until,
    )
    path = options.jobs_query(**{"dead": "any", **wanted}, limit=limit, before=before)
    answer = ControlPlane(url, token).get(path)
    if as_json:
        print_json(answer)
        return
    if not answer["jobs"]:
        typer.echo("no such dead letter" if wanted or before else "no dead letters")
        return
    out = console()
    out.print(dead_picture(answer["jobs"], _now(), out.width))
    _tell_more(answer)
    out.print("", *next_commands(answer["jobs"], elsewhere(url)), sep="\n", markup=False)


@app.command()
def show(
    job: options.Id, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False
) -> None:
    """Show one job with everything.

    What was asked, how far it is, and what went wrong.
    """
    from cli.job_picture import job_picture

    answer = ControlPlane(url, token).get(options.job_path(job))
    if as_json:
        print_json(answer)
    else:
        console().print(job_picture(answer, _now()))


@app.command()
def watch(
    job: options.Id,
    interval: Annotated[
        float,
        typer.Option("--interval", min=0.1, max=3600, metavar="S", help="Pause between looks."),
    ] = 1.0,
    times: Times = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Watch one job until it is finished.

    Exit status 1 when it failed. Without a terminal, one line per change; with --json, one object
    per change and line. Both give up, with exit status 1, when the control plane does not answer
    for 60 s.
    """
    from cli.job_watching import watch_job

    control_plane = ControlPlane(url, token)
    path = options.job_path(job)
    is_well = watch_job(
        lambda: control_plane.get(path), interval_s=interval, times=times, as_json=as_json
    )
    if not is_well:
        raise typer.Exit(1)


@app.command()
def figures(url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Count the jobs that wait, are under way, or failed."""
    from cli.job_picture import figures_picture

    answer = ControlPlane(url, token).get(f"{options.JOBS}/figures")
    if as_json:
        print_json(answer)
    else:
        console().print(figures_picture(answer))


@app.command()
def replay(
    jobs: options.Ids = None,
    reason: options.DeadReason = None,
    code: options.Code = None,
    engine: options.Engine = None,
    priority: options.Priority = None,
    correlation_id: options.CorrelationId = None,
    since: options.Since = None,
    until: options.Until = None,
    before: options.Before = None,
    every: options.All = False,
    limit: options.Most = 100,
    why: options.Why = "",
    who: Who = None,
    yes: options.Yes = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Put dead letters into the queue again.

    Some by id, or many by filter. Each has all its attempts and a new deadline. Before many are
    replayed it is asked back.
    """
    wanted = options.chosen(
        reason=reason,
        code=code,
        engine=engine,
        priority=priority,
        correlation_id=correlation_id,
        since=since,
        until=until,
    )
    _act(
        "replay",
        jobs,
        wanted,
        ControlPlane(url, token),
        every=every,
        before=before,
        limit=limit,
        signature=signed(who, why),
        is_sure=yes,
        as_json=as_json,
    )


@app.command()
def discard(
    jobs: options.Ids = None,
    reason: options.DeadReason = None,
    code: options.Code = None,
    engine: options.Engine = None,
    priority: options.Priority = None,
    correlation_id: options.CorrelationId = None,
    since: options.Since = None,
    until: options.Until = None,
    before: options.Before = None,
    every: options.All = False,
    limit: options.Most = 100,
    why: options.Why = "",
    who: Who = None,
    yes: options.Yes = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Take dead letters off the list, for good.

    Some by id, or many by filter. They stay failed and cannot be replayed any more. Before many
    are discarded it is asked back.
    """
    wanted = options.chosen(
        reason=reason,
        code=code,
        engine=engine,
        priority=priority,
        correlation_id=correlation_id,
        since=since,
        until=until,
    )
    _act(
        "discard",
        jobs,
        wanted,
        ControlPlane(url, token),
        every=every,
        before=before,
        limit=limit,
        signature=signed(who, why),
        is_sure=yes,
        as_json=as_json,
    )


@app.command()
def resend(
    jobs: options.Ids = None,
    reason: options.DeadReason = None,
    code: options.Code = None,
    engine: options.Engine = None,
    priority: options.Priority = None,
    correlation_id: options.CorrelationId = None,
    since: options.Since = None,
    until: options.Until = None,
    before: options.Before = None,
    every: options.All = False,
    limit: options.Most = 100,
    why: options.Why = "",
    who: Who = None,
    yes: options.Yes = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Send results again whose delivery was given up.

    Of some jobs by id, or of many by filter. Each has all its tries. Before many are sent again it
    is asked back.
    """
    wanted = options.chosen(
        reason=reason,
        code=code,
        engine=engine,
        priority=priority,
        correlation_id=correlation_id,
        since=since,
        until=until,
    )
    _act(
        "resend",
        jobs,
        wanted,
        ControlPlane(url, token),
        every=every,
        before=before,
        limit=limit,
        signature=signed(who, why),
        is_sure=yes,
        as_json=as_json,
    )


def _act(
    action: str,
    jobs: list[str] | None,
    wanted: dict[str, Any],
    control_plane: ControlPlane,
    *,
    every: bool,
    before: str | None,
    limit: int,
    signature: dict[str, Any],
    is_sure: bool,
    as_json: bool,
) -> None:
    if jobs:
        if wanted or every or before:
            raise typer.BadParameter("name jobs, or choose them by filter; not both")
        act_on(control_plane, action, jobs, signature, as_json=as_json)
        return
    if not wanted and not every:
        example = "--since 2h" if action == "resend" else "--reason failed"
        raise typer.BadParameter(
            f"which? Name jobs by their ids, choose some as in {example}, or {action} --all"
        )
    act_on_chosen(
        control_plane,
        action,
        wanted,
        before=before,
        limit=limit,
        signature=signature,
        is_sure=is_sure,
        as_json=as_json,
    )


def _tell_more(answer: dict[str, Any]) -> None:
    if answer.get("next_before"):
        typer.echo(f"\nthere may be more: --before {answer['next_before']}")


def _now() -> datetime:
    return datetime.now().astimezone()
