"""A stand-in of the fleet that costs nothing: what it finds follows from the job's id.

It fails as the plan says of the job, and notes each time that it is asked, so that work that was
done twice can be counted.
"""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from control_plane.core.detections import (
    DetectionAnswer,
    DetectionRequest,
    EngineFailure,
    EngineResult,
    overall_status,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.integration.queue_faults.notes import Notes
from tests.integration.queue_faults.plan import (
    ENGINES,
    FAILURES,
    SLOW_S,
    Kind,
    findings,
    kind_of,
)

BROKEN = EngineFailure(ErrorCode.BACKEND_FAULT, "as planned")


class StandIn:
    """Detects. takes_s: how long each detection takes, SLOW ones not counted."""

    def __init__(self, folder: Path, *, takes_s: float = 0.0, is_noted: bool = True) -> None:
        self._folder = folder
        self._notes = Notes(folder)
        self._takes_s = takes_s
        self._is_noted = is_noted

    async def detect(self, request: DetectionRequest) -> DetectionAnswer:
        kind = kind_of(request.correlation_id)
        if self._is_noted:
            self._notes.execute(request.request_id, len(request.engines))
        if kind is Kind.DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind is Kind.UNPROCESSABLE:
            raise ControlPlaneError(ErrorCode.PHOTO_INVALID, "no photo, as planned", field="photo")
        takes_s = SLOW_S if kind is Kind.SLOW else self._takes_s
        if takes_s:
            await asyncio.sleep(takes_s)
        return self._answer(request, self._broken(kind, request))

    def _broken(self, kind: Kind, request: DetectionRequest) -> frozenset[str]:
        match kind:
            case Kind.PARTLY:
                return frozenset(ENGINES[:1])
            case Kind.FAILING:
                return frozenset(ENGINES)
            case Kind.FLAKY if self._count(request.request_id) <= FAILURES:
                return frozenset(ENGINES)
        return frozenset()

    def _count(self, job_id: str) -> int:
        """How often it was asked about a job, in all processes, this time included."""
        handle = os.open(self._folder / f"{job_id}.count", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(handle, b".")
            return os.fstat(handle).st_size
        finally:
            os.close(handle)

    def _answer(self, request: DetectionRequest, broken: frozenset[str]) -> DetectionAnswer:
        results = {
            engine: EngineResult(
                findings(request.request_id, engine), "1.0.0", "stand-in", attempts=1
            )
            for engine in request.engines
            if engine not in broken
        }
        errors = {engine: BROKEN for engine in request.engines if engine in broken}
        return DetectionAnswer(
            request_id=request.request_id,
            detection_id=request.request_id,
            correlation_id=request.correlation_id,
            status=overall_status(len(results), len(errors)),
            results=results,
            errors=errors,
            processing_time_ms=0.0,
            timestamp=datetime.now(UTC),
        )
