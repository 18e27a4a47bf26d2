"""Draws how the evidence of a rollout went: one panel for its traffic, one for each test.

Evidence is drawn on a logarithmic scale beside its thresholds. What goes far below 1 is cut:
how sure it is that a claim is false is the other claim's line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.failure import Refused
from cli.rollout_words import (
    Rollout,
    Test,
    conclusion_of,
    place_of,
    seen_of,
    seen_words,
    test_of,
    verdict_of,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg", ".pdf")
DPI = 130
WIDTH, HEAD_HEIGHT, PANEL_HEIGHT, MARGIN_HEIGHT = 11.0, 1.3, 1.75, 1.5
LEAST, MOST = 0.05, 1e4
LEAST_LABELLED = 0.04
UNITS = ((4 * 3600, (3600, "hours")), (240, (60, "minutes")), (0, (1, "seconds")))
WORSE, CLEAR, INK, MUTED = "#c2410c", "#0b6e99", "#1f2328", "#8a8f98"
VERDICT_COLOURS = {
    "worse": WORSE,
    "not_worse": "#2f9e6e",
    "undecided": "#bfc5ce",
    "error": "#e6c229",
    "waiting": "#f3e7b3",
}
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 10.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "svg.fonttype": "none",
}

Look = Mapping[str, Any]


def check_plottable(path: Path) -> None:
    """Raises Refused for a kind of picture that cannot be drawn, and for a folder that is not."""
    if path.suffix.lower() not in SUFFIXES:
        raise Refused(
            f"cannot draw into {path}: the name must end in {', '.join(SUFFIXES[:-1])} or "
            f"{SUFFIXES[-1]}",
            code="invalid_argument",
            field="--plot",
        )
    if not path.parent.is_dir():
        raise Refused(f"no folder {path.parent}", code="invalid_argument", field="--plot")


def draw(rollout: Rollout, looks: Sequence[Look], path: Path) -> None:
    """looks: the oldest first. Raises Refused when there is nothing to draw, or nowhere to."""
    if not looks:
        raise Refused(
            f"rollout {rollout['id']} has no evidence yet; it is {place_of(rollout)}",
            code="not_found",
        )
    looks = _closed([{**one, "verdict": conclusion_of(one, rollout)[0]} for one in looks])
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    metrics = list(dict.fromkeys(str(m["metric"]) for look in looks for m in look["metrics"]))
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1 + len(metrics),
            1,
            figsize=(WIDTH, MARGIN_HEIGHT + HEAD_HEIGHT + PANEL_HEIGHT * len(metrics)),
            layout="constrained",
            sharex=True,
            squeeze=False,
            height_ratios=[HEAD_HEIGHT, *[PANEL_HEIGHT] * len(metrics)],
        )
        rows = [row[0] for row in panels]
        _draw_traffic(rows[0], rollout, looks)
        for panel, metric in zip(rows[1:], metrics, strict=True):
            _shade_steps(panel, looks)
            last = _draw_test(panel, metric, looks)
            _name(panel, last, seen_words(last, rollout, looks[-1]["step"]))
        _label_times(rows, looks)
        figure.suptitle(_title(rollout), x=0.01, ha="left", fontsize=13, fontweight="bold")
        try:
            figure.savefig(path, dpi=DPI)
        except OSError as error:
            raise Refused(f"cannot write {path}: {error.strerror or error}") from None
        finally:
            plt.close(figure)


def _draw_traffic(panel: Axes, rollout: Rollout, looks: Sequence[Look]) -> None:
    """The target's share step by step, and below it a strip of verdicts."""
    shares = [_share(rollout, look["step"]) for look in looks]
    times = _times(looks)
    panel.fill_between(times, shares, step="post", color=CLEAR, alpha=0.18, linewidth=0)
    panel.step(times, shares, where="post", color=CLEAR, linewidth=1.6)
    for at, look, length in _runs(looks, times, "step"):
        if length < LEAST_LABELLED * times[-1]:
            continue
        label = f"{_share(rollout, look['step'])} %" if look["step"] else "shadow"
        panel.annotate(
            label,
            (at + length / 2, _share(rollout, look["step"])),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=INK,
        )
    for at, look, length in _runs(looks, times, "verdict"):
        colour = VERDICT_COLOURS.get(str(look["verdict"]), MUTED)
        panel.axvspan(at, at + length, ymin=0, ymax=0.1, color=colour, linewidth=0)
    # The last verdict may have had no time yet, and it is the one that decided.
    last = VERDICT_COLOURS.get(str(looks[-1]["verdict"]), MUTED)
    panel.plot([times[-1]], [-10], "o", color=last, markersize=9, clip_on=False)
    panel.set(ylim=(-17, 130), yticks=[0, 50, 100], ylabel="traffic (%)")
    panel.set_title(f"Share of {rollout['target']}, and the verdict below it")
    seen = dict.fromkeys(str(look["verdict"]) for look in looks)
    handles = [_patch(VERDICT_COLOURS.get(one, MUTED), words(one)) for one in seen]
    panel.legend(handles=handles, frameon=False, ncols=len(handles), **_ABOVE)


def _draw_test(panel: Axes, metric: str, looks: Sequence[Look]) -> Look:
    """Both kinds of evidence of one test against their thresholds; a query's result as it is.

    What was last said of it.
    """
    test = test_of(metric)
    found: list[tuple[float, Look]] = [
        (at, one)
        for at, look in zip(_times(looks), looks, strict=True)
        for one in look["metrics"]
        if one["metric"] == metric
    ]
    if any(one["threshold"] for _, one in found):
        for key, colour, label in (
            ("evidence", WORSE, test.worse),
            ("clear_evidence", CLEAR, test.clear),
        ):
            _draw_evidence(panel, found, key, colour, label)
        panel.set(yscale="log", ylim=(LEAST, MOST), ylabel="evidence")
        panel.set_yticks([0.1, 1, 10, 100, 1000], ["0.1", "1", "10", "100", "1000"])
        panel.minorticks_off()
        panel.legend(frameon=False, ncols=2, **_ABOVE)
    else:
        _draw_figures(panel, test, found)
    return found[-1][1]


def _draw_figures(panel: Axes, test: Test, found: Sequence[tuple[float, Look]]) -> None:
    """What was seen, of both releases where there are two figures."""
    scale = 100 if test.is_share else 1
    arms = {"target": (INK, test.of_target)}
    if not test.is_one:
        arms["stable"] = (MUTED, test.of_stable)
    for arm, (colour, label) in arms.items():
        drawn = [(at, one[arm] * scale) for at, one in found if one[arm] is not None]
        times, values = [at for at, _ in drawn], [value for _, value in drawn]
        panel.plot(times, values, color=colour, label=label)
    if len(arms) > 1:
        panel.legend(frameon=False, ncols=len(arms), **_ABOVE)
    panel.set_ylabel("%" if test.is_share else test.axis)


def _draw_evidence(
    panel: Axes, found: Sequence[tuple[float, Look]], key: str, colour: str, label: str
) -> None:
    limit = key.replace("evidence", "threshold")
    drawn = [(at, one[key], one[limit]) for at, one in found if one[limit]]
    if not drawn:
        return  # only the alarm is asked of some
    times = [at for at, _, _ in drawn]
    panel.plot(times, [_value(log_e) for _, log_e, _ in drawn], color=colour, label=label)
    limits = [_value(log_threshold) for _, _, log_threshold in drawn]
    panel.plot(times, limits, color=colour, linestyle=(0, (4, 3)), linewidth=1, alpha=0.8)
    _mark_crossing(panel, drawn, colour)


def _name(panel: Axes, last: Look, seen: str) -> None:
    """What it is and says, and beside it what was seen last."""
    test = test_of(str(last["metric"]))
    title = panel.set_title(f"{test.name.capitalize()}: {words(verdict_of(last))}")
    panel.annotate(
        f"{seen}: {seen_of(last)}",
        (1, 0),
        xycoords=title,
        xytext=(8, 0),
        textcoords="offset points",
        va="bottom",
        fontsize=9,
        color=INK,
    )


def _mark_crossing(panel: Axes, drawn: Sequence[tuple[float, Any, float]], colour: str) -> None:
    """A dot where evidence first reaches its threshold."""
    for at, log_e, limit in drawn:
        if log_e is not None and log_e >= limit:
            panel.plot([at], [_value(log_e)], "o", color=colour, markersize=6, clip_on=False)
            return


def _shade_steps(panel: Axes, looks: Sequence[Look]) -> None:
    for number, (at, _, length) in enumerate(_runs(looks, _times(looks), "step")):
        if number % 2:
            panel.axvspan(at, at + length, color="black", alpha=0.045, linewidth=0)


def _label_times(rows: Sequence[Axes], looks: Sequence[Look]) -> None:
    started = datetime.fromisoformat(looks[0]["at"]).astimezone()
    rows[-1].set_xlabel(f"{_unit(looks)[1]} since {started:%Y-%m-%d %H:%M:%S %Z}")
    rows[-1].set_xlim(0, _times(looks)[-1])


def _title(rollout: Rollout) -> str:
    return (
        f"{rollout['engine']}  {rollout['stable']} → {rollout['target']}   "
        f"{rollout['kind']} {rollout['id']}: {place_of(rollout)}"
    )


def _runs(
    looks: Sequence[Look], times: Sequence[float], key: str
) -> list[tuple[float, Look, float]]:
    """Stretches of looks that agree in one thing: when it begins, its first look, how long."""
    found = []
    for _, run in groupby(range(len(looks)), key=lambda i: looks[i][key]):
        numbers = list(run)
        end = times[min(numbers[-1] + 1, len(looks) - 1)]
        found.append((times[numbers[0]], looks[numbers[0]], end - times[numbers[0]]))
    return found


def _times(looks: Sequence[Look]) -> list[float]:
    """Since the first look, in its unit."""
    at_s = [_at_s(look) for look in looks]
    unit_s, _ = _unit(looks)
    return [(one - at_s[0]) / unit_s for one in at_s]


def _unit(looks: Sequence[Look]) -> tuple[float, str]:
    span_s = _at_s(looks[-1]) - _at_s(looks[0])
    return next((unit for least_s, unit in UNITS if span_s >= least_s), UNITS[-1][1])


def _closed(looks: Sequence[Look]) -> list[Look]:
    """With the end of the last look, which would otherwise be a moment without a width."""
    gap_s = _at_s(looks[-1]) - _at_s(looks[-2]) if len(looks) > 1 else 0.0
    end = datetime.fromisoformat(looks[-1]["at"]) + timedelta(seconds=max(gap_s, 1.0))
    return [*looks, {**looks[-1], "at": end.isoformat()}]


def _at_s(look: Look) -> float:
    return datetime.fromisoformat(look["at"]).timestamp()


def _share(rollout: Rollout, step: int) -> int:
    steps = rollout["steps_percent"]
    return int(steps[step - 1]) if 0 < step <= len(steps) else 0


def _value(log_e: float | None) -> float:
    """What is beyond the axis is drawn at its edge; no evidence at all at its foot."""
    if log_e is None:
        return LEAST
    return math.exp(min(math.log(MOST), max(math.log(LEAST), log_e)))


_ABOVE: dict[str, Any] = {
    "loc": "lower right",
    "bbox_to_anchor": (1.0, 0.98),
    "fontsize": 8.5,
    "borderaxespad": 0.0,
    "handlelength": 1.4,
}


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, label=label)
