"""What this control plane goes by: the latest state that it has read or written.

Everything that routes or decides reads it here, in memory, so that no request ever waits for
the store, and so that everything goes on as it was while the store is away.
"""

from __future__ import annotations

import asyncio

from control_plane.core.routing import RoutingTable
from control_plane.core.state import PlaneReport, State


class Board:
    """The state as this plane believes it to be, and what the other planes said of themselves."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._listeners: list[asyncio.Event] = []
        self.reports: tuple[PlaneReport, ...] = ()

    @property
    def state(self) -> State:
        return self._state

    @property
    def table(self) -> RoutingTable:
        """The routes in force now."""
        return self._state.table

    def listen(self) -> asyncio.Event:
        """An event that is set whenever the state has changed."""
        event = asyncio.Event()
        self._listeners.append(event)
        return event

    def put(self, state: State) -> None:
        """Goes by this state from now on, unless a later one is known already."""
        if state.revision > self._state.revision:
            self.go_to(state)

    def go_to(self, state: State) -> None:
        """Goes by this state, be it an older one."""
        self._state = state
        for event in self._listeners:
            event.set()
