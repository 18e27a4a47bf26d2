"""The rollout loop of the leader: judge what is being compared, and keep the evidence.

What follows from a judgement is decided by the next tick of the reconcile loop, which is woken
by it, together with everything else that is known of the rollout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from control_plane.core.rollout import Assessment, Rollout, Verdict
from control_plane.core.rollout.states import FORWARD, State
from control_plane.core.routing import Trial
from control_plane.ports import Calendar, Clock, EvidenceLog, StoreUnavailable
from control_plane.services.board import Board
from control_plane.services.leading import Leading

log = structlog.get_logger(__name__)

INTERVAL_S = 0.25
KEEP_EVERY_S = 1.0
"""How often the evidence is kept while its verdict stays."""

JUDGED = (State.SHADOW, State.STEP, State.PROMOTING)

Judge = Callable[[Rollout, Trial | None, float], Awaitable[Assessment]]


class RolloutLoop:
    """Implements Duty. judge: what all planes have counted, at a time since the epoch."""

    def __init__(
        self,
        leading: Leading,
        judge: Judge,
        *,
        board: Board,
        evidence: EvidenceLog,
        clock: Clock,
        calendar: Calendar,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._leading = leading
        self._judge = judge
        self._board = board
        self._evidence = evidence
        self._clock = clock
        self._calendar = calendar
        self._interval_s = interval_s
        self._kept: dict[str, Assessment] = {}
        self._failing: set[str] = set()

    async def run(self, epoch: int) -> None:
        """Until cancelled."""
        del epoch  # it writes nothing that another leader could be hurt by
        is_away = False
        while True:
            try:
                await self.assess_all()
                is_away = False
            except StoreUnavailable as error:
                if not is_away:
                    log.warning("no judgement without the state store", reason=str(error))
                is_away = True
            await asyncio.sleep(self._interval_s)

    async def assess_all(self) -> None:
        """One round over all engines. Raises StoreUnavailable."""
        for engine, here in self._board.state.engines.items():
            rollout = here.rollout
            if rollout is None or rollout.state not in FORWARD or rollout.place not in JUDGED:
                self._kept.pop(engine, None)
                self._failing.discard(engine)
                continue
            assessment = await self._assess(rollout, here.trial)
            self._leading.assessed(engine, rollout, assessment)
            if self._is_news(self._kept.get(engine), assessment):
                self._kept[engine] = assessment
                await self._evidence.add_assessment(rollout.rollout_id, assessment)

    async def _assess(self, rollout: Rollout, trial: Trial | None) -> Assessment:
        """A judgement that fails is one too: what was found before holds no more, and the other
        engines' rollouts are judged as ever. Raises StoreUnavailable."""
        engine, now_s = rollout.engine, self._calendar.utc(self._clock.now_s()).timestamp()
        try:
            assessment = await self._judge(rollout, trial, now_s)
        except StoreUnavailable:
            raise
        except Exception as error:
            if engine not in self._failing:
                log.exception("judging failed unexpectedly", engine=engine)
            self._failing.add(engine)
            step = 0 if rollout.place is State.SHADOW else rollout.step
            reason = f"judging failed: unexpected {type(error).__name__}: {error}"
            return Assessment(now_s, step, Verdict.ERROR, reason, 0)
        self._failing.discard(engine)
        return assessment

    def _is_news(self, kept: Assessment | None, now: Assessment) -> bool:
        if kept is None or (kept.verdict, kept.step) != (now.verdict, now.step):
            return True
        return now.at_s - kept.at_s >= KEEP_EVERY_S
