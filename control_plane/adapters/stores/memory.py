"""The state store in this process: gone with it. For tests and simulations.

It keeps the promises of the ports to the letter, proved by the same tests as the database. What
it is handed is copied by way of its document, so it refuses what a database would refuse.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from control_plane.adapters.stores.bounds import DEFAULT_BOUNDS, Bounds
from control_plane.adapters.stores.documents import copy_of
from control_plane.core.drift import Reference
from control_plane.core.rollout import Assessment, Rollout
from control_plane.core.state import (
    AuditRecord,
    Change,
    KeyedUnit,
    Lease,
    PlaneReport,
    State,
)
from control_plane.core.traffic import SlotCounts, ToldSlot
from control_plane.ports import Fenced, OwnSlot, RolloutCounts, StaleRevision


class MemoryStore:
    """StateStore, AuditLog, Leases, Planes, CountStore, EvidenceLog, TrafficShare and References.

    now_s: seconds on any clock that goes forward; leases, reports and the audit go by it.
    """

    def __init__(self, now_s: Callable[[], float], bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self._now_s = now_s
        self._bounds = bounds
        self._state = State()
        self._rollouts: dict[str, Rollout] = {}
        self._audit: list[AuditRecord] = []
        self._holder, self._epoch, self._expires_at_s = "", 0, 0.0
        self._reports: dict[str, tuple[PlaneReport, float]] = {}
        self._slots: dict[tuple[str, int], tuple[float, float, SlotCounts]] = {}
        self._references: dict[str, Reference] = {}
        self._counts: defaultdict[str, dict[str, RolloutCounts]] = defaultdict(dict)
        self._keyed: defaultdict[str, list[KeyedUnit]] = defaultdict(list)
        self._assessments: defaultdict[str, list[Assessment]] = defaultdict(list)

    def __repr__(self) -> str:
        return f"<MemoryStore at revision {self._state.revision}>"

    async def revision(self) -> int:
        return self._state.revision

    async def read(self) -> State:
        return self._state

    async def write(self, change: Change, *, expected: int, epoch: int | None = None) -> State:
        if epoch is not None and not (epoch == self._epoch and self._is_held):
            raise Fenced(f"the lease of epoch {epoch} is held no more")
        if expected != self._state.revision:
            raise StaleRevision(f"the state is at revision {self._state.revision}, not {expected}")
        change = copy_of(change)
        holds = {**self._state.holds, **change.holds}
        engines = {**self._state.engines, **change.engines}
        for engine in change.engines.values():
            if engine.rollout is not None:
                self._rollouts[engine.rollout.rollout_id] = engine.rollout
                self._forget_old(engine.rollout.engine)
        at_s, number = self._now_s(), len(self._audit) + 1
        self._audit += [AuditRecord(n, at_s, entry) for n, entry in enumerate(change.audit, number)]
        self._state = replace(
            self._state,
            revision=expected + 1,
            engines=dict(sorted(engines.items())),
            table=self._state.table if change.table is None else change.table,
            holds={name: hold for name, hold in sorted(holds.items()) if hold is not None},
        )
        return self._state

    def _forget_old(self, engine: str) -> None:
        of_engine = [one.rollout_id for one in self._rollouts.values() if one.engine == engine]
        for rollout_id in of_engine[: -self._bounds.rollouts]:
            for kept in (self._counts, self._keyed, self._assessments):
                kept.pop(rollout_id, None)

    async def rollouts(self, *, engine: str | None = None, limit: int = 50) -> tuple[Rollout, ...]:
        found = [one for one in self._rollouts.values() if engine in (None, one.engine)]
        return tuple(reversed(found))[:limit]

    async def entries(
        self,
        *,
        engine: str | None = None,
        rollout_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[AuditRecord, ...]:
        found = [
            record
            for record in reversed(self._audit)
            if engine in (None, record.entry.engine)
            and rollout_id in (None, record.entry.rollout_id)
            and (before is None or record.number < before)
        ]
        return tuple(found[:limit])

    @property
    def _is_held(self) -> bool:
        return bool(self._holder) and self._expires_at_s > self._now_s()

    async def acquire(self, holder: str, *, ttl_s: float) -> Lease | None:
        if self._is_held and self._holder != holder:
            return None
        if not self._is_held:
            self._epoch += 1
        self._holder, self._expires_at_s = holder, self._now_s() + ttl_s
        return Lease(holder, self._epoch, ttl_s)

    async def release(self, lease: Lease) -> None:
        if (lease.holder, lease.epoch) == (self._holder, self._epoch):
            self._holder = ""

    async def report(self, report: PlaneReport, *, ttl_s: float) -> None:
        now_s = self._now_s()
        self._reports[report.plane] = copy_of(report), now_s + ttl_s
        self._reports = {
            plane: (kept, until_s)
            for plane, (kept, until_s) in sorted(self._reports.items())
            if until_s > now_s
        }

    async def reports(self) -> tuple[PlaneReport, ...]:
        now_s = self._now_s()
        return tuple(report for report, until_s in self._reports.values() if until_s > now_s)

    async def tell_slots(self, plane: str, slots: Sequence[OwnSlot], *, keep_s: float) -> None:
        now_s = self._now_s()
        for slot in slots:
            told = now_s - slot.began_ago_s, now_s, copy_of(slot.counts)
            self._slots[plane, slot.number] = told
        self._slots = {key: one for key, one in self._slots.items() if one[0] >= now_s - keep_s}

    async def told_slots(self, plane: str, *, since_s: float) -> tuple[ToldSlot, ...]:
        now_s = self._now_s()
        return tuple(
            ToldSlot(other, number, now_s - began_at_s, now_s - told_at_s, copy_of(counts))
            for (other, number), (began_at_s, told_at_s, counts) in sorted(
                self._slots.items(), key=lambda one: one[0]
            )
            if other != plane and told_at_s > now_s - since_s
        )

    async def references(self) -> Mapping[str, Reference]:
        return dict(self._references)

    async def freeze(self, engine: str, reference: Reference) -> None:
        known = self._references.get(engine)
        if known is None or known.release != reference.release:
            self._references[engine] = copy_of(reference)

    async def put_counts(self, rollout_id: str, plane: str, counts: RolloutCounts) -> None:
        self._counts[rollout_id][plane] = copy_of(counts)

    async def counts(self, rollout_id: str) -> Mapping[str, RolloutCounts]:
        return dict(sorted(self._counts[rollout_id].items()))

    async def add_keyed(self, rollout_id: str, plane: str, units: Sequence[KeyedUnit]) -> None:
        del plane
        kept = self._keyed[rollout_id]
        copies = [copy_of(unit) for unit in units]
        kept += copies[: self._bounds.keyed_units - len(kept)]

    async def keyed(
        self, rollout_id: str, *, after: int = 0, limit: int = 10_000
    ) -> tuple[tuple[int, KeyedUnit], ...]:
        wanted = self._keyed[rollout_id][after : after + limit]
        return tuple(enumerate(wanted, after + 1))

    async def add_assessment(self, rollout_id: str, assessment: Assessment) -> None:
        kept, newest = self._assessments[rollout_id], self._bounds.newest
        assessment = copy_of(assessment)
        if len(kept) >= self._bounds.assessments:
            old = len(kept) - newest
            kept[:old] = kept[:old:2]
        kept.append(assessment)

    async def assessments(self, rollout_id: str, *, limit: int = 2000) -> tuple[Assessment, ...]:
        kept = self._assessments[rollout_id]
        return tuple(kept[max(0, len(kept) - limit) :])
