"""What the tests of counting and judging share: a split route, ended requests, a count store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from control_plane.core.outcomes import Ending
from control_plane.core.requests import Ended, Try
from control_plane.core.routing import Route, RoutingTable, Shadow, Trial
from control_plane.core.state import KeyedUnit
from control_plane.errors import ErrorCode
from control_plane.ports import RolloutCounts, StoreUnavailable
from tests.unit.samples import DAMAGE_NEXT, DETECTED, TABLE, Tensors, write_tensors

STABLE, CANARY = "1.0.0", "1.1.0"
TRIAL = Trial("r-1", 1, slow_s=0.5, confidence_centre=0.7)


def split(
    weight_bp: int = 500, trial: Trial | None = TRIAL, shadow: Shadow | None = None
) -> RoutingTable:
    """``damage`` with a canary of this weight; 0: none."""
    stable = TABLE.routes["damage"]
    shares = {STABLE: 10_000 - weight_bp, CANARY: weight_bp}
    route = replace(
        stable,
        salt="r-1" if weight_bp or trial else stable.salt,
        weights_bp={release: share for release, share in shares.items() if share},
        serving={**stable.serving, CANARY: DAMAGE_NEXT},
        canary=CANARY if weight_bp else None,
        trial=trial,
        shadow=shadow,
    )
    return RoutingTable(2, {**TABLE.routes, "damage": route})


def ended(
    route: Route,
    chosen: str = STABLE,
    *endings: Ending,
    key: str = "made up",
    is_key_given: bool = False,
    latency_s: float = 0.1,
    at_s: float = 1000.0,
    answer: bytes = b"",
    wanted: str = "",
    message: bytes = b"",
    sequence: str | None = None,
) -> Ended:
    """A request that ended so; without endings, it was answered at once."""
    endings = endings or (Ending.SUCCESS,)
    is_answered = endings[-1] is Ending.SUCCESS
    return Ended(
        route=route,
        wanted_release=wanted,
        routing_key=key,
        is_key_given=is_key_given,
        sequence=sequence,
        correlation_id="c-1",
        chosen=chosen,
        tries=[Try(chosen, "triton-0", ending, latency_s, at_s) for ending in endings],
        answered_by=chosen if is_answered else None,
        error=None if is_answered else ErrorCode.BACKEND_FAULT,
        started_s=at_s - latency_s,
        ended_s=at_s,
        message=message,
        answer=answer,
    )


def detections(outputs: Tensors = DETECTED) -> bytes:
    """A serialized answer with these outputs."""
    return bytes(write_tensors(outputs).SerializeToString())


@dataclass(slots=True)
class FakeCountStore:
    """A CountStore in memory. is_away: it does not answer."""

    by_plane: dict[str, dict[str, RolloutCounts]] = field(default_factory=dict)
    units: dict[str, list[KeyedUnit]] = field(default_factory=dict)
    writes: int = 0
    is_away: bool = False

    async def put_counts(self, rollout_id: str, plane: str, counts: RolloutCounts) -> None:
        self._check()
        self.writes += 1
        self.by_plane.setdefault(rollout_id, {})[plane] = counts

    async def counts(self, rollout_id: str) -> Mapping[str, RolloutCounts]:
        await asyncio.sleep(0)
        self._check()
        return dict(self.by_plane.get(rollout_id, {}))

    async def add_keyed(self, rollout_id: str, plane: str, units: Sequence[KeyedUnit]) -> None:
        self._check()
        self.writes += 1
        self.units.setdefault(rollout_id, []).extend(units)

    async def keyed(
        self, rollout_id: str, *, after: int = 0, limit: int = 10_000
    ) -> tuple[tuple[int, KeyedUnit], ...]:
        await asyncio.sleep(0)
        self._check()
        numbered = list(enumerate(self.units.get(rollout_id, []), start=1))
        return tuple(numbered[after : after + limit])

    def _check(self) -> None:
        if self.is_away:
            raise StoreUnavailable("no route to it")
