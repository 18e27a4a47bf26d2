"""Looking at one rollout until it is finished: a picture on a terminal, a line per change else."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.failure import UNREACHABLE, Refused
from cli.printing import console, print_json, style_of
from cli.rollout_picture import rollout_picture
from cli.rollout_words import line_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

# The control plane, or its store, may be back at the next look.
PASSING = frozenset(
    {
        UNREACHABLE,
        "deadline_exceeded",
        "backend_unavailable",
        "overloaded",
        "shutting_down",
        "store_unavailable",
    }
)

GIVE_UP_S = 60.0
"""So long a script waits for a control plane that is gone. A person sees it, and decides."""

Look = dict[str, Any]


def watch_rollout(
    look: Callable[[], Look],
    *,
    interval_s: float,
    times: int | None,
    as_json: bool,
    good: tuple[str, ...],
    now_s: Callable[[], float] = time.monotonic,
) -> bool:
    """Look until it is finished, or ``times`` times. False if it ended in no good state.

    Raises Refused for what looking again will not mend, and where no person looks on, when no
    look has succeeded for GIVE_UP_S.
    """
    from rich.live import Live

    out = console()
    is_seen = out.is_terminal and not as_json
    well_s = now_s()
    with Live(console=out, auto_refresh=False, transient=False) as live:
        said: object = None
        for turn in itertools.count(1):
            found, trouble = _look(look)
            if as_json:
                print_json(found, is_line=True)
            elif out.is_terminal:
                _draw(live, found, trouble)
            else:
                said = _say(out, found, trouble, said)
            if trouble is None:
                well_s = now_s()
                if found["is_finished"]:
                    return found["state"] in good
            elif not is_seen and now_s() - well_s >= GIVE_UP_S:
                raise _given_up(trouble)
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


def _given_up(trouble: Refused) -> Refused:
    return Refused(
        f"gave up watching after {GIVE_UP_S:g} s: {trouble.message}",
        code=trouble.code,
        hint="the rollout may go on all the same",
    )


def _draw(live: Live, found: Look, trouble: Refused | None) -> None:
    from rich.console import Group
    from rich.text import Text

    now = datetime.now().astimezone()
    picture: RenderableType
    if trouble is not None:
        picture = Text.assemble((UNREACHABLE, style_of(UNREACHABLE)), f"  {trouble.message}")
    else:
        picture = rollout_picture(found, now, width=live.console.width)
    live.update(Group(Text(f"{now:%H:%M:%S}", style="dim"), picture), refresh=True)


def _say(out: Console, found: Look, trouble: Refused | None, said: object) -> object:
    """A line if something has changed; what was said."""
    from rich.text import Text

    if trouble is not None:
        sign: object = trouble.code
        line = f"{UNREACHABLE}: {trouble.message}"
    else:
        # The reason is the last, so that it is found again in what was said.
        shown = ("state", "paused_in", "step", "weight_bp", "shadow_bp", "verdict", "reason")
        sign = [found[name] for name in shown]
        is_news = not isinstance(said, list) or said[-1] != found["reason"]
        line = line_of(found, is_news=is_news)
    if sign != said:
        out.print(Text(f"{datetime.now():%H:%M:%S}  {line}"))
    return sign
