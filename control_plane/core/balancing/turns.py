"""Each candidate of a list in turn. Goes when ``Pool`` serves the request path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Node = TypeVar("Node")


class RoundRobin:
    """Each candidate in turn. A pick costs O(1) and does not depend on earlier lists."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = -1

    def pick(self, candidates: Sequence[Node]) -> Node:
        """The next candidate of a list that is not empty."""
        self._turn += 1
        return candidates[self._turn % len(candidates)]
