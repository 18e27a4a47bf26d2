"""What the leading plane decides at each tick: rollouts, routes, and what the instances need.

    facts ──► advance each rollout ──► routes ──► one write (state, table, audit; epoch) ──► board
                                                                  └──► desired ──► reconciler

Nothing is done to an instance by what has not been written first, and the next table names
only what these facts call ready. So whoever leads next goes on from what he reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import structlog

from control_plane.core.catalogue import Engine, Release
from control_plane.core.reconcile import (
    Desired,
    InstanceFacts,
    ReleaseKey,
    desired_of,
    is_gone,
    is_ready_everywhere,
    key_of,
    lacking,
    refusal,
    routable,
)
from control_plane.core.rollout import Assessment, Facts, Goal, Rollout, State, advance, routes_of
from control_plane.core.routing import ALL_BP, RoutingTable, Trial
from control_plane.core.state import AuditEntry, Change, EngineState, goals_of
from control_plane.core.state import State as Stored
from control_plane.ports import Calendar, Clock, StaleRevision, StateStore, StoreUnavailable
from control_plane.services.board import Board
from control_plane.services.reconciling import Reconciler, Spawn

log = structlog.get_logger(__name__)

TIDEGATE = "tidegate"
"""Who did what was decided by rule."""

GONE_FROM_CATALOGUE = "the catalogue does not have the release any more"


class Leading:
    """The decisions of the leader.

    engines: the catalogue as it is now. fallbacks: by engine.
    trial_for: what a step is to be measured by, from what was seen before it.
    """

    def __init__(
        self,
        *,
        board: Board,
        store: StateStore,
        reconciler: Reconciler,
        engines: Mapping[str, Engine],
        fallbacks: Mapping[str, str],
        trial_for: Callable[[Rollout], Trial],
        clock: Clock,
        calendar: Calendar,
    ) -> None:
        self._board = board
        self._store = store
        self._reconciler = reconciler
        self._engines = engines
        self._fallbacks = fallbacks
        self._trial_for = trial_for
        self._clock = clock
        self._calendar = calendar
        # By engine: of which rollout, and how it stands.
        self._assessments: dict[str, tuple[str, Assessment]] = {}
        self._is_store_away = False
        # The revision of the present table, and one of the state by which it was in force.
        self._table_revision = -1
        self._table_since = 0
        self.judged = asyncio.Event()

    def assessed(self, engine: str, rollout: Rollout, assessment: Assessment) -> None:
        """Take in the latest judgement of an engine's rollout, and say so by ``judged``."""
        if self._board.state.engines[engine].rollout == rollout:
            self._assessments[engine] = rollout.rollout_id, assessment
            self.judged.set()

    async def tick(self, epoch: int, spawn: Spawn) -> bool:
        """One round. Whether something was written, so that there may be more to decide at once.

        Raises Fenced when another plane leads by now.
        """
        if not self._reconciler.is_informed:
            return False  # an instance that nobody has looked at yet may serve what is routed
        state = self._board.state
        goals = goals_of(state, self._engines, self._fallbacks)
        known = _releases(goals)
        facts = self._reconciler.facts(known, self._board.reports)
        desired = self._desired(goals, known, facts)
        change = self._decide(state, goals, desired, facts)
        has_moved = False
        if change is not None:
            has_moved = await self._write(change, state.revision, epoch)
            # Looked at anew: while it was written, requests have begun by the table before.
            goals = goals_of(self._board.state, self._engines, self._fallbacks)
            known = _releases(goals)
            facts = self._reconciler.facts(known, self._board.reports)
            desired = self._desired(goals, known, facts)
        self._reconciler.step(desired, known=known, facts=facts, spawn=spawn)
        return has_moved

    async def _write(self, change: Change, expected: int, epoch: int) -> bool:
        """Whether there is another state now, by this write or by the one that came before it.

        Raises Fenced.
        """
        try:
            try:
                after = await self._store.write(change, expected=expected, epoch=epoch)
                _tell(change.audit)
            except StaleRevision:
                after = await self._store.read()
        except StoreUnavailable as error:
            if not self._is_store_away:
                log.warning("a decision waits for the state store", reason=str(error))
            self._is_store_away = True
            return False
        self._is_store_away = False
        self._board.put(after)
        return True

    def _decide(
        self,
        state: Stored,
        goals: Sequence[Goal],
        desired: Desired,
        facts: Mapping[str, InstanceFacts],
    ) -> Change | None:
        """What is to be written; None if all stays as it is."""
        engines = {
            name: EngineState(engine.stable)
            for name, engine in self._engines.items()
            if name not in state.engines
        }
        audit = [
            AuditEntry(
                TIDEGATE, "adopt", "new in the catalogue", engine, after={"stable": new.stable}
            )
            for engine, new in engines.items()
        ]
        known = _releases(goals)
        for goal in goals:
            name = goal.engine.name
            here = state.engines[name]
            moved = self._advanced(here, goal, desired, known, facts)
            if here.rollout is not None and moved.rollout not in (None, here.rollout):
                evidence = self._assessment(here.rollout)
                self._assessments.pop(name, None)
                audit.append(move_entry(TIDEGATE, here.rollout, moved.rollout, evidence))
            if moved != here:
                engines[name] = moved
        after = replace(state, engines={**state.engines, **engines})
        table = routes_of(
            goals_of(after, self._engines, self._fallbacks), routable(known, facts), state.table
        )
        moved_engines = {entry.engine for entry in audit}
        audit += _route_entries(state.table, table, moved_engines)
        if not engines and table is state.table:
            return None
        return Change(engines=engines, table=table, audit=tuple(audit))

    def _advanced(
        self,
        here: EngineState,
        goal: Goal,
        desired: Desired,
        known: Sequence[Release],
        facts: Mapping[str, InstanceFacts],
    ) -> EngineState:
        """An engine's part after the next move of its rollout, if there is one."""
        rollout = here.rollout
        if rollout is None or rollout.is_finished:
            return replace(here, trial=None)
        now_s = self._calendar.utc(self._clock.now_s()).timestamp()
        seen = self._rollout_facts(rollout, goal, desired, known, facts)
        after = advance(rollout, seen, now_s).rollout
        return EngineState(after.stable_now, after, self._trial(after, here.trial))

    def _rollout_facts(
        self,
        rollout: Rollout,
        goal: Goal,
        desired: Desired,
        known: Sequence[Release],
        facts: Mapping[str, InstanceFacts],
    ) -> Facts:
        if goal.rollout is None:
            return Facts(is_gone=True, refusal=GONE_FROM_CATALOGUE)
        target = goal.engine.releases[rollout.target]
        found = Facts(
            is_prepared=is_ready_everywhere(target, facts),
            lacking=lacking(target, facts),
            is_gone=is_gone(target, desired, known, facts),
            refusal=refusal(target, facts),
        )
        assessment = self._assessment(rollout)
        if assessment is None:
            return found
        return replace(
            found,
            verdict=assessment.verdict,
            verdict_reason=assessment.reason,
            samples=assessment.samples,
        )

    def _assessment(self, rollout: Rollout) -> Assessment | None:
        """The latest of its present step, if there is one."""
        of, assessment = self._assessments.get(rollout.engine, ("", None))
        is_its = of == rollout.rollout_id
        return assessment if is_its and assessment and assessment.step == rollout.step else None

    def _trial(self, rollout: Rollout, present: Trial | None) -> Trial | None:
        """What the step that a rollout is in is measured by: fixed once, when it begins."""
        if rollout.is_finished or not is_compared(rollout):
            return None
        if present is not None and (present.rollout_id, present.step) == (
            rollout.rollout_id,
            rollout.step,
        ):
            return present
        return self._trial_for(rollout)

    def _desired(
        self, goals: Sequence[Goal], known: Sequence[Release], facts: Mapping[str, InstanceFacts]
    ) -> Desired:
        wanted = [each for goal in goals for each in goal.wanted]
        return desired_of(wanted, known=known, fleet=facts, routed=self._routed(known))

    def _routed(self, known: Sequence[Release]) -> set[ReleaseKey]:
        """What some plane may send requests to.

        One whose report is from before the present table may have come to any table since.
        """
        state, reports = self._board.state, self._board.reports
        has_gone_back = state.revision < self._table_since  # a backup was restored
        if state.table.revision != self._table_revision or has_gone_back:
            self._table_revision, self._table_since = state.table.revision, state.revision
        if any(report.revision < self._table_since for report in reports):
            return {key_of(release) for release in known}
        return {key_of(release) for release in state.table.releases()}.union(
            *(report.routed for report in reports)
        )


def _tell(written: Sequence[AuditEntry]) -> None:
    """One line for each decision: who reads the log at night is not to need the audit."""
    for entry in written:
        log.info(
            "decided",
            engine=entry.engine,
            rollout=entry.rollout_id,
            action=entry.action,
            reason=entry.reason,
        )


def is_compared(rollout: Rollout) -> bool:
    """Whether requests are split or copied, so that there are two releases to compare."""
    traffic = rollout.traffic
    return bool(traffic.shadow_bp) or 0 < traffic.weight_bp < ALL_BP


def move_entry(
    who: str, before: Rollout, after: Rollout, assessment: Assessment | None = None
) -> AuditEntry:
    """A rollout's move, for the audit; by rule with the evidence that it was made on."""
    was, now = _shown(before), _shown(after)
    same = {name for name in was.keys() & now.keys() if was[name] == now[name]}
    shown = {name: value for name, value in now.items() if name not in same}
    if assessment is not None:
        shown["evidence"] = [
            {
                "metric": figures.metric,
                "verdict": figures.verdict.value,
                "evidence": round(figures.log_e, 3),
                "threshold": round(figures.log_threshold, 3),
                "stable": figures.stable,
                "target": figures.target,
            }
            for figures in assessment.metrics
        ]
        shown["samples"] = assessment.samples
    return AuditEntry(
        who,
        after.state.value,
        after.reason,
        after.engine,
        after.rollout_id,
        before={name: value for name, value in was.items() if name not in same},
        after=shown,
    )


def start_entry(who: str, rollout: Rollout) -> AuditEntry:
    """A rollout's beginning, for the audit."""
    plan = rollout.plan
    return AuditEntry(
        who,
        rollout.state.value,
        rollout.reason,
        rollout.engine,
        rollout.rollout_id,
        before={"stable": rollout.stable},
        after={
            **_shown(rollout),
            "kind": plan.kind.value,
            **({"ignored": list(plan.ignored)} if plan.ignored else {}),
            **({"accuracy": asdict(plan.accuracy)} if plan.accuracy else {}),
        },
    )


def _shown(rollout: Rollout) -> dict[str, Any]:
    has_all = rollout.stable_now == rollout.target
    shown: dict[str, Any] = {
        "state": rollout.state.value,
        "step": rollout.step,
        "weight_bp": ALL_BP if has_all else rollout.traffic.weight_bp,
        "stable": rollout.stable_now,
        "target": rollout.target,
    }
    if rollout.traffic.shadow_bp:
        shown["shadow_bp"] = rollout.traffic.shadow_bp
    if rollout.state is State.PAUSED:
        shown["paused_in"] = rollout.place.value
    return shown


def _route_entries(before: RoutingTable, after: RoutingTable, moved: set[str]) -> list[AuditEntry]:
    """What changes in the routes without a rollout's move: a target that is ready nowhere now."""
    entries = []
    for name, route in after.routes.items():
        had = before.routes.get(name)
        if had is None or name in moved:
            continue
        was, now = dict(had.weights_bp), dict(route.weights_bp)
        if (was, had.shadow) != (now, route.shadow):
            entries.append(
                AuditEntry(
                    TIDEGATE,
                    "route",
                    "the routes follow what is ready and wanted",
                    name,
                    before={"weights_bp": was},
                    after={"weights_bp": now},
                )
            )
    return entries


def _releases(goals: Sequence[Goal]) -> tuple[Release, ...]:
    return tuple(release for goal in goals for release in goal.engine.releases.values())
