"""``feedback`` and ``accuracy``: what was true of a photo, and how right each release is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from cli.client import ControlPlane
from cli.options import DEFAULT_URL, AsJson, Token, Url, Who, signed
from cli.printing import console, print_json, table
from cli.rollout_options import with_query

if TYPE_CHECKING:
    from rich.table import Table

ENGINES = "/api/v1/engines"
ADDING_UP_S = 30.0
FEWEST = 10
"""Of fewer photos no interval is printed, as on the dashboard; ``--json`` has it."""
Engines = Annotated[
    list[str] | None,
    typer.Option("--right", metavar="ENGINE", show_default=False, help="It was right; repeatable."),
]


def feedback(
    request_id: Annotated[
        str,
        typer.Argument(
            metavar="REQUEST_ID", show_default=False, help="Of the answer, or another of its ids."
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            metavar="FILE",
            show_default=False,
            help='JSON by engine, such as {"damage": {"counts": {"hail": 3}}}; - for standard '
            "input.",
        ),
    ] = None,
    right: Engines = None,
    wrong: Annotated[
        list[str] | None,
        typer.Option(
            "--wrong", metavar="ENGINE", show_default=False, help="It was wrong; repeatable."
        ),
    ] = None,
    is_detection: Annotated[
        bool, typer.Option("--detection", help="The id is the detection's, not the request's.")
    ] = False,
    is_correlation: Annotated[
        bool,
        typer.Option(
            "--correlation", help="The id is the correlation id, which no other request had."
        ),
    ] = False,
    note: Annotated[
        str, typer.Option("--note", metavar="TEXT", show_default=False, help="What else to say.")
    ] = "",
    who: Who = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Say what was true of a photo, for a finished detection.

    Said again of the same engine, it replaces what was said before.
    """
    said = _said(truth, right or [], wrong or [])
    if is_detection and is_correlation:
        raise typer.BadParameter("say one of them", param_hint="--detection, --correlation")
    name = "detection_id" if is_detection else "request_id"
    name = "correlation_id" if is_correlation else name
    body = {name: request_id, "truth": said, "note": note, "who": signed(who, "")["who"]}
    answer = ControlPlane(url, token).post("/api/v1/feedback", body)
    if as_json:
        print_json(answer)
        return
    for engine, part in answer["engines"].items():
        again = " (said again)" if part["replaced"] else ""
        typer.echo(f"{engine} {part['release']}: {_judged_words(part)}{again}")


def accuracy(
    engine: Annotated[
        str | None,
        typer.Argument(metavar="ENGINE", show_default=False, help="Only of this; else of all."),
    ] = None,
    since_s: Annotated[
        float | None,
        typer.Option(
            "--since-s",
            metavar="S",
            show_default=False,
            help="By what was said in the last so many seconds only.",
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show how right each release is, by what was said of its answers.

    Each figure stands with the interval in which it lies with a confidence of 95 %.
    """
    control_plane = ControlPlane(url, token)
    names = [engine] if engine is not None else _engines(control_plane)
    found = [
        control_plane.get(
            with_query(f"{ENGINES}/{quote(name, safe='')}/accuracy", since_s=since_s),
            timeout_s=ADDING_UP_S,
        )
        for name in names
    ]
    if as_json:
        print_json(found[0] if engine is not None else {"engines": found})
    elif any(one["releases"] for one in found):
        console().print(_table(found))
    else:
        typer.echo(
            "nothing was said of any answer yet: tidegate feedback REQUEST_ID --right ENGINE"
        )


def _said(truth: Path | None, right: list[str], wrong: list[str]) -> dict[str, Any]:
    said = {} if truth is None else _read(truth)
    for engines, is_right in ((right, True), (wrong, False)):
        for engine in engines:
            if engine in said:
                raise typer.BadParameter(
                    f"says two things of {engine}", param_hint="--truth, --right and --wrong"
                )
            said[engine] = {"is_right": is_right}
    if not said:
        raise typer.BadParameter(
            "say something with one of them", param_hint="--truth, --right or --wrong"
        )
    return said


def _read(path: Path) -> dict[str, Any]:
    """Raises BadParameter. What is in it is checked by the control plane."""
    try:
        text = typer.get_text_stream("stdin").read() if str(path) == "-" else path.read_text()
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"cannot be read: {error}", param_hint="--truth") from None
    if not isinstance(found, dict):
        raise typer.BadParameter("holds no JSON object", param_hint="--truth")
    return found


def _engines(control_plane: ControlPlane) -> list[str]:
    return [str(one["name"]) for one in control_plane.get(ENGINES)["engines"]]


def _judged_words(part: dict[str, Any]) -> str:
    words = []
    if part["classes"] is not None:
        classes = part["classes"].values()
        right, wrong, missed = (
            sum(one[key] for one in classes)
            for key in ("true_positives", "false_positives", "misses")
        )
        words.append(f"{right} right, {wrong} wrong, {missed} missed")
    if part["count_error"] is not None:
        words.append(f"counts off by {part['count_error']}")
    if part["volume_error_m3"] is not None:
        words.append(f"volume off by {part['volume_error_m3']:+.3g} m³")
    if part["is_right"] is not None:
        words.append("right" if part["is_right"] else "wrong")
    return ", ".join(words)


def _table(found: list[dict[str, Any]]) -> Table:
    return table(
        ["engine", "release", "metric", "value", "95 % interval", "photos"],
        [
            [
                one["engine"],
                release,
                metric,
                _figure(estimate["value"]),
                _interval(estimate),
                str(estimate["n"]),
            ]
            for one in found
            for release, figures in one["releases"].items()
            for metric, estimate in figures["metrics"].items()
        ],
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return "-"
    if estimate["n"] < FEWEST:
        return "too few photos"
    return f"{_figure(estimate['low'])} to {_figure(estimate['high'])}"
