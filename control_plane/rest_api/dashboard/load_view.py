"""An instance's own figures, of which only those are shown that are known."""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.services.status import InstanceView


@dataclass(frozen=True, slots=True)
class LoadFigure:
    """value, note: in words."""

    name: str
    value: str
    note: str = ""


def show_load(view: InstanceView) -> tuple[LoadFigure, ...]:
    """Empty while nothing is known."""
    return ()
