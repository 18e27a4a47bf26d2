"""``promote``, ``experiment``, ``shadow`` and ``rollback``: an engine's traffic moves."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.client import ControlPlane
from cli.options import DEFAULT_URL, AsJson, Token, Url
from cli.printing import print_json
from cli.rollout import Interval, watch_to_the_end
from cli.rollout_options import ROLLOUTS, Engine, Reason, Release, Who, elsewhere, signed
from cli.rollout_words import FINISHED_WELL, duration, moved, stays
from cli.watching import Watch

INTERVAL_S = 1.0
GAP = 3


def promote(
    engine: Engine,
    release: Release,
    canary: Annotated[
        str | None,
        typer.Option(
            "--canary",
            metavar="1,5,25,50,100",
            show_default=False,
            help="Shares of the traffic in percent, step by step; else as the server is set.",
        ),
    ] = None,
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
    shadow_percent: Annotated[
        int | None,
        typer.Option(
            "--shadow", metavar="P", help="First copy so many percent of the traffic to it."
        ),
    ] = None,
    manual: Annotated[
        bool, typer.Option("--manual", help="Go on only when told; still back by itself.")
    ] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="All traffic at once, after it is loaded and proved.")
    ] = False,
    reason: Reason = "",
    who: Who = None,
    is_watching: Watch = False,
    interval: Interval = INTERVAL_S,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Move an engine to another release, step by step.

    It goes back by itself if the release is found worse. With --watch, exit status 1 when it
    was rolled back or has failed.
    """
    plan = {
        "--canary": ("steps_percent", None if canary is None else _steps(canary)),
        "--min-step-s": ("min_step_s", min_step_s),
        "--max-step-s": ("max_step_s", max_step_s),
        "--min-samples": ("min_samples", min_samples),
        "--shadow": ("shadow_percent", shadow_percent),
        "--manual": ("manual", manual or None),
    }
    said = {option: pair for option, pair in plan.items() if pair[1] is not None}
    if direct and said:
        raise typer.BadParameter(f"has no use for {', '.join(said)}", param_hint="--direct")
    kind = "direct" if direct else "canary"
    body: dict[str, Any] = {"engine": engine, "release": release, "kind": kind}
    body |= dict(said.values())
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
    reason: Reason = "",
    who: Who = None,
    is_watching: Watch = False,
    interval: Interval = INTERVAL_S,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Split an engine's traffic between two releases until you end it.

    `tidegate rollout show` is the report, `advance` promotes the new one, `abort` ends it. If
    the new one is found worse, its traffic goes back by itself.
    """
    body = {"engine": engine, "kind": "experiment", "split": _split(split)}
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
    reason: Reason = "",
    who: Who = None,
    is_watching: Watch = False,
    interval: Interval = INTERVAL_S,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Copy a share of the traffic to a release; no caller gets its answers.

    It stays until `tidegate rollout advance` or `abort` ends it.
    """
    body = {"engine": engine, "release": release, "kind": "shadow"}
    extra = {} if share is None else {"shadow_percent": share}
    begun = ControlPlane(url, token).post(ROLLOUTS, body | extra | signed(who, reason))
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
    is_watching: Watch = False,
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
    taken = ControlPlane(url, token).post(path, {"to": to} | signed(who, reason))
    if not (is_watching and as_json):
        _tell(taken, taken_back(taken, url), as_json=as_json)
    if is_watching:
        _watch(taken, url, token, interval_s=interval, as_json=as_json, is_rollback=True)


def begun_words(rollout: dict[str, Any], url: str) -> str:
    """What happens next, and how to watch, hold and stop it: the first thing a newcomer reads."""
    engine, stable, target = rollout["engine"], rollout["stable"], rollout["target"]
    lines = [
        f"{rollout['kind']} rollout {rollout['id']} of {engine} has begun: {moved(rollout)}",
        "",
        f"{target} is loaded and proved on every instance first; until then it gets no traffic.",
        *_course(rollout),
    ]
    if rollout["kind"] != "direct":
        lines.append(f"If it is found worse than {stable}, the traffic goes back by itself.")
    commands = [
        (f"tidegate rollout watch {engine}", "see it live, with the evidence of each test"),
        (f"tidegate rollout pause {engine}", "hold it where it is; `resume` goes on"),
        (f"tidegate rollback {engine}", f"stop it: all traffic is with {stable} at once"),
    ]
    if stays(rollout):
        last = {"shadow": "end it"}.get(rollout["kind"], "go on to the next step")
        commands.insert(2, (f"tidegate rollout advance {engine}", last))
    lines.append("")
    shown = [(command + elsewhere(url), does) for command, does in commands]
    column = max(len(command) for command, _ in shown) + GAP
    lines += [f"  {command:{column}}{does}" for command, does in shown]
    return "\n".join(lines)


def taken_back(rollout: dict[str, Any], url: str) -> str:
    """What a rollback has done, and what is still to come."""
    engine, stable, target = rollout["engine"], rollout["stable"], rollout["target"]
    state = rollout["state"]
    if not rollout.get("is_reversal"):
        if state == "rolling_back":
            return (
                f"all traffic of {engine} is with {stable}; "
                f"{target} is unloaded once its last request is over"
            )
        return f"nothing to take back: all traffic of {engine} is with {stable}"
    if state == FINISHED_WELL:
        return f"nothing to take back: {target} is the stable release of {engine}"
    return (
        f"rollout {rollout['id']} takes {engine} back to {target}: it is loaded and proved, then "
        f"all traffic goes there\n  tidegate rollout watch {engine}{elsewhere(url)}"
    )


def _course(rollout: dict[str, Any]) -> list[str]:
    """What its kind does once the target is ready."""
    kind, target = rollout["kind"], rollout["target"]
    if kind == "direct":
        return [f"Then all traffic goes to {target} at once."]
    if kind == "shadow":
        return [
            f"Then {rollout['shadow_percent']} % of the traffic is copied to it, and no caller "
            "gets its answers.",
            "It stays so until you end it.",
        ]
    if kind == "experiment":
        share = rollout["steps_percent"][0]
        return [f"Then it answers {share} % of the traffic, until you end it."]
    shares = " → ".join(f"{share} %" for share in rollout["steps_percent"])
    first = rollout.get("shadow_percent")
    copied = [f"Then {first} % of the traffic is copied to it first."] if first else []
    if rollout["is_manual"]:
        goes_on = "Each step takes until you say `advance`."
    else:
        least = f"{duration(rollout['min_step_s'])} and {rollout['min_samples']} requests at least"
        goes_on = (
            f"Each step takes {least}; it goes on once it is found not to be worse, and asks "
            f"you after {duration(rollout['max_step_s'])}."
        )
    return [*copied, f"Then its share of the traffic grows: {shares}.", goes_on]


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
