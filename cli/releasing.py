"""``promote``, ``experiment``, ``shadow`` and ``rollback``: an engine's traffic moves."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.client import ControlPlane
from cli.options import DEFAULT_URL, AsJson, Reason, Token, Url, Who, signed
from cli.printing import print_json
from cli.rollout import Interval, WatchRollout, watch_to_the_end
from cli.rollout_options import (
    ROLLOUTS,
    Accuracy,
    AccuracyMargin,
    AccuracyProof,
    Canary,
    Engine,
    Ignored,
    MinFeedback,
    Release,
    ShadowFirst,
    gate_of,
    ignored_of,
)
from cli.rollout_refusal import hinted
from cli.rollout_story import begun_words, taken_back
from cli.rollout_words import FINISHED_WELL

INTERVAL_S = 1.0


def promote(
    engine: Engine,
    release: Release,
    canary: Canary = None,
    min_step_s: Annotated[
        float | None,
        typer.Option("--min-step-s", metavar="S", help="A step is not over before."),
    ] = None,
    max_step_s: Annotated[
        float | None,
        typer.Option("--max-step-s", metavar="S", help="Not decided by then, it asks you."),
    ] = None,
    min_samples: Annotated[
        int | None,
        typer.Option("--min-samples", metavar="N", help="Requests that a step takes at least."),
    ] = None,
    shadow_percent: ShadowFirst = None,
    manual: Annotated[
        bool, typer.Option("--manual", help="Go on only when told; still back by itself.")
    ] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="All traffic at once, after it is loaded and proved.")
    ] = False,
    ignore: Ignored = None,
    accuracy: Accuracy = None,
    accuracy_margin: AccuracyMargin = None,
    min_feedback: MinFeedback = None,
    accuracy_proof: AccuracyProof = False,
    reason: Reason = "",
    who: Who = None,
    is_watching: WatchRollout = False,
    interval: Interval = INTERVAL_S,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Move an engine to another release, step by step.

    It goes back by itself if the release is found worse. With --watch, exit status 1 when it
    was rolled back or has failed.
    """
    gate = gate_of(accuracy, margin=accuracy_margin, least=min_feedback, is_proof=accuracy_proof)
    plan = {
        "--canary": ("steps_percent", None if canary is None else _steps(canary)),
        "--min-step-s": ("min_step_s", min_step_s),
        "--max-step-s": ("max_step_s", max_step_s),
        "--min-samples": ("min_samples", min_samples),
        "--shadow": ("shadow_percent", shadow_percent),
        "--manual": ("manual", manual or None),
        "--ignore": ("ignore", ignored_of(ignore)),
        "--accuracy": ("accuracy", gate),
    }
    said = {option: pair for option, pair in plan.items() if pair[1] is not None}
    if direct and said:
        raise typer.BadParameter(f"has no use for {', '.join(said)}", param_hint="--direct")
    kind = "direct" if direct else "canary"
    body: dict[str, Any] = {"engine": engine, "release": release, "kind": kind}
    body |= dict(said.values())
    with hinted(engine, url, {field: option for option, (field, _) in plan.items()}):
        begun = ControlPlane(url, token).post(ROLLOUTS, body | signed(who, reason))
    _go_on(begun, url, token, is_watching=is_watching, interval_s=interval, as_json=as_json)


def experiment(
    engine: Engine,
    split: Annotated[
        str,
        typer.Option(
            "--split",
            metavar="1.0.0=50,1.1.0=50",
            show_default=False,
            help="The shares of two releases in percent; one of them is stable.",
        ),
    ],
    ignore: Ignored = None,
    reason: Reason = "",
    who: Who = None,
    is_watching: WatchRollout = False,
    interval: Interval = INTERVAL_S,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Split the traffic between two releases until you end it.

    `tidegate rollout show` is the report, `advance` promotes the new one, `abort` ends it. If
    the new one is found worse, its traffic goes back by itself.
    """
    body = {"engine": engine, "kind": "experiment", "split": _split(split)}
    body |= _said(ignore=ignored_of(ignore))
    with hinted(engine, url, {"split": "--split", "ignore": "--ignore"}):
        begun = ControlPlane(url, token).post(ROLLOUTS, body | signed(who, reason))
    _go_on(begun, url, token, is_watching=is_watching, interval_s=interval, as_json=as_json)


def shadow(
    engine: Engine,
    release: Release,
    share: Annotated[
        int | None,
        typer.Option(
            "--percent",
            metavar="P",
            show_default=False,
            help="How much of the traffic is copied; else as the server is set.",
        ),
    ] = None,
    ignore: Ignored = None,
    reason: Reason = "",
    who: Who = None,
    is_watching: WatchRollout = False,
    interval: Interval = INTERVAL_S,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Copy traffic to a release; no caller gets its answers.

    It stays until `tidegate rollout advance` or `abort` ends it.
    """
    body: dict[str, Any] = {"engine": engine, "release": release, "kind": "shadow"}
    body |= _said(shadow_percent=share, ignore=ignored_of(ignore))
    with hinted(engine, url, {"shadow_percent": "--percent", "ignore": "--ignore"}):
        begun = ControlPlane(url, token).post(ROLLOUTS, body | signed(who, reason))
    _go_on(begun, url, token, is_watching=is_watching, interval_s=interval, as_json=as_json)


def rollback(
    engine: Engine,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="RELEASE",
            show_default=False,
            help="The release to go back to; else the one that was stable before.",
        ),
    ] = None,
    reason: Reason = "",
    who: Who = None,
    is_watching: WatchRollout = False,
    interval: Interval = INTERVAL_S,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Take all traffic of an engine back at once.

    Only then are models touched. It works in any state of a rollout, and said again it changes
    nothing.
    """
    path = f"/api/v1/engines/{quote(engine, safe='')}/rollback"
    with hinted(engine, url, {"to": "--to"}):
        taken = ControlPlane(url, token).post(path, {"to": to} | signed(who, reason))
    if not (is_watching and as_json):
        _tell(taken, taken_back(taken, url), as_json=as_json)
    if is_watching:
        _watch(taken, url, token, interval_s=interval, as_json=as_json, is_rollback=True)


def _go_on(
    begun: dict[str, Any],
    url: str,
    token: str | None,
    *,
    is_watching: bool,
    interval_s: float,
    as_json: bool,
) -> None:
    if is_watching:
        _watch(begun, url, token, interval_s=interval_s, as_json=as_json)
    else:
        _tell(begun, begun_words(begun, url), as_json=as_json)


def _watch(
    rollout: dict[str, Any],
    url: str,
    token: str | None,
    *,
    interval_s: float,
    as_json: bool,
    is_rollback: bool = False,
) -> None:
    watch_to_the_end(
        ControlPlane(url, token),
        str(rollout["id"]),
        interval_s=interval_s,
        times=None,
        as_json=as_json,
        good=(FINISHED_WELL, "rolled_back") if is_rollback else (FINISHED_WELL,),
    )


def _tell(rollout: dict[str, Any], said: str, *, as_json: bool) -> None:
    if as_json:
        print_json(rollout)
    else:
        typer.echo(said)


def _said(**fields: object) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in fields.items() if value is not None}


def _steps(said: str) -> list[int]:
    try:
        return [int(part) for part in said.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{said!r} is not whole percents with commas between, such as 1,5,25,50,100",
            param_hint="--canary",
        ) from None


def _split(said: str) -> dict[str, int]:
    try:
        pairs = [part.split("=") for part in said.split(",")]
        found = {release.strip(): int(share) for release, share in pairs}
    except ValueError:
        raise typer.BadParameter(
            f"{said!r} is not RELEASE=PERCENT,RELEASE=PERCENT, such as 1.0.0=50,1.1.0=50",
            param_hint="--split",
        ) from None
    if len(found) != len(pairs):
        raise typer.BadParameter(f"{said!r} names a release twice", param_hint="--split")
    return found
