"""What the commands that move releases share: which rollout is meant, and where they ask."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from cli.client import ControlPlane
from cli.failure import Refused
from cli.options import DEFAULT_URL

ROLLOUTS = "/api/v1/rollouts"
AUDIT = "/api/v1/audit"
LOOKED_THROUGH = 200

Engine = Annotated[
    str,
    typer.Argument(metavar="ENGINE", show_default=False, help="As `tidegate engines` names it."),
]
Release = Annotated[
    str, typer.Argument(metavar="RELEASE", show_default=False, help="A version, as in 1.2.0.")
]
Named = Annotated[
    str | None,
    typer.Argument(
        metavar="ROLLOUT|ENGINE",
        show_default=False,
        help="An id, the beginning of one, or an engine for its latest; else the one under way.",
    ),
]
Ignored = Annotated[
    str | None,
    typer.Option(
        "--ignore",
        metavar="confidence,latency",
        show_default=False,
        help="What is meant to differ, one or both: it is shown and decides nothing this time.",
    ),
]
Canary = Annotated[
    str | None,
    typer.Option(
        "--canary",
        metavar="1,5,25,50,100",
        show_default=False,
        help="Shares of the traffic in percent, step by step; else as the server is set.",
    ),
]
ShadowFirst = Annotated[
    int | None,
    typer.Option("--shadow", metavar="P", help="First copy so many percent of the traffic to it."),
]
Accuracy = Annotated[
    str | None,
    typer.Option(
        "--accuracy",
        metavar="f1|count|volume|right",
        show_default=False,
        help="Go on only with feedback that does not show it to be worse in this.",
    ),
]
AccuracyMargin = Annotated[
    float | None,
    typer.Option("--accuracy-margin", metavar="M", help="So much less of it is as good."),
]
MinFeedback = Annotated[
    int | None,
    typer.Option("--min-feedback", metavar="N", help="Judged photos of each release."),
]
AccuracyProof = Annotated[
    bool,
    typer.Option("--accuracy-proof", help="Go on only when it is proved not to be worse."),
]


def rollout_path(name: str) -> str:
    return f"{ROLLOUTS}/{quote(name, safe='')}"


def ignored_of(said: str | None) -> list[str] | None:
    """The names in --ignore, which the control plane checks; None where nothing was said."""
    return None if said is None else [part.strip() for part in said.split(",")]


def gate_of(
    score: str | None, *, margin: float | None, least: int | None, is_proof: bool
) -> dict[str, object] | None:
    """The accuracy gate of a body; None where none is asked for. Raises BadParameter."""
    more = {"margin": margin, "least": least, "proof": is_proof or None}
    said = {name: value for name, value in more.items() if value is not None}
    if score is None and said:
        raise typer.BadParameter(
            "is missing: --accuracy-margin, --min-feedback and --accuracy-proof belong to it",
            param_hint="--accuracy",
        )
    return None if score is None else {"score": score, **said}


def with_query(path: str, **query: object) -> str:
    """Without what is None."""
    said = urlencode({key: value for key, value in query.items() if value is not None})
    return f"{path}?{said}" if said else path


def the_one(control_plane: ControlPlane, name: str | None, *, or_latest: bool) -> str:
    """The rollout that is meant: the one named, or the one under way if there is just one.

    or_latest: when none is under way, the latest. Raises Refused when it cannot be told.
    """
    if name is not None:
        return name
    found = control_plane.get(with_query(ROLLOUTS, limit=LOOKED_THROUGH)).get("rollouts", [])
    running = [str(one["id"]) for one in found if not one["is_finished"]]
    if len(running) == 1:
        return running[0]
    if running:
        raise Refused(
            f"several rollouts are under way: {', '.join(running)}",
            code="invalid_argument",
            hint="name one, or its engine",
        )
    if or_latest and found:
        return str(found[0]["id"])
    raise Refused("no rollout is under way", code="not_found", hint="tidegate rollout list")


def elsewhere(url: str) -> str:
    """What to append to a command that is told to a person, so that it goes where this one did."""
    return "" if url == DEFAULT_URL else f" --url {url}"
