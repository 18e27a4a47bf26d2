"""A rollout as a person takes it in at a glance: how far it is, and how sure.

Every state has a mark and a word, so that none of them has to be told by its colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cli.fleet_picture import age_of
from cli.printing import style_of, table
from cli.rollout_words import (
    ALL_BP,
    MARKS,
    VERDICT_MARKS,
    Metric,
    Rollout,
    conclusion_of,
    duration,
    elapsed_s,
    evidence_of,
    if_meant,
    moved,
    percent,
    place_of,
    reached,
    seen_of,
    stays,
    test_of,
    verdict_of,
    weight_of,
    words,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

WIDE = 100
TRAFFIC_CELLS, TIME_CELLS, EVIDENCE_CELLS, FEW_EVIDENCE_CELLS = 40, 20, 12, 5
EIGHTHS = "▏▎▍▌▋▊▉█"
JUDGED = frozenset({"shadow", "step"})


def rollouts_table(rollouts: Iterable[Rollout], now: datetime, *, width: int) -> Table:
    """One line for each; why it is where it is only where there is room for it."""
    is_wide = width >= WIDE
    rows: list[list[str | Text]] = [
        [
            str(one["id"]),
            str(one["engine"]),
            *([str(one["kind"])] if is_wide else []),
            moved(one),
            state_of(one, with_share=False),
            "-" if one["is_finished"] else percent(one["weight_bp"]),
            age_of(one["since"], now),
            *([str(one.get("reason") or "-")] if is_wide else []),
        ]
        for one in rollouts
    ]
    headers = ["rollout", "engine", "from → to", "state", "traffic", "since"]
    if is_wide:
        headers = [*headers[:2], "kind", *headers[2:], "why"]
    made = table(headers, rows)
    for column in made.columns:
        column.no_wrap = column.header != "WHY"
    return made


def rollout_picture(rollout: Rollout, now: datetime, *, width: int) -> RenderableType:
    """One rollout. now: aware; what the time in the step is counted to. width: of the terminal."""
    from rich.console import Group
    from rich.text import Text

    head = Text.assemble(
        (f"{rollout['engine']}  {moved(rollout)}", "bold"),
        f"   {rollout['kind']} {rollout['id']}   ",
        state_of(rollout),
    )
    parts: list[RenderableType] = [head, ""]
    steps = steps_line(rollout)
    if steps:
        parts += [Text.assemble("  ", steps), ""]
    parts.append(_facts(rollout, now))
    metrics = (rollout.get("assessment") or {}).get("metrics", [])
    if metrics:
        parts += ["", evidence_table(metrics, rollout, width=width)]
    if rollout.get("instances"):
        rows = [[name, _there(said)] for name, said in rollout["instances"].items()]
        parts += ["", table(["instance", f"{rollout['target']} there"], rows)]
    parts += ["", _decision(rollout)]
    return Group(*parts)


def state_of(rollout: Rollout, *, with_share: bool = True) -> Text:
    from rich.text import Text

    state = str(rollout["state"])
    said = place_of(rollout, with_share=with_share)
    return Text(f"{MARKS.get(state, '?')} {said}", style=_style_of_state(state))


def steps_line(rollout: Rollout) -> Text:
    """The way to all of the traffic: what is behind, where it is, what is to come."""
    from rich.text import Text

    if rollout["kind"] != "canary":
        return Text()
    place = str(rollout.get("paused_in") or rollout["state"])
    at = rollout["step"]
    stops = [(number, f"{share} %") for number, share in enumerate(rollout["steps_percent"], 1)]
    if rollout.get("shadow_percent"):
        stops.insert(0, (0, f"shadow {rollout['shadow_percent']} %"))
    shown = []
    for number, label in stops:
        if number < at or place in ("promoting", "completed"):
            shown.append(Text(f"✓ {label}", style="green"))
        elif number > at or place in ("pending", "preparing") or (number == 0 != at):
            shown.append(Text(label, style="dim"))
        else:
            state = str(rollout["state"])
            shown.append(
                Text(
                    f" {MARKS.get(state, '?')} {label} ", style=f"reverse {_style_of_state(state)}"
                )
            )
    return Text(" ── ", style="dim").join(shown)


def evidence_table(metrics: Sequence[Metric], rollout: Rollout, *, width: int) -> Table:
    """Each test: how near both of its answers are, and what was seen."""
    from rich.text import Text

    cells = EVIDENCE_CELLS if width >= WIDE else FEW_EVIDENCE_CELLS
    rows: list[list[str | Text]] = []
    for metric in metrics:
        verdict = verdict_of(metric)
        rows.append(
            [
                test_of(str(metric["metric"])).name,
                Text(
                    f"{VERDICT_MARKS.get(verdict, '?')} {words(verdict)}", style=style_of(verdict)
                ),
                _evidence(metric.get("evidence"), metric.get("threshold"), "red", cells),
                _evidence(
                    metric.get("clear_evidence"), metric.get("clear_threshold"), "green", cells
                ),
                seen_of(metric),
            ]
        )
    seen = f"{rollout['stable']} → {rollout['target']}"
    return table(["test", "verdict", "worse?", "not worse?", seen], rows)


def _facts(rollout: Rollout, now: datetime) -> Table:
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_row(Text("traffic", style="bold"), _traffic(rollout))
    if rollout["shadow_bp"]:
        copied = (
            f"{percent(rollout['shadow_bp'])} is copied to {rollout['target']}; no answer is used"
        )
        facts.add_row(Text("shadow", style="bold"), Text(copied))
    if not rollout["is_finished"]:
        facts.add_row(Text("time", style="bold"), _time(rollout, now))
    place = str(rollout.get("paused_in") or rollout["state"])
    if place in JUDGED:
        facts.add_row(Text("samples", style="bold"), _samples(rollout))
    return facts


def _traffic(rollout: Rollout) -> Text:
    from rich.text import Text

    weight_bp = weight_of(rollout)
    cells = _cells(weight_bp / ALL_BP, TRAFFIC_CELLS)
    return Text.assemble(
        f"{rollout['stable']} {percent(ALL_BP - weight_bp):>6} ",
        ("█" * (TRAFFIC_CELLS - cells), "blue"),
        ("▓" * cells, "yellow"),
        f" {percent(weight_bp)} {rollout['target']}",
    )


def _time(rollout: Rollout, now: datetime) -> Text:
    from rich.text import Text

    spent_s, most_s = elapsed_s(rollout, now), rollout["max_step_s"]
    place = str(rollout["state"])
    if place not in JUDGED:
        return Text(f"{duration(spent_s)} so far")
    if stays(rollout):
        return Text(f"{duration(spent_s)} so far; it stays until you say `advance` or `abort`")
    cells = _cells(min(1.0, spent_s / most_s), TIME_CELLS)
    least_cell = min(TIME_CELLS - 1, int(rollout["min_step_s"] / most_s * TIME_CELLS))
    bar = Text("█" * cells + "░" * (TIME_CELLS - cells))
    bar.stylize("cyan", 0, cells)
    bar.stylize("underline", least_cell, least_cell + 1)
    limits = f"at least {duration(rollout['min_step_s'])}, at most {duration(most_s)}"
    return Text.assemble(bar, f" {duration(spent_s)} ({limits})")


def _samples(rollout: Rollout) -> Text:
    from rich.text import Text

    found, least = rollout["samples"], rollout["min_samples"]
    if stays(rollout):
        return Text(str(found))
    cells = _cells(min(1.0, found / least), TIME_CELLS)
    return Text.assemble(
        ("█" * cells, "green" if found >= least else "cyan"),
        "░" * (TIME_CELLS - cells),
        f" {found} (at least {least})",
    )


def _evidence(log_e: float | None, log_threshold: float | None, colour: str, cells: int) -> Text:
    """A bar in eighths of a cell, full only where the threshold is reached."""
    from rich.text import Text

    if not log_threshold:
        return Text("-")
    share = reached(log_e, log_threshold)
    full, part = divmod(int(share * cells * 8), 8)
    filled = "█" * full + (EIGHTHS[part - 1] if part else "")
    return Text.assemble(
        (filled, colour),
        ("░" * (cells - len(filled)), "dim"),
        (f" {evidence_of(log_e)} of {evidence_of(log_threshold)}", "bold" if share >= 1 else ""),
    )


def _decision(rollout: Rollout) -> Text:
    """What it says of itself, and what comes next."""
    from rich.text import Text

    said = Text()
    if rollout.get("verdict") and not rollout["is_finished"]:
        verdict, reason = conclusion_of(rollout["assessment"], rollout)
        said.append(f"{VERDICT_MARKS.get(verdict, '?')} {words(verdict)}", style=style_of(verdict))
        said.append(f": {reason}\n")
    said.append(f"{rollout.get('reason') or '-'}\n", style="bold")
    said.append(next_of(rollout), style="dim")
    if meant := if_meant(rollout):
        said.append(f"\n{meant}")
    return said


def next_of(rollout: Rollout) -> str:
    """What happens next, and what a person may say."""
    state, stable, target = str(rollout["state"]), rollout["stable"], rollout["target"]
    match state:
        case "pending" | "preparing":
            return f"next: {target} is loaded and proved on every instance; no traffic before"
        case "shadow" | "step":
            return _next_of_step(rollout)
        case "promoting":
            return f"next: completed once {target} is ready on every instance"
        case "paused":
            return "next: waits for `tidegate rollout resume`, `advance` or `abort`"
        case "completed" if rollout["kind"] == "shadow":
            return f"the shadow is over; {stable} is stable as before"
        case "completed":
            return f"{target} is stable now"
        case "rolling_back":
            return f"all traffic is with {stable}; {target} is unloaded when its requests are over"
        case _:
            return f"all traffic is with {stable}"


def _next_of_step(rollout: Rollout) -> str:
    if rollout["kind"] == "shadow":
        return "next: stays until `tidegate rollout advance` ends it"
    after = rollout["steps_percent"][rollout["step"] :]
    then = f"{after[0]} %" if after else "all of the traffic for good"
    if stays(rollout):
        return f"next: {then}, when you say `tidegate rollout advance`"
    return f"next: {then}, once it is found not to be worse"


def _there(said: str) -> Text:
    from rich.text import Text

    word = said.partition(":")[0]
    style = "green" if word == "ready" else "bold red" if word == "refused" else "yellow"
    return Text(said, style=style)


def _style_of_state(state: str) -> str:
    return "cyan" if state in ("step", "shadow", "promoting") else style_of(state)


def _cells(share: float, cells: int) -> int:
    """How many cells are full; none and all only for what is nothing and everything."""
    if share <= 0 or share >= 1:
        return cells if share >= 1 else 0
    return min(cells - 1, max(1, round(share * cells)))
