"""``status``, ``engines``, ``releases`` and ``fleet``: what runs, as the control plane sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.client import ControlPlane
from cli.failure import UNREACHABLE, Refused
from cli.options import DEFAULT_URL, AsJson, Token, Url
from cli.printing import console, listed, print_json, print_table, style_of, table

if TYPE_CHECKING:
    from rich.console import RenderableType

fleet_app = typer.Typer(
    help="Show the Triton instances.", invoke_without_command=True, add_completion=False
)

INSTANCE_HEADERS = [
    "instance",
    "state",
    "serving",
    "in flight",
    "breakers",
    "seen",
    "url",
    "reason",
]


def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep looking until Ctrl-C.")
    ] = False,
    interval: Annotated[
        float,
        typer.Option("--interval", min=0.1, max=3600, metavar="S", help="Pause between looks."),
    ] = 2.0,
    times: Annotated[
        int | None,
        typer.Option("--times", min=1, metavar="N", show_default=False, help="Stop after N looks."),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show whether the engines and Tritons are well.

    With --watch --json, one JSON object per look and line.
    """
    control_plane = ControlPlane(url, token)
    if watch or times:
        _watch(control_plane, interval_s=interval, times=times, as_json=as_json)
        return
    look = _look(control_plane)
    if as_json:
        print_json(look)
        return
    console().print(_picture(look, url))


def engines(url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """List the engines that can be asked."""
    answer = ControlPlane(url, token).get("/api/v1/engines")
    if as_json:
        print_json(answer)
        return
    print_table(
        ["engine", "kind", "ready", "stable", "releases"],
        [
            [
                str(engine["name"]),
                str(engine.get("kind") or "-"),
                "yes" if engine.get("is_ready") else "no",
                str(engine.get("stable") or "-"),
                listed(release["release"] for release in engine.get("releases", [])),
            ]
            for engine in answer.get("engines", [])
        ],
    )


def releases(
    engine: Annotated[
        str | None, typer.Argument(metavar="[ENGINE]", show_default=False, help="Only this engine.")
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
        ["engine", "release", "stable", "traffic", "pins", "ready on"],
        [[one["engine"], *_release_row(r)] for one in found for r in one["releases"]],
    )


@fleet_app.callback()
def fleet(url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """Show the Triton instances: state, releases served, requests in flight."""
    answer = ControlPlane(url, token).get("/api/v1/fleet")
    if as_json:
        print_json(answer)
        return
    print_table(INSTANCE_HEADERS, [_instance_row(one) for one in answer.get("instances", [])])


def _look(control_plane: ControlPlane) -> dict[str, Any]:
    # An unavailable control plane says so with 503, and in the same shape.
    health = control_plane.get("/api/v1/orchestrator/health", accept_status=(503,))
    instances = control_plane.get("/api/v1/fleet").get("instances", [])
    return {**health, "fleet": instances}


def _watch(
    control_plane: ControlPlane, *, interval_s: float, times: int | None, as_json: bool
) -> None:
    import itertools
    import time

    from rich.live import Live

    out = console()
    with Live(console=out, auto_refresh=False, transient=False) as live:
        for turn in itertools.count(1):
            try:
                look = _look(control_plane)
            except Refused as refusal:
                look = {"status": UNREACHABLE, "error": refusal.as_json()}
            if as_json:
                print_json(look, is_line=True)
            elif out.is_terminal:
                live.update(_picture(look, control_plane.url), refresh=True)
            else:
                out.print(_picture(look, control_plane.url))
            if turn == times:
                return
            time.sleep(interval_s)


def _picture(look: Mapping[str, Any], url: str) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    state = str(look.get("status", "unknown"))
    head = Text.assemble((state, style_of(state)), f"  Tidegate {look.get('version', '')} at {url}")
    if "error" in look:
        return Group(Text.assemble((state, style_of(state)), f"  {look['error']['message']}"))
    engine_rows = [
        [
            name,
            "yes" if engine.get("is_ready") else "no",
            str(engine.get("stable") or "-"),
            listed(engine.get("ready_on", [])),
        ]
        for name, engine in look.get("engines", {}).items()
    ]
    return Group(
        head,
        "",
        table(["engine", "ready", "stable", "ready on"], engine_rows),
        "",
        table(INSTANCE_HEADERS, [_instance_row(one) for one in look.get("fleet", [])]),
    )


def _instance_row(instance: Mapping[str, Any]) -> list[str]:
    serving = [
        f"{engine} {'+'.join(served)}" for engine, served in instance.get("serving", {}).items()
    ]
    seen = instance.get("observed_ago_s")
    return [
        str(instance["name"]),
        str(instance.get("state", "-")),
        listed(serving),
        str(instance.get("in_flight", "-")),
        listed(f"{served} {state}" for served, state in instance.get("breakers", {}).items()),
        "never" if seen is None else f"{seen:.1f} s ago",
        str(instance.get("url", "-")),
        str(instance.get("reason") or "-"),
    ]


def _release_row(release: Mapping[str, Any]) -> list[str]:
    return [
        str(release["release"]),
        "yes" if release.get("is_stable") else "-",
        f"{release.get('weight_bp', 0) / 100:g} %",
        listed(f"{model}={version}" for model, version in release.get("pins", {}).items()),
        listed(release.get("ready_on", [])),
    ]
