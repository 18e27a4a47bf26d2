"""Which priorities may be taken in the place of others that have fewer than is wanted."""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.core.detections import Priority


def stand_ins(wanted: Mapping[Priority, int]) -> tuple[Priority, ...]:
    """The most urgent first; not those of which 0 are wanted: there is no room for them."""
    return tuple(priority for priority in Priority if wanted.get(priority) != 0)
