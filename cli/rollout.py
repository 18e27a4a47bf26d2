"""``rollout``: the rollouts of the engines, seen and steered."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import ControlPlane
from cli.options import DEFAULT_URL, AsJson, Reason, Token, Url, Who, signed
from cli.printing import console, print_json
from cli.rollout_options import AUDIT, ROLLOUTS, Named, rollout_path, the_one, with_query
from cli.rollout_refusal import hinted
from cli.rollout_words import FINISHED_WELL, moved, place_of
from cli.watching import Times

INTERVAL_S = 1.0
SHOWN_HISTORY = 100

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="See and steer the rollouts.\n\nHow far each is, how sure, and what it decided.",
)

Interval = Annotated[
    float,
    typer.Option("--interval", min=0.1, max=3600, metavar="S", help="Pause between looks."),
]

WatchRollout = Annotated[
    bool,
    typer.Option(
        "--watch",
        "-w",
        help="Watch it until it is finished; without a terminal or with --json, not over 60 s "
        "without an answer.",
    ),
]


@app.command("list")
def list_rollouts(
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="ENGINE", show_default=False, help="Only this engine's."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=500, metavar="N", help="How many at most.")
    ] = 20,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the latest rollouts, the latest first."""
    from cli.rollout_picture import rollouts_table

    answer = ControlPlane(url, token).get(with_query(ROLLOUTS, engine=engine, limit=limit))
    if as_json:
        print_json(answer)
    elif answer.get("rollouts"):
        out = console()
        out.print(rollouts_table(answer["rollouts"], _now(), width=out.width))
    else:
        typer.echo("no rollout yet; begin one: tidegate promote ENGINE RELEASE")


@app.command()
@app.command("status", hidden=True)  # what many type first
def show(
    rollout: Named = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            show_default=False,
            help="Draw the evidence over time into a .png, .svg or .pdf.",
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show one rollout with all figures of each test, and its history."""
    from cli.evidence_report import show_report

    if plot is not None:
        from cli.evidence_plot import check_plottable

        check_plottable(plot)
    control_plane = ControlPlane(url, token)
    name = the_one(control_plane, rollout, or_latest=True)
    with hinted(name, url):
        found = control_plane.get(rollout_path(name))
    history = control_plane.get(with_query(AUDIT, rollout=found["id"], limit=SHOWN_HISTORY))
    entries = history.get("entries", [])
    if plot is not None:
        from cli.evidence_plot import draw

        evidence = control_plane.get(f"{rollout_path(found['id'])}/evidence")
        draw(found, evidence.get("assessments", []), plot)
    if as_json:
        print_json({**found, "history": entries})
        return
    out = console()
    out.print(show_report(found, entries, _now(), width=out.width))
    if plot is not None:
        out.print(f"\nthe evidence over time is in {plot}", markup=False)


@app.command()
def watch(
    rollout: Named = None,
    interval: Interval = INTERVAL_S,
    times: Times = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Watch one rollout until it is finished.

    Its step, the weights, each test's evidence against its threshold, the instances and the
    decision. Exit status 1 when it was rolled back or has failed. Without a terminal, one line per
    change; with --json, one object per look and line. Both give up, with exit status 1, when the
    control plane does not answer for 60 s.
    """
    control_plane = ControlPlane(url, token)
    name = the_one(control_plane, rollout, or_latest=True)
    # An engine's name means its latest rollout, which may be another one tomorrow.
    with hinted(name, url):
        watched = str(control_plane.get(rollout_path(name))["id"])
    watch_to_the_end(control_plane, watched, interval_s=interval, times=times, as_json=as_json)


@app.command()
def pause(
    rollout: Named = None,
    reason: Reason = "",
    who: Who = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Hold a rollout where it is. If it is found worse it is still taken back."""
    _command("pause", rollout, signed(who, reason), ControlPlane(url, token), as_json=as_json)


@app.command()
def resume(
    rollout: Named = None,
    reason: Reason = "",
    who: Who = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a paused rollout.

    Its step has all of its time again; its samples stay counted.
    """
    _command("resume", rollout, signed(who, reason), ControlPlane(url, token), as_json=as_json)


@app.command()
def advance(
    rollout: Named = None,
    reason: Reason = "",
    who: Who = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Go on to the next step now, whatever the verdict.

    After the last step the release is promoted. A shadow is ended by it, an experiment's new
    release promoted.
    """
    _command("advance", rollout, signed(who, reason), ControlPlane(url, token), as_json=as_json)


@app.command()
def abort(
    rollout: Named = None,
    reason: Reason = "",
    who: Who = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """End a rollout: all traffic is with stable at once.

    Only then are models touched.
    """
    _command("abort", rollout, signed(who, reason), ControlPlane(url, token), as_json=as_json)


def watch_to_the_end(
    control_plane: ControlPlane,
    rollout_id: str,
    *,
    interval_s: float,
    times: int | None,
    as_json: bool,
    good: tuple[str, ...] = (FINISHED_WELL,),
) -> None:
    """Exit status 1 unless it ends in one of the good states."""
    from cli.rollout_watching import watch_rollout

    path = rollout_path(rollout_id)
    is_well = watch_rollout(
        lambda: control_plane.get(path),
        interval_s=interval_s,
        times=times,
        as_json=as_json,
        good=good,
    )
    if not is_well:
        raise typer.Exit(1)


def _command(
    action: str,
    name: str | None,
    body: dict[str, Any],
    control_plane: ControlPlane,
    *,
    as_json: bool,
) -> None:
    meant = the_one(control_plane, name, or_latest=False)
    with hinted(meant, control_plane.url):
        after = control_plane.post(f"{rollout_path(meant)}/{action}", body)
    if as_json:
        print_json(after)
        return
    typer.echo(f"{after['id']} ({after['engine']} {moved(after)}): {place_of(after)}")


def _now() -> datetime:
    return datetime.now().astimezone()
