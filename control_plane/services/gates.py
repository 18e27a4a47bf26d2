"""Asking a Prometheus about the rollouts under way, beside the judging and never in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from control_plane.core.assessing import Found
from control_plane.core.gates import Gate, Measures
from control_plane.core.rollout import Rollout
from control_plane.ports import Clock, MetricQueries, QueryFailed

log = structlog.get_logger(__name__)

MAX_ROLLOUTS = 64
"""Whose measures are remembered; there is one under way for each engine."""


@dataclass(slots=True)
class _Asked:
    """One gate of one rollout. due_s: when it is to be measured again."""

    measures: Measures = field(default_factory=Measures)
    due_s: float = float("-inf")
    task: asyncio.Task[None] | None = None


class Gates:
    """The gates of all rollouts, and what their last measures were.

    timeout_s: how long a query may take.
    """

    def __init__(
        self,
        gates: Sequence[Gate],
        queries: MetricQueries,
        *,
        clock: Clock,
        timeout_s: float = 5.0,
    ) -> None:
        self._gates = tuple(gates)
        self._queries = queries
        self._clock = clock
        self._timeout_s = timeout_s
        self._asked: dict[str, dict[str, _Asked]] = {}

    def look(self, rollout: Rollout) -> tuple[Found, ...]:
        """What the gates say now. Those that are due are asked meanwhile: a Prometheus that does
        not answer must not keep a bad release in traffic."""
        asked = self._asked.pop(rollout.rollout_id, None)
        asked = asked or {gate.name: _Asked() for gate in self._gates}
        self._asked[rollout.rollout_id] = asked
        if len(self._asked) > MAX_ROLLOUTS:
            self._drop(next(iter(self._asked)))
        now_s = self._clock.now_s()
        for gate in self._gates:
            one = asked[gate.name]
            if one.task is None and now_s >= one.due_s:
                one.due_s = now_s + gate.interval_s
                one.task = asyncio.create_task(self._measure(gate, rollout, one))
        return tuple(
            Found(measures.figures(gate), measures.words(gate))
            for gate in self._gates
            for measures in [asked[gate.name].measures]
        )

    async def close(self) -> None:
        """Ends what is being asked."""
        tasks = [one.task for asked in self._asked.values() for one in asked.values() if one.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._asked.clear()

    async def _measure(self, gate: Gate, rollout: Rollout, one: _Asked) -> None:
        try:
            values = await self._queries.query(gate.expression(rollout), timeout_s=self._timeout_s)
            one.measures = one.measures.after(gate, values)
        except QueryFailed as failed:
            one.measures = one.measures.after_failure(str(failed))
        except Exception as error:  # an oddity of one query must not end the judging
            log.warning("gate not measured", gate=gate.name, exc_info=error)
            one.measures = one.measures.after_failure(repr(error))
        finally:
            one.task = None

    def _drop(self, rollout_id: str) -> None:
        for one in self._asked.pop(rollout_id).values():
            if one.task is not None:
                one.task.cancel()
