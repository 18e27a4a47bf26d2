"""Looking at one job until it is finished: a picture on a terminal, a line per change else."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from cli.failure import UNREACHABLE, Refused
from cli.job_picture import job_picture
from cli.job_words import FINISHED, line_of
from cli.printing import console, print_json, style_of
from cli.rollout_watching import GIVE_UP_S, PASSING

Look = dict[str, Any]


def watch_job(
    look: Callable[[], Look],
    *,
    interval_s: float,
    times: int | None,
    as_json: bool,
    now_s: Callable[[], float] = time.monotonic,
) -> bool:
    """Look until it is finished, or ``times`` times. False if it failed.

    Raises Refused for what looking again will not mend, and where no person looks on, when no
    look has succeeded for GIVE_UP_S.
    """
    from rich.live import Live

    out = console()
    well_s = now_s()
    said: object = None
    with Live(console=out, auto_refresh=False, transient=False) as live:
        for turn in itertools.count(1):
            found, trouble = _look(look)
            # What is not known to have changed is drawn again all the same: times go on.
            if out.is_terminal and not as_json:
                live.update(_picture(found, trouble), refresh=True)
            elif (sign := (trouble.code if trouble else _sign(found))) != said:
                said = sign
                _say(found, trouble, as_json=as_json)
            if trouble is None:
                well_s = now_s()
                if found["state"] in FINISHED:
                    return bool(found["state"] != "failed")
            elif not (out.is_terminal and not as_json) and now_s() - well_s >= GIVE_UP_S:
                raise Refused(
                    f"gave up watching after {GIVE_UP_S:g} s: {trouble.message}",
                    code=trouble.code,
                    hint="the job goes on all the same",
                )
            if turn == times:
                return True
            time.sleep(interval_s)
    raise AssertionError("count() has no end")


def _look(look: Callable[[], Look]) -> tuple[Look, Refused | None]:
    try:
        return look(), None
    except Refused as refusal:
        if refusal.code not in PASSING:
            raise
        return {"status": UNREACHABLE, "error": refusal.as_json()}, refusal


def _sign(found: Look) -> tuple[object, ...]:
    return found["state"], found["run"], found["attempts"], (found.get("error") or {}).get("at")


def _say(found: Look, trouble: Refused | None, *, as_json: bool) -> None:
    from rich.text import Text

    if as_json:
        print_json(found, is_line=True)
        return
    line = line_of(found) if trouble is None else f"{UNREACHABLE}: {trouble.message}"
    console().print(Text(f"{datetime.now():%H:%M:%S}  {line}"))


def _picture(found: Look, trouble: Refused | None) -> Any:
    from rich.console import Group
    from rich.text import Text

    now = datetime.now().astimezone()
    head = Text(f"{now:%H:%M:%S}", style="dim")
    if trouble is not None:
        said = Text.assemble((UNREACHABLE, style_of(UNREACHABLE)), f"  {trouble.message}")
        return Group(head, said)
    return Group(head, job_picture(found, now))
