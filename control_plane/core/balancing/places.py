"""Where a pool keeps its members so that no request has to look through them.

``Places``: a list to draw from, entered and left in O(1) by swapping with the last.
``Agenda``: names that wait for a moment, soonest first; a heap whose forgotten entries are
passed over when they come up, and swept out when they outnumber the living.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator

from control_plane.core.backoff import Rng
from control_plane.core.balancing.member import Member

_FORGOTTEN_KEPT = 16


class Places:
    """Members in no particular order, one per name.

    changes: how often one has come or gone.
    """

    __slots__ = ("_index", "_members", "changes")

    def __init__(self) -> None:
        self.changes = 0
        self._members: list[Member] = []
        self._index: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def __getitem__(self, name: str) -> Member:
        return self._members[self._index[name]]

    def at(self, index: int) -> Member:
        return self._members[index]

    def enter(self, member: Member) -> bool:
        """False when it was there already."""
        if member.name in self._index:
            return False
        self._index[member.name] = len(self._members)
        self._members.append(member)
        self.changes += 1
        return True

    def leave(self, name: str) -> bool:
        """False when it was not there."""
        index = self._index.pop(name, None)
        if index is None:
            return False
        self.changes += 1
        last = self._members.pop()
        if index < len(self._members):
            self._members[index] = last
            self._index[last.name] = index
        return True

    def hold(self, member: Member, is_here: bool) -> bool:
        """Have it here or not. False when it was so already."""
        return self.enter(member) if is_here else self.leave(member.name)

    def indices(self, names: Collection[str]) -> list[int]:
        """Where those of the names are that are here, in rising order."""
        return sorted({self._index[name] for name in names if name in self._index})

    def draw(self, rng: Rng, count: int, barred: Collection[str] = ()) -> list[Member]:
        """Up to ``count`` different members, each equally likely, none of the barred.

        Each draw is from as many places as are left, and then steps over those that are
        taken: exact, and never a try in vain, however many are barred.
        """
        size = len(self._members)
        if count == 2 and size > 1 and not barred:
            first = int(rng.random() * size)
            second = int(rng.random() * (size - 1))
            return [self._members[first], self._members[second + (second >= first)]]
        taken = self.indices(barred) if barred else []
        drawn: list[Member] = []
        for _ in range(min(count, size - len(taken))):
            place = int(rng.random() * (size - len(taken)))
            position = 0
            for index in taken:
                if index > place:
                    break
                place += 1
                position += 1
            taken.insert(position, place)
            drawn.append(self._members[place])
        return drawn


class Agenda:
    """Names with the moment that each waits for, soonest first; one moment per name."""

    __slots__ = ("_count", "_current", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str]] = []
        self._current: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._current)

    def __contains__(self, name: str) -> bool:
        return name in self._current

    def enter(self, name: str, at: float) -> None:
        """Wait for that moment; what was said of the name before is forgotten."""
        self._count += 1
        self._current[name] = self._count
        heapq.heappush(self._heap, (at, self._count, name))
        if len(self._heap) > 2 * len(self._current) + _FORGOTTEN_KEPT:
            self._heap = [entry for entry in self._heap if self._is_current(entry)]
            heapq.heapify(self._heap)

    def leave(self, name: str) -> None:
        """Wait no longer; nothing happens if it was not waiting."""
        self._current.pop(name, None)

    def next_at(self) -> float | None:
        """The soonest moment; None when nobody waits."""
        while self._heap:
            if self._is_current(self._heap[0]):
                return self._heap[0][0]
            heapq.heappop(self._heap)
        return None

    def pop(self) -> str:
        """Who waits for the soonest moment, and waits no longer. Raises IndexError."""
        while True:
            entry = heapq.heappop(self._heap)
            if self._is_current(entry):
                del self._current[entry[2]]
                return entry[2]

    def _is_current(self, entry: tuple[float, int, str]) -> bool:
        return self._current.get(entry[2]) == entry[1]
