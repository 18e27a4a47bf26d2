"""Draws what ``canary_statistics.py`` found: false rollbacks, and how soon the right ones come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

if TYPE_CHECKING:
    from benchmarks.canary_statistics import Found

COLOURS = {"tidegate": "#0b6e99", "threshold": "#d9730d", "rank test": "#8a8f98"}
LEAST = 1e-4


def draw(found: Mapping[str, Found], path: Path, *, alpha: float) -> None:
    """One picture of two panels."""
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
    figure, panels = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
    healthy = {name: value for name, value in found.items() if name.startswith("fails")}
    draw_false(panels[0], healthy, alpha)
    draw_soon(panels[1], {n: v for n, v in found.items() if n.endswith("→ 5%, 5 % share")})
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_false(panel: Axes, healthy: Mapping[str, Found], alpha: float) -> None:
    """The share of healthy releases that each way rolls back; alpha is a line."""
    for number, (way, colour) in enumerate(COLOURS.items()):
        heights = [max(found.share(way), LEAST) for found in healthy.values()]
        places = np.arange(len(healthy)) + 0.27 * (number - 1)
        panel.bar(places, heights, width=0.25, color=colour, label=way)
    panel.axhline(alpha, color="black", linestyle="--", linewidth=1, label=f"alpha = {alpha:.0%}")
    panel.set_xticks(range(len(healthy)), [fill(name, 20) for name in healthy])
    panel.tick_params(axis="x", labelsize=8)
    panel.set(yscale="log", ylim=(LEAST, 10), ylabel="rolled back")
    panel.legend(frameon=False, loc="upper left", ncols=4)
    panel.set_title("The same release twice: false rollbacks")


def draw_soon(panel: Axes, worse: Mapping[str, Found]) -> None:
    """The share of bad canaries that are rolled back after so many of their requests."""
    for found in worse.values():
        for way, colour in COLOURS.items():
            units = np.sort(found.rolled_back[way])
            shares = np.arange(1, len(units) + 1) / len(units)
            panel.step(units, shares, color=colour, where="post")
    panel.set(xlim=(0, 500), ylim=(0, 1), xlabel="requests of the canary", ylabel="rolled back")
    panel.set_title("Errors 1 % → 5 %, 5 % share: how soon")
