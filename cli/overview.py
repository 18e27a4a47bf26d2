"""``status``, ``engines`` and ``releases``: what runs, as the control plane sees it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.client import ControlPlane
from cli.failure import Refused
from cli.fleet_picture import fleet_picture
from cli.job_words import figures_line
from cli.options import DEFAULT_URL, AsJson, Token, Url
from cli.printing import console, listed, print_json, print_table, style_of, table
from cli.watching import INTERVAL_S, Interval, Times, Watch, watch

if TYPE_CHECKING:
    from rich.console import RenderableType


def status(
    is_watching: Watch = False,
    interval: Interval = INTERVAL_S,
    times: Times = None,
    is_check: Annotated[
        bool, typer.Option("--check", help="Exit status 1 unless everything is well.")
    ] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show whether the engines and Tritons are well.

    Exit status 1 when no engine can answer; with --check, also when anything is not well.
    With --watch --json, one JSON object per look and line.
    """
    control_plane = ControlPlane(url, token)
    if is_watching or times:
        if is_check:
            raise typer.BadParameter(
                "looks once; leave out --watch and --times", param_hint="--check"
            )
        watch(
            lambda: _look(control_plane),
            lambda look: _picture(look, url),
            interval_s=interval,
            times=times,
            as_json=as_json,
        )
        return
    look = _look(control_plane)
    if as_json:
        print_json(look)
    else:
        console().print(_picture(look, url))
    if look.get("status") == "unavailable" or (is_check and look.get("status") != "ok"):
        raise typer.Exit(1)


def engines(url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """List the engines that can be asked."""
    answer = ControlPlane(url, token).get("/api/v1/engines")
    if as_json:
        print_json(answer)
        return
    print_table(
        ["engine", "kind", "ready", "stable", "releases", "in flight", "refused"],
        [
            [
                str(engine["name"]),
                str(engine.get("kind") or "-"),
                "yes" if engine.get("is_ready") else "no",
                str(engine.get("stable") or "-"),
                listed(release["release"] for release in engine.get("releases", [])),
                *_admission_cells(engine.get("admission", {})),
            ]
            for engine in answer.get("engines", [])
        ],
    )
    troubles = [line for engine in answer.get("engines", []) for line in _troubles(engine)]
    if troubles:
        from rich.text import Text

        console().print("", *(Text(line, style="yellow") for line in troubles), sep="\n")


def _troubles(engine: Mapping[str, Any]) -> list[str]:
    """A line for each release that has fewer instances than it might, and for a spent budget."""
    lines = []
    for release in engine.get("releases", []):
        kept_out = [
            f"{release[kind]} by {whose}"
            for kind, whose in (("ejected", "breakers"), ("benched", "health checks"))
            if release.get(kind)
        ]
        words = "kept out"
        if release.get("is_panicking"):
            words = f"panic, {release['panics']} requests so far went to who is kept out"
        if kept_out:
            lines.append(f"{engine['name']} {release['release']}: {words}: {', '.join(kept_out)}")
    if engine.get("retry_budget_remaining", 1) < 1:
        lines.append(f"{engine['name']}: retry budget spent, no try is made again")
    return lines


def _admission_cells(admission: Mapping[str, Any]) -> list[str]:
    """What is in flight of what may be, and how many were refused for want of room."""
    if not admission:
        return ["-", "-"]
    shed = sum(admission["shed"].values())
    return [f"{admission['in_flight']} of {admission['limit']}", str(shed) if shed else "-"]


def releases(
    engine: Annotated[
        str | None, typer.Argument(metavar="ENGINE", show_default=False, help="Only this engine.")
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the releases of the engines.

    With their pinned models, share of the traffic and the instances they are ready on.
    """
    from urllib.parse import quote

    control_plane = ControlPlane(url, token)
    if engine is not None:
        answer = control_plane.get(f"/api/v1/engines/{quote(engine, safe='')}/releases")
        found = [{"engine": engine, "releases": answer.get("releases", [])}]
    else:
        answer = control_plane.get("/api/v1/engines")
        found = [
            {"engine": one["name"], "releases": one.get("releases", [])}
            for one in answer.get("engines", [])
        ]
    if as_json:
        print_json(answer if engine is not None else {"engines": found})
        return
    print_table(
        ["engine", "release", "role", "traffic", "pins", "ready on"],
        [[one["engine"], *_release_row(r)] for one in found for r in one["releases"]],
    )


def _look(control_plane: ControlPlane) -> dict[str, Any]:
    # An unavailable control plane says so with 503, and in the same shape.
    health = control_plane.get("/api/v1/orchestrator/health", accept_status=(503,))
    fleet = control_plane.get("/api/v1/fleet")
    look = {**health, "fleet": fleet.get("instances", []), "changes": fleet.get("changes", [])}
    try:
        return {**look, "jobs": control_plane.get("/api/v1/jobs/figures")}
    except Refused:
        # Requests are served without the job store, too; `tidegate jobs figures` says why.
        return look


def _picture(look: Mapping[str, Any], url: str) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    state = str(look.get("status", "unknown"))
    engine_rows = [
        [
            name,
            "yes" if engine.get("is_ready") else "no",
            str(engine.get("stable") or "-"),
            listed(engine.get("ready_on", [])),
        ]
        for name, engine in look.get("engines", {}).items()
    ]
    troubles = [Text(line, style="yellow") for line in _standing_troubles(look)]
    jobs = [Text(f"jobs: {figures_line(look['jobs'])}")] if "jobs" in look else []
    return Group(
        Text.assemble((state, style_of(state)), f"  Tidegate {look.get('version', '')} at {url}"),
        *troubles,
        *jobs,
        "",
        table(["engine", "ready", "stable", "ready on"], engine_rows),
        "",
        fleet_picture({"instances": look.get("fleet", [])}, datetime.now().astimezone()),
    )


def _standing_troubles(look: Mapping[str, Any]) -> list[str]:
    """A line for a store and a queue that are away, and for each complaint about the catalogue."""
    lines = [f"catalogue: {complaint}" for complaint in look.get("complaints", [])]
    if look.get("queue", {}).get("is_away"):
        lines.insert(
            0,
            "the queue is away: no job is accepted or worked on, and what was accepted waits; "
            "requests are served",
        )
    state = look.get("state", {})
    if state.get("is_away"):
        lines.insert(
            0,
            f"the state store is away: requests are served by revision {state['revision']}, "
            "and nothing else moves",
        )
    return lines


def _release_row(release: Mapping[str, Any]) -> list[str]:
    return [
        str(release["release"]),
        _role(release),
        f"{release.get('weight_bp', 0) / 100:g} %",
        listed(f"{model}={version}" for model, version in release.get("pins", {}).items()),
        listed(release.get("ready_on", [])),
    ]


def _role(release: Mapping[str, Any]) -> str:
    """What it is to the engine's traffic now."""
    if release.get("is_stable"):
        return "stable"
    if release.get("is_canary"):
        return "canary"
    if release.get("shadow_bp"):
        return f"shadow of {release['shadow_bp'] / 100:g} %"
    return "by name" if release.get("is_serving") else "-"
