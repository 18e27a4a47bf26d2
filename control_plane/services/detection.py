"""The detection service: a photo goes to its engines side by side, one answer comes back.

An engine that fails leaves the others' results, and the answer says ``partial`` and why.
A photo that an engine calls unreadable is the caller's mistake and refused as a whole:
every engine would say the same. Whatever else an engine says against its request is its
own failure, because the request was written here.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from control_plane.core.answers import read_findings
from control_plane.core.catalogue import PHOTO_FAULT, Release
from control_plane.core.deadline import Deadline
from control_plane.core.detections import (
    DetectionAnswer,
    DetectionRequest,
    EngineFailure,
    EngineResult,
    overall_status,
)
from control_plane.core.routing import choose_release, is_settled
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.kserve import read_tensors, write_photo_request
from control_plane.ports import Clock, PhotoInspector
from control_plane.services.calling import InferCall
from control_plane.services.gateway import Gateway
from control_plane.services.result_cache import Ask, Question, ResultReuse, digest_of

log = structlog.get_logger(__name__)

WRONG_FOR_ALL = frozenset({ErrorCode.UNKNOWN_ENGINE, ErrorCode.UNKNOWN_RELEASE})
"""Mistakes in what was asked, as against what one instance said of its own request."""

KEPT_SHARE, MOST_KEPT_S = 0.05, 0.25
"""Of what remains for a detection, and in seconds: no engine may use it up. An engine that hangs
until the caller's own deadline would cost him what the others found."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Asks engines about photos. reuse: of results for photos that come again, if any.

    told: of each answer, before it is given; it must be quick and must not fail.
    """

    gateway: Gateway
    inspector: PhotoInspector
    photo_engines: Callable[[], Iterable[str]]
    clock: Clock
    reuse: ResultReuse | None = None
    told: Callable[[DetectionAnswer], None] | None = None

    def known_engines(self) -> tuple[str, ...]:
        """The engines that can be asked about a photo."""
        return tuple(sorted(self.photo_engines()))

    async def detect(self, request: DetectionRequest) -> DetectionAnswer:
        """One answer about one photo, whole or partial.

        Raises ControlPlaneError for the caller's mistakes only: a photo that is none or
        too large, a release that does not exist, a deadline already past.
        """
        started_s = self.clock.now_s()
        request.deadline.timeout_s(started_s, float("inf"))
        self.inspector.inspect(request.photo)
        message = write_photo_request(
            request.photo, request_id=request.request_id, priority=request.priority
        )
        deadline = request.deadline.kept_back(
            self.clock.now_s(), share=KEPT_SHARE, most_s=MOST_KEPT_S
        )
        outcomes = await self._ask_all(message, request, deadline)
        results = {name: end for name, end in outcomes.items() if isinstance(end, EngineResult)}
        errors = {name: end for name, end in outcomes.items() if isinstance(end, EngineFailure)}
        answer = DetectionAnswer(
            request_id=request.request_id,
            detection_id=str(uuid.uuid4()),
            correlation_id=request.correlation_id,
            status=overall_status(len(results), len(errors)),
            results=results,
            errors=errors,
            processing_time_ms=round((self.clock.now_s() - started_s) * 1000, 2),
            timestamp=datetime.now(UTC),
            photo_id=request.photo_id,
        )
        if self.told is not None:
            self.told(answer)
        return answer

    async def _ask_all(
        self, message: bytes, request: DetectionRequest, deadline: Deadline
    ) -> dict[str, EngineResult | EngineFailure]:
        """Every engine's end. A caller's mistake ends the others' calls and is raised."""
        questions = await self._questions(request, deadline)
        try:
            async with asyncio.TaskGroup() as group:
                asked = {
                    engine: group.create_task(
                        self._outcome(
                            questions.get(engine),
                            partial(self._ask, engine, message, request, deadline),
                        )
                    )
                    for engine in request.engines
                }
        except ExceptionGroup as refused:
            raise refused.exceptions[0] from None
        return {engine: task.result() for engine, task in asked.items()}

    async def _questions(
        self, request: DetectionRequest, deadline: Deadline
    ) -> dict[str, Question]:
        """What is asked of those engines for which another request's answer may stand."""
        releases = self._reusable(request)
        if not releases:
            return {}
        digest = await digest_of(request.photo)
        return {
            engine: Question(digest, release, request.priority, deadline)
            for engine, release in releases.items()
        }

    def _reusable(self, request: DetectionRequest) -> dict[str, Release]:
        releases: dict[str, Release] = {}
        if self.reuse is None or not request.may_use_cache:
            return releases
        routing_key = request.routing_key or request.request_id
        for engine in request.engines:
            route = self.gateway.table.routes.get(engine)
            if route is not None and is_settled(route):
                # Whoever wants what there is not hears of it when he asks.
                with suppress(ControlPlaneError):
                    wanted = request.releases.get(engine, "")
                    releases[engine] = choose_release(route, wanted, routing_key)
        return releases

    async def _outcome(self, question: Question | None, ask: Ask) -> EngineResult | EngineFailure:
        if self.reuse is None or question is None:
            return await ask()
        return await self.reuse.answer(question, ask)

    async def _ask(
        self, engine: str, message: bytes, request: DetectionRequest, deadline: Deadline
    ) -> EngineResult | EngineFailure:
        """One engine's part. Its failure is a value, so that it cannot touch the others."""
        call = InferCall(
            message=message,
            engine=engine,
            wanted_release=request.releases.get(engine, ""),
            routing_key=request.routing_key or request.request_id,
            deadline=deadline,
            correlation_id=request.correlation_id,
            priority=request.priority,
            is_key_given=request.routing_key is not None,
        )
        try:
            answer = await self.gateway.infer(call)
            findings = read_findings(engine, read_tensors(answer.message))
        except ControlPlaneError as error:
            if error.code in WRONG_FOR_ALL:
                raise
            code = error.code
            if code is ErrorCode.INVALID_ARGUMENT:
                if error.message.startswith(PHOTO_FAULT):
                    raise ControlPlaneError(
                        ErrorCode.PHOTO_INVALID, error.message, field="photo"
                    ) from error
                code = ErrorCode.BACKEND_FAULT
            log.warning("engine failed", engine=engine, code=code, reason=error.message)
            return EngineFailure(code, error.message, error.retry_after_s)
        return EngineResult(
            findings,
            release=answer.release,
            instance=answer.instance,
            attempts=answer.attempts,
            fallback_from=answer.fallback_from,
        )
