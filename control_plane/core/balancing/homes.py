"""Where a stateful sequence lives: the same member for all its requests, whoever asks.

Consistent hashing (Karger and others, 1997): each member has a number of points on a ring,
and a sequence lives at the first point that follows its own. When a member goes, only its
sequences move, and all gateways that see the same members agree without a word. Finding a
home is O(log n); the ring is drawn again, O(n log n), by the first sequence that comes after
the members have changed.
"""

from __future__ import annotations

from bisect import bisect
from hashlib import blake2b
from struct import unpack

from control_plane.core.balancing.member import Member
from control_plane.core.balancing.places import Places

# Of one member. With 64 the shares of members differ by an eighth, one sigma.
_POINTS = 64
_POINTS_PER_DIGEST = 8


class Homes:
    """The homes among the members that are at some place."""

    __slots__ = ("_drawn_at", "_names", "_places", "_points")

    def __init__(self, places: Places) -> None:
        self._places = places
        self._drawn_at = -1
        self._points: list[int] = []
        self._names: list[str] = []

    def of(self, sequence: str) -> Member | None:
        """None when nobody is there."""
        if not self._places:
            return None
        if self._drawn_at != self._places.changes:
            self._draw()
        point = int.from_bytes(blake2b(sequence.encode(), digest_size=8).digest(), "little")
        return self._places[self._names[bisect(self._points, point) % len(self._names)]]

    def _draw(self) -> None:
        ring = sorted((point, each.name) for each in self._places for point in _points(each.name))
        self._points = [point for point, _ in ring]
        self._names = [name for _, name in ring]
        self._drawn_at = self._places.changes


def _points(name: str) -> list[int]:
    found: list[int] = []
    for number in range(_POINTS // _POINTS_PER_DIGEST):
        digest = blake2b(f"{number} {name}".encode(), digest_size=8 * _POINTS_PER_DIGEST).digest()
        found.extend(unpack(f"<{_POINTS_PER_DIGEST}Q", digest))
    return found
