"""Rollouts in memory, which behave as the real ones do, for the tests of both APIs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from control_plane.core.catalogue import Engine, Release
from control_plane.core.rollout import (
    Assessment,
    Command,
    MetricFigures,
    Plan,
    Rollout,
    Verdict,
    obey,
    read_split,
    roll_back,
    start,
)
from control_plane.core.state import AuditEntry, AuditRecord
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.rollout_views import RolloutView

NOON_S = datetime(2025, 1, 31, 12, tzinfo=UTC).timestamp()
NOT_WORSE_YET = "not enough evidence yet: errors"


def make_engine(name: str) -> Engine:
    versions = ("1.0.0", "1.1.0", "1.2.0")
    return Engine(
        name,
        "1.0.0",
        {
            version: Release(name, version, {f"{name}_detector": pin}, is_ensemble=True)
            for pin, version in enumerate(versions, start=1)
        },
    )


def figures(**changes: float | str | None) -> MetricFigures:
    made = MetricFigures("errors", Verdict.UNDECIDED, 1.25, 4.5, 3.0, 4.0, 0.004, 0.006)
    return replace(made, **changes)  # type: ignore[arg-type]


def assessment(step: int = 1, *metrics: MetricFigures, at_s: float = NOON_S) -> Assessment:
    return Assessment(at_s, step, Verdict.UNDECIDED, NOT_WORSE_YET, 312, metrics or (figures(),))


@dataclass
class FakeRollouts:
    """error: what everything raises instead. now_s: seconds since the epoch."""

    engines: Mapping[str, Engine] = field(
        default_factory=lambda: {name: make_engine(name) for name in ("damage", "materials")}
    )
    error: ControlPlaneError | None = None
    now_s: float = NOON_S
    stable: dict[str, str] = field(default_factory=dict)
    all: list[Rollout] = field(default_factory=list)
    looks: dict[str, list[Assessment]] = field(default_factory=dict)
    records: list[AuditRecord] = field(default_factory=list)
    looked: Callable[[FakeRollouts], None] = lambda _: None

    async def start(
        self, engine: str, release: str, plan: Plan, *, who: str, reason: str
    ) -> RolloutView:
        known = self._engine(engine)
        made = start(
            f"{engine}-{len(self.all) + 1:04x}",
            known,
            stable=self._stable(engine),
            target=release,
            plan=plan,
            last=self._last(engine),
            now_s=self.now_s,
            reason=reason,
        )
        self.all.append(made)
        self._note(made, "promote", who, reason)
        return self.view(made)

    async def experiment(
        self,
        engine: str,
        split: Mapping[str, int],
        *,
        ignored: tuple[str, ...] = (),
        who: str,
        reason: str,
    ) -> RolloutView:
        self._engine(engine)
        target, share = read_split(split, self._stable(engine))
        plan = Plan.experiment(share, ignored=ignored)
        return await self.start(engine, target, plan, who=who, reason=reason)

    async def roll_back(self, engine: str, *, to: str | None, who: str, reason: str) -> RolloutView:
        known, last = self._engine(engine), self._last(engine)
        taken = roll_back(
            f"{engine}-{len(self.all) + 1:04x}",
            known,
            stable=self._stable(engine),
            last=last,
            to=to,
            reason=reason,
            now_s=self.now_s,
        )
        self._put(taken)
        self._note(taken, "roll_back", who, reason)
        return self.view(taken)

    async def command(
        self, rollout_id: str, command: Command, *, who: str, reason: str
    ) -> RolloutView:
        found = self._find(rollout_id)
        obeyed = obey(found, command, reason, self.now_s)
        self._put(obeyed)
        self._note(obeyed, command.value, who, reason, before={"state": found.state.value})
        return self.view(obeyed)

    async def rollouts(
        self, *, engine: str | None = None, limit: int = 50
    ) -> tuple[RolloutView, ...]:
        self._raise()
        if engine is not None:
            self._engine(engine)
        found = [one for one in reversed(self.all) if engine in (None, one.engine)]
        return tuple(self.view(one) for one in found[:limit])

    async def show(self, rollout_id: str) -> RolloutView:
        self.looked(self)
        return self.view(self._find(rollout_id))

    async def evidence(self, rollout_id: str, *, limit: int = 2000) -> tuple[Assessment, ...]:
        found = self._find(rollout_id)
        return tuple(self.looks.get(found.rollout_id, [])[-limit:])

    async def audit(
        self,
        *,
        engine: str | None = None,
        rollout_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[AuditRecord, ...]:
        self._raise()
        found = [
            record
            for record in reversed(self.records)
            if engine in (None, record.entry.engine)
            and rollout_id in (None, record.entry.rollout_id)
            and (before is None or record.number < before)
        ]
        return tuple(found[:limit])

    def move(self, rollout_id: str, **changes: object) -> Rollout:
        """As the loop would: the rollout with other fields."""
        moved = replace(self._find(rollout_id), **changes)  # type: ignore[arg-type]
        self._put(moved)
        return moved

    def view(self, rollout: Rollout) -> RolloutView:
        looks = self.looks.get(rollout.rollout_id)
        return RolloutView(
            rollout,
            started_at=datetime.fromtimestamp(rollout.started_s, UTC),
            since=datetime.fromtimestamp(rollout.since_s, UTC),
            weight_bp=rollout.traffic.weight_bp,
            shadow_bp=rollout.traffic.shadow_bp,
            assessment=looks[-1] if looks else None,
            slow_s=0.25 if looks else None,
            instances={"triton-0": "ready", "triton-1": "loading"},
        )

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error

    def _engine(self, name: str) -> Engine:
        self._raise()
        if name not in self.engines:
            raise ControlPlaneError(
                ErrorCode.UNKNOWN_ENGINE, f"unknown engine {name[:80]!r}", field="engine"
            )
        return self.engines[name]

    def _stable(self, engine: str) -> str:
        last = self._last(engine)
        return last.stable_now if last else self.engines[engine].stable

    def _last(self, engine: str) -> Rollout | None:
        return next((one for one in reversed(self.all) if one.engine == engine), None)

    def _find(self, rollout_id: str) -> Rollout:
        self._raise()
        found = [one for one in self.all if one.rollout_id.startswith(rollout_id)]
        if rollout_id in self.engines:
            found = [one for one in self.all if one.engine == rollout_id][-1:]
        if len(found) != 1:
            raise ControlPlaneError(
                ErrorCode.NOT_FOUND, f"no rollout {rollout_id[:80]!r}", field="rollout"
            )
        return found[0]

    def _put(self, rollout: Rollout) -> None:
        others = [one for one in self.all if one.rollout_id != rollout.rollout_id]
        self.all = [*others, rollout]

    def _note(
        self,
        rollout: Rollout,
        action: str,
        who: str,
        reason: str,
        before: Mapping[str, str] | None = None,
    ) -> None:
        entry = AuditEntry(
            who,
            action,
            reason,
            rollout.engine,
            rollout.rollout_id,
            before=before or {},
            after={"state": rollout.state.value},
        )
        self.records.append(AuditRecord(len(self.records) + 1, self.now_s, entry))
