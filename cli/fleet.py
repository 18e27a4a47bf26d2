"""``fleet``: the Triton instances, what is believed of them, and taking them out and in."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.client import ControlPlane
from cli.failure import Refused, complain
from cli.fleet_picture import fleet_picture, instance_picture, watched_picture
from cli.options import DEFAULT_URL, AsJson, Reason, Token, Url, Who, signed
from cli.printing import console, print_json
from cli.watching import INTERVAL_S, Interval, Times, Watch, watch

FLEET = "/api/v1/fleet"
POLL_S = 0.25
WIDTH_FOR_LOAD = 90
WIDTH_FOR_URLS = 120
WHAT_NEXT = "the same again waits on, undrain brings it back"

app = typer.Typer(invoke_without_command=True, add_completion=False)

Name = Annotated[
    str,
    typer.Argument(
        metavar="INSTANCE", show_default=False, help="Its name, as `tidegate fleet` shows it."
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Also the last instance where a release takes requests."),
]


@app.callback()
def fleet(
    ctx: typer.Context,
    is_watching: Watch = False,
    interval: Interval = INTERVAL_S,
    times: Times = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show the Triton instances, or take one out of service.

    Without a command they are shown. With --watch --json, one JSON object per look and line.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options_before(ctx, ctx.invoked_subcommand)
        return
    control_plane = ControlPlane(url, token)
    if is_watching or times:
        watch(
            lambda: control_plane.get(FLEET),
            lambda answer: watched_picture(answer, url, _now()),
            interval_s=interval,
            times=times,
            as_json=as_json,
        )
        return
    answer = control_plane.get(FLEET)
    if as_json:
        print_json(answer)
        return
    out = console()
    out.print(
        fleet_picture(
            answer,
            _now(),
            with_url=out.width >= WIDTH_FOR_URLS,
            with_load=out.width >= WIDTH_FOR_LOAD,
        )
    )


@app.command()
def show(
    instance: Name, url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False
) -> None:
    """Show one instance with its engines and its history."""
    answer = ControlPlane(url, token).get(_path(instance))
    if as_json:
        print_json(answer)
        return
    console().print(instance_picture(answer, _now()))


@app.command()
def drain(
    instance: Name,
    reason: Reason = "",
    who: Who = None,
    force: Force = False,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=0, metavar="S", help="How long to wait until it is empty."),
    ] = 60.0,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Send nothing new to an instance and wait until it is empty.

    Nothing is loaded or mended there either, until `undrain`.
    Exit status 1 when something still is after --timeout. It stays draining then; run it
    again to go on waiting, or `undrain` to bring it back.
    """
    control_plane = ControlPlane(url, token)
    answer = _act(control_plane, "drain", instance, reason, who, force=force)
    if not no_wait:
        try:
            answer = _wait_until_empty(control_plane, answer, timeout_s=timeout)
        except KeyboardInterrupt:
            complain(f"{instance} stays draining ({WHAT_NEXT})")
            raise
    in_flight = answer.get("in_flight")
    said = f"{in_flight} still in flight" if in_flight else "nothing is in flight there"
    _tell(answer, f"{instance} is draining: {said}", as_json=as_json)


@app.command()
def undrain(
    instance: Name,
    reason: Reason = "",
    who: Who = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Bring a drained instance back."""
    answer = _act(ControlPlane(url, token), "undrain", instance, reason, who)
    _tell(answer, f"{instance} takes requests as soon as a look finds it well", as_json=as_json)


@app.command()
def isolate(
    instance: Name,
    reason: Reason = "",
    who: Who = None,
    force: Force = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Put an instance that is not trusted aside until `heal`.

    What is in flight is finished; nothing new is sent, loaded or mended there.
    """
    answer = _act(ControlPlane(url, token), "isolate", instance, reason, who, force=force)
    _tell(answer, f"{instance} is isolated until it is healed", as_json=as_json)


@app.command()
def heal(
    instance: Name,
    reason: Reason = "",
    who: Who = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Judge an instance anew, and forgive what was found.

    Its breakers close, engines that were given up are tried again, and what was isolated
    comes back as soon as a look finds it well.
    """
    answer = _act(ControlPlane(url, token), "heal", instance, reason, who)
    _tell(answer, f"{instance} is judged anew, and so are its breakers", as_json=as_json)


def _act(
    control_plane: ControlPlane,
    action: str,
    instance: str,
    reason: str,
    who: str | None,
    *,
    force: bool = False,
) -> dict[str, Any]:
    body = signed(who, reason) | {"force": force}
    try:
        return control_plane.post(f"{_path(instance)}/{action}", body)
    except Refused as refusal:
        if refusal.field == "force":
            refusal.hint = "--force"
        raise


def _wait_until_empty(
    control_plane: ControlPlane, instance: dict[str, Any], *, timeout_s: float
) -> dict[str, Any]:
    """The drained instance once nothing is in flight. Raises Refused when that takes too long."""
    from rich.console import Console

    name = str(instance["name"])
    gives_up_s = time.monotonic() + timeout_s
    with Console(stderr=True, highlight=False).status("") as progress:
        while instance["in_flight"]:
            waiting = f"{name} is draining: {_in_flight(instance)}"
            if instance["health"] != "draining":
                raise Refused(f"{name} is not draining any more but {instance['health']}")
            if time.monotonic() >= gives_up_s:
                raise Refused(
                    f"{name} still has {_in_flight(instance)} after {timeout_s:g} s",
                    code="deadline_exceeded",
                    hint=f"it stays draining; {WHAT_NEXT}",
                )
            progress.update(waiting)
            time.sleep(POLL_S)
            instance = control_plane.get(_path(name))
    return instance


def _in_flight(instance: dict[str, Any]) -> str:
    by_engine = ", ".join(
        f"{engine} {there['in_flight']}"
        for engine, there in instance.get("engines", {}).items()
        if there["in_flight"]
    )
    return f"{instance['in_flight']} in flight" + (f" ({by_engine})" if by_engine else "")


def _tell(answer: dict[str, Any], line: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        typer.echo(line)


def _refuse_options_before(ctx: typer.Context, command: str) -> None:
    """Options of the list would otherwise be taken and do nothing."""
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"put it after `{command}`", param_hint=parameter.opts[0])


def _path(instance: str) -> str:
    return f"{FLEET}/{quote(instance, safe='')}"


def _now() -> datetime:
    return datetime.now().astimezone()
