"""What a person may do with rollouts, on whichever control plane he asks, and what he is shown.

A command is decided on the state as it is in the store, by ``core/rollout``, and written by
compare-and-set: if somebody else has written meanwhile it is decided anew. A rollback writes
the routes that go with it in the same write, so that it needs no leader and no Triton: the
traffic is back when the write is done here, and a moment later everywhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from control_plane.core.catalogue import Engine
from control_plane.core.rollout import (
    Assessment,
    Command,
    Plan,
    Rollout,
    obey,
    read_split,
    roll_back,
    routes_of,
    start,
    words_of,
)
from control_plane.core.routing import RoutingTable
from control_plane.core.state import AuditEntry, AuditRecord, Change, EngineState, goals_of
from control_plane.core.state import State as Stored
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import (
    AuditLog,
    Calendar,
    Clock,
    EvidenceLog,
    StaleRevision,
    StateStore,
    StoreUnavailable,
)
from control_plane.services.board import Board
from control_plane.services.leading import move_entry, start_entry
from control_plane.services.reconciling import Reconciler
from control_plane.services.rollout_views import RolloutView, progress, slow_s_of

log = structlog.get_logger(__name__)

MOST_TRIES = 20
"""So often a command is decided anew because others wrote first."""

MOST_LISTED = 1000
MOST_NAMED = 5
"""So many rollouts are named to who has said the beginning of several."""

RETRY_AFTER_S = 2.0

Decision = Callable[[Stored, Engine, EngineState, float], Rollout]


class Rollouts:
    """Commands, and views of what came of them."""

    def __init__(
        self,
        *,
        board: Board,
        store: StateStore,
        audit: AuditLog,
        evidence: EvidenceLog,
        reconciler: Reconciler,
        engines: Mapping[str, Engine],
        fallbacks: Mapping[str, str],
        clock: Clock,
        calendar: Calendar,
    ) -> None:
        self._board = board
        self._store = store
        self._audit = audit
        self._evidence = evidence
        self._reconciler = reconciler
        self._engines = engines
        self._fallbacks = fallbacks
        self._clock = clock
        self._calendar = calendar

    async def start(
        self, engine: str, release: str, plan: Plan, *, who: str, reason: str
    ) -> RolloutView:
        """A new rollout.

        Raises ControlPlaneError: UNKNOWN_ENGINE, UNKNOWN_RELEASE, CONFLICT, STORE_UNAVAILABLE.
        """

        def decide(_: Stored, known: Engine, here: EngineState, now_s: float) -> Rollout:
            return start(
                new_id(engine),
                known,
                stable=here.stable,
                target=release,
                plan=plan,
                last=here.rollout,
                now_s=now_s,
                reason=reason,
            )

        return await self._command(engine, plan.kind.value, decide, who=who)

    async def experiment(
        self,
        engine: str,
        split: Mapping[str, int],
        *,
        ignored: tuple[str, ...] = (),
        who: str,
        reason: str,
    ) -> RolloutView:
        """split: percent by release; stable is one of the two. Raises as ``start`` does."""

        def decide(_: Stored, known: Engine, here: EngineState, now_s: float) -> Rollout:
            target, percent = read_split(split, here.stable)
            return start(
                new_id(engine),
                known,
                stable=here.stable,
                target=target,
                plan=Plan.experiment(percent, ignored=ignored),
                last=here.rollout,
                now_s=now_s,
                reason=reason,
            )

        return await self._command(engine, "experiment", decide, who=who)

    async def roll_back(self, engine: str, *, to: str | None, who: str, reason: str) -> RolloutView:
        """All traffic back at once, then the models. Raises as ``start`` does."""

        def decide(_: Stored, known: Engine, here: EngineState, now_s: float) -> Rollout:
            return roll_back(
                new_id(engine),
                known,
                stable=here.stable,
                last=here.rollout,
                to=to,
                reason=reason,
                now_s=now_s,
            )

        return await self._command(engine, "rollback", decide, who=who)

    async def command(
        self, rollout_id: str, command: Command, *, who: str, reason: str
    ) -> RolloutView:
        """Raises ControlPlaneError: NOT_FOUND, CONFLICT, STORE_UNAVAILABLE."""
        rollout = await self._find(rollout_id)

        def decide(_: Stored, __: Engine, here: EngineState, now_s: float) -> Rollout:
            last = here.rollout
            if last is None or last.rollout_id != rollout.rollout_id:
                raise ControlPlaneError(
                    ErrorCode.CONFLICT,
                    f"rollout {rollout.rollout_id} is over: {words_of(rollout.state)}; {command} "
                    "does not apply to it now",
                )
            return obey(last, command, reason, now_s)

        return await self._command(rollout.engine, command.value, decide, who=who)

    async def rollouts(
        self, *, engine: str | None = None, limit: int = 50
    ) -> tuple[RolloutView, ...]:
        """The latest first. Raises ControlPlaneError: UNKNOWN_ENGINE, STORE_UNAVAILABLE."""
        if engine is not None:
            self._engine(engine)
        with _told():
            found = await self._store.rollouts(engine=engine, limit=limit)
        return tuple(self._view(rollout) for rollout in found)

    async def show(self, rollout_id: str) -> RolloutView:
        """rollout_id: all of it, the beginning of just one, or an engine's name for its latest.

        Raises ControlPlaneError: NOT_FOUND, STORE_UNAVAILABLE.
        """
        rollout = await self._find(rollout_id)
        with _told():
            latest = await self._evidence.assessments(rollout.rollout_id, limit=1)
        return self._view(rollout, latest[-1] if latest else None)

    async def evidence(self, rollout_id: str, *, limit: int = 2000) -> tuple[Assessment, ...]:
        """The oldest first. Raises as ``show`` does."""
        rollout = await self._find(rollout_id)
        with _told():
            return await self._evidence.assessments(rollout.rollout_id, limit=limit)

    async def audit(
        self,
        *,
        engine: str | None = None,
        rollout_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[AuditRecord, ...]:
        """The latest first. Raises ControlPlaneError(STORE_UNAVAILABLE)."""
        with _told():
            return await self._audit.entries(
                engine=engine, rollout_id=rollout_id, before=before, limit=limit
            )

    async def record(self, entry: AuditEntry) -> None:
        """Write down what was done beside the state. Raises ControlPlaneError."""
        for _ in range(MOST_TRIES):
            with _told():
                try:
                    revision = await self._store.revision()
                    self._board.put(
                        await self._store.write(Change(audit=(entry,)), expected=revision)
                    )
                except StaleRevision:
                    continue
                return
        raise _too_busy()

    async def _command(self, name: str, action: str, decide: Decision, *, who: str) -> RolloutView:
        """Decide on what is stored, and write it; again when others were faster."""
        self._engine(name)
        for _ in range(MOST_TRIES):
            with _told():
                state = await self._store.read()
            engine = self._served(name, state)
            here = state.engines.get(name, EngineState(engine.stable))
            now_s = self._calendar.utc(self._clock.now_s()).timestamp()
            rollout = decide(state, engine, here, now_s)
            if rollout is here.rollout:
                return self._view(rollout)  # said again: nothing changes
            change = self._change(state, here, rollout, action, who)
            with _told():
                try:
                    self._board.put(await self._store.write(change, expected=state.revision))
                except StaleRevision:
                    continue
            log.info(
                "rollout commanded",
                engine=name,
                rollout=rollout.rollout_id,
                action=action,
                who=who,
                reason=rollout.reason,
            )
            return self._view(rollout)
        raise _too_busy()

    def _change(
        self, state: Stored, here: EngineState, rollout: Rollout, action: str, who: str
    ) -> Change:
        name = rollout.engine
        last = here.rollout
        if last is not None and last.rollout_id == rollout.rollout_id:
            entry = move_entry(who, last, rollout)
        else:
            entry = start_entry(who, rollout)
        after = EngineState(rollout.stable_now, rollout, here.trial)
        return Change(
            engines={name: after},
            table=self._narrowed(state, name, after),
            audit=(replace(entry, action=action),),
        )

    def _narrowed(self, state: Stored, name: str, after: EngineState) -> RoutingTable | None:
        """The table in which the engine's traffic goes by a command; None if it does not change.

        Only ever less goes to a target by it: what more takes is the leader's to find out.
        """
        route = state.table.routes.get(name)
        rollout = after.rollout
        if route is None or rollout is None or rollout.traffic.is_any:
            return None
        goals = goals_of(
            replace(state, engines={**state.engines, name: after}),
            {name: self._served(name, state)},
            self._fallbacks,
        )
        named = {(name, version) for version in route.serving}
        routes = routes_of(goals, named, RoutingTable()).routes
        if routes[name] == route:
            return None
        return RoutingTable(state.table.revision + 1, {**state.table.routes, **routes})

    def _engine(self, name: str) -> Engine:
        engine = self._engines.get(name)
        if engine is None:
            known = ", ".join(sorted(self._engines)) or "none"
            raise ControlPlaneError(
                ErrorCode.UNKNOWN_ENGINE,
                f"unknown engine {name[:80]!r}; engines: {known}",
                field="engine",
            )
        return engine

    def _served(self, name: str, state: Stored) -> Engine:
        """The engine with what its route still serves, in the catalogue or not."""
        engine, route = self._engine(name), state.table.routes.get(name)
        if route is None:
            return engine
        return replace(engine, releases={**route.serving, **engine.releases})

    async def _find(self, rollout_id: str) -> Rollout:
        with _told():
            state = await self._store.read()
            here = state.engines.get(rollout_id)
            if here is not None and here.rollout is not None:
                return here.rollout
            if rollout_id in self._engines:
                raise ControlPlaneError(
                    ErrorCode.NOT_FOUND,
                    f"engine {rollout_id!r} has had no rollout yet",
                    field="engine",
                )
            found = [
                rollout
                for rollout in await self._store.rollouts(limit=MOST_LISTED)
                if rollout.rollout_id.startswith(rollout_id)
            ]
        exact = [rollout for rollout in found if rollout.rollout_id == rollout_id]
        if len(exact or found) == 1:
            return (exact or found)[0]
        raise _not_the_one(rollout_id, found)

    def _view(self, rollout: Rollout, assessment: Assessment | None = None) -> RolloutView:
        here = self._board.state.engines.get(rollout.engine)
        route = self._board.table.routes.get(rollout.engine)
        view = RolloutView(
            rollout, _utc(rollout.started_s), _utc(rollout.since_s), assessment=assessment
        )
        if here is None or here.rollout != rollout or route is None or rollout.is_finished:
            return view
        target = self._served(rollout.engine, self._board.state).releases.get(rollout.target)
        return replace(
            view,
            weight_bp=route.weights_bp.get(rollout.target, 0),
            slow_s=slow_s_of(rollout, here.trial),
            shadow_bp=route.shadow.share_bp if route.shadow is not None else 0,
            instances=(
                progress(target, self._reconciler.facts([target])) if target is not None else {}
            ),
        )


def new_id(engine: str) -> str:
    """A name for a rollout that a person can type: its engine and 32 random bits."""
    return f"{engine}-{secrets.token_hex(4)}"


def _utc(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)


@contextmanager
def _told() -> Iterator[None]:
    """A store that is away, as callers are told of it."""
    try:
        yield
    except StoreUnavailable as error:
        raise ControlPlaneError(
            ErrorCode.STORE_UNAVAILABLE,
            f"the state store does not answer: {error}",
            retry_after_s=RETRY_AFTER_S,
        ) from error


def _not_the_one(said: str, found: Sequence[Rollout]) -> ControlPlaneError:
    """found: all that begin so, the latest first."""
    named = ", ".join(rollout.rollout_id for rollout in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    what = f"the beginning of several rollouts: {named}{more}" if found else "no rollout"
    return ControlPlaneError(ErrorCode.NOT_FOUND, f"{said[:80]!r} is {what}", field="rollout")


def _too_busy() -> ControlPlaneError:
    return ControlPlaneError(
        ErrorCode.CONFLICT, f"others wrote first, {MOST_TRIES} times in a row; try again"
    )
