"""Draws what ``fleet_simulation.py`` found: latency by policy, over time, and a pick's cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

if TYPE_CHECKING:
    from tests.simulation.report import Report

Reports = Mapping[tuple[str, str], tuple["Report", float]]
SLICES = 60


def draw(
    reports: Reports,
    pick_ns: Mapping[int, float],
    path: Path,
    *,
    colours: Mapping[str, str],
) -> None:
    """One picture of four panels."""
    plt.rcParams.update(
        {
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.grid": True,
            "grid.alpha": 0.25,
        }
    )
    figure, panels = plt.subplots(2, 2, figsize=(12, 7.5), layout="constrained")
    draw_tail(panels[0][0], reports, colours)
    draw_over_time(panels[0][1], reports, colours, "one slow", "One of four 20 times slower")
    draw_over_time(panels[1][0], reports, colours, "one dead", "One of four dead, and back")
    draw_pick(panels[1][1], pick_ns)
    panels[0][0].legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_tail(panel: Axes, reports: Reports, colours: Mapping[str, str]) -> None:
    """How many callers wait for longer than so long, while nothing is wrong."""
    for policy, colour in colours.items():
        latencies_s = reports["healthy", policy][0].latencies_s()
        count = len(latencies_s)
        steps = range(0, count, max(1, count // 5000))
        waits_ms = [latencies_s[step] * 1e3 for step in steps]
        panel.plot(waits_ms, [1 - step / count for step in steps], color=colour, label=policy)
    panel.set(yscale="log", ylim=(1e-4, 1), xlabel="latency (ms)", ylabel="share that waits longer")
    panel.set_title("All four well, one slot each, at 80 %")


def draw_over_time(
    panel: Axes, reports: Reports, colours: Mapping[str, str], story: str, title: str
) -> None:
    """The p99 of the callers of each slice of the story; the blow falls at a quarter."""
    for policy, colour in reversed(list(colours.items())):
        report, length_s = reports[story, policy]
        width_s = length_s / SLICES
        starts_s = [number * width_s for number in range(SLICES)]
        p99_ms = [report.latency_s(0.99, at_s, at_s + width_s) * 1e3 for at_s in starts_s]
        panel.plot(starts_s, p99_ms, color=colour, drawstyle="steps-post", label=policy)
    ends = (0.25, 0.5) if story == "one dead" else (0.25, 1.0)
    panel.axvspan(ends[0] * length_s, ends[1] * length_s, color="black", alpha=0.05)
    panel.set(yscale="log", ylim=(30, 2000), xlabel="time (s)", ylabel="p99 (ms)")
    panel.set_title(title)


def draw_pick(panel: Axes, pick_ns: Mapping[int, float]) -> None:
    panel.plot(list(pick_ns), [ns / 1e3 for ns in pick_ns.values()], "o-", color="0.3")
    panel.set(xscale="log", xlabel="instances in the pool", ylabel="one pick (µs)")
    panel.set_ylim(0, max(pick_ns.values()) / 1e3 * 1.5)
    panel.set_title("The cost of a pick")
