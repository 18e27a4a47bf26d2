"""Feedback: keeping answers, taking in what is said of them, and what that says of releases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.adapters.metrics import catalogue as names
from control_plane.adapters.metrics.readings import Readers
from control_plane.adapters.stores import MemoryFeedback, SqlFeedback
from control_plane.bootstrap.outside import Outside
from control_plane.core.catalogue import Engine
from control_plane.loops.accuracy import AccuracyLoop
from control_plane.loops.keep import KeepLoop
from control_plane.services.accuracy import AccuracyBoard
from control_plane.services.detection import Detection
from control_plane.services.feedback import FeedbackDesk
from control_plane.services.keeping import Keeping, KeepingOptions
from control_plane.settings import Settings


@dataclass(frozen=True, slots=True)
class FeedbackParts:
    """keeping: None where answers are not kept."""

    desk: FeedbackDesk
    board: AccuracyBoard
    keeping: Keeping | None
    loops: tuple[KeepLoop | AccuracyLoop, ...]

    def kept(self, detection: Detection) -> Detection:
        """The same detection, whose answers are kept. Not for jobs: those have their own."""
        return detection if self.keeping is None else replace(detection, told=self.keeping.take)

    def readers(self) -> Readers:
        """What ``/metrics`` shows of it."""
        keeping = self.keeping
        return {
            names.ACCURACY: self.board.values,
            names.FEEDBACK: self.board.photos,
            names.ANSWERS_UNKEPT: lambda: {} if keeping is None else {(): keeping.dropped},
        }


def make_feedback(
    settings: Settings,
    outside: Outside,
    engines: Mapping[str, Engine],
    clock: MonotonicClock,
    calendar: SystemCalendar,
) -> FeedbackParts:
    """engines: as they are now."""
    said = SqlFeedback(outside.store.database, most_judged=settings.feedback.most_judged)
    keeping = _keeping(settings, said, clock)
    board = AccuracyBoard(
        said,
        engines=engines.keys,
        rng=np.random.default_rng(),
        epoch_s=lambda: calendar.utc(clock.now_s()).timestamp(),
        most=settings.feedback.most_judged,
    )
    loops: list[KeepLoop | AccuracyLoop] = [AccuracyLoop(board)]
    if keeping is not None:
        loops.append(KeepLoop(keeping))
    return FeedbackParts(FeedbackDesk(said, outside.jobs, keeping), board, keeping, tuple(loops))


def _keeping(settings: Settings, said: SqlFeedback, clock: MonotonicClock) -> Keeping | None:
    feedback = settings.feedback
    if feedback.keep == "off":
        return None
    store = MemoryFeedback(clock.now_s) if feedback.keep == "memory" else said
    return Keeping(store, KeepingOptions(most=feedback.most, keep_s=feedback.keep_s))
