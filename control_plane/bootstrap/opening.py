"""The state at the start: what is stored, and what the catalogue adds to it."""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.core.catalogue import Engine
from control_plane.core.routing import RoutingTable, all_to_stable
from control_plane.core.state import AuditEntry, Change, EngineState, State
from control_plane.ports import StaleRevision, StateStore
from control_plane.services.leading import TIDEGATE


async def adopt(
    store: StateStore, engines: Mapping[str, Engine], fallbacks: Mapping[str, str]
) -> State:
    """The stored state, with every engine of the catalogue in it.

    An engine that is new begins with its declared stable release; of one that is stored the
    store has the word, whatever ``releases.yaml`` says by now. Any plane may do this, and when
    several start side by side one of them does.
    """
    while True:
        state = await store.read()
        new = {name: engine for name, engine in engines.items() if name not in state.engines}
        if not new:
            return state
        routes = all_to_stable(new.values(), revision=0, fallbacks=fallbacks).routes
        change = Change(
            engines={name: EngineState(engine.stable) for name, engine in new.items()},
            table=RoutingTable(state.table.revision + 1, {**state.table.routes, **routes}),
            audit=tuple(
                AuditEntry(
                    TIDEGATE, "adopt", "new in the catalogue", name, after={"stable": engine.stable}
                )
                for name, engine in new.items()
            ),
        )
        try:
            return await store.write(change, expected=state.revision)
        except StaleRevision:
            continue
