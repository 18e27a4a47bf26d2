"""Taking in what somebody says of an answer: find the answer, judge it, write the judgement down.

All engines of one feedback are judged before anything is written, so that a mistake in one part
leaves nothing behind. The same said again replaces what was said before: the last word holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from control_plane.core.accuracy import (
    Feedback,
    Judged,
    KeptDetection,
    Truth,
    check_classes,
    check_truth,
    classes_of,
    judge,
    keep,
    read_found,
)
from control_plane.core.detections import ALIASES, UUID, DetectionStatus
from control_plane.core.jobs import JobFilter, answer_of
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.ports import FeedbackStore, JobStore
from control_plane.services.jobs.telling import told
from control_plane.services.keeping import Keeping

log = structlog.get_logger(__name__)

MAX_ID_CHARACTERS = 200
MAX_NOTE_CHARACTERS = 500
MOST_NAMED = 5
"""Requests that are named where a correlation id means more than one."""
NAMES = ("request_id", "detection_id", "correlation_id")
ANSWERED = frozenset({DetectionStatus.COMPLETED, DetectionStatus.PARTIAL})
"""Of what failed nothing was found that could be judged."""
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class SaidFeedback:
    """What was said, under one of the three ids. truth: by engine. who: as ``check_who`` lets it
    through."""

    truth: Mapping[str, Truth]
    request_id: str | None = None
    detection_id: str | None = None
    correlation_id: str | None = None
    who: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class TakenPart:
    """What one engine's part came to. has_replaced: whether something was said of it before."""

    release: str
    judged: Judged
    has_replaced: bool


@dataclass(frozen=True, slots=True)
class TakenFeedback:
    request_id: str
    detection_id: str
    engines: Mapping[str, TakenPart]


class FeedbackService(Protocol):
    async def give(self, said: SaidFeedback) -> TakenFeedback:
        """Raises ControlPlaneError: INVALID_ARGUMENT; NOT_FOUND for an answer that is unknown or
        forgotten; CONFLICT for an engine that gave no result in it, and for a correlation id of
        several requests; STORE_UNAVAILABLE."""
        ...


class FeedbackDesk:
    """keeping: None where answers are not kept, so that only jobs can be judged."""

    def __init__(self, store: FeedbackStore, jobs: JobStore, keeping: Keeping | None) -> None:
        self._store = store
        self._jobs = jobs
        self._keeping = keeping

    async def give(self, said: SaidFeedback) -> TakenFeedback:
        """Raises as FeedbackService says."""
        name, field = _name_of(said)
        note = _check_note(said.note)
        truth = _check_truth(said.truth)
        async with told(ErrorCode.STORE_UNAVAILABLE, "the state store", timeout_s=TIMEOUT_S):
            known = await self._only_of(name) if field == "correlation_id" else name
            found = None if known is None else await self._find(known)
            if found is None:
                raise self._unknown(name, field)
            # In a thread: a thousand boxes held against five hundred take a second.
            made = await asyncio.to_thread(self._judge_all, found, truth, who=said.who, note=note)
            taken = {one.engine: await self._put(one) for one in made}
        return TakenFeedback(found.request_id, found.detection_id, taken)

    async def _only_of(self, correlation_id: str) -> str | None:
        """The id of its request. Raises CONFLICT where there are several that were answered."""
        wanted, limit = JobFilter(correlation_id=correlation_id), MOST_NAMED + 1
        answered = await self._jobs.find(replace(wanted, states=ANSWERED), limit=limit)
        names = [job.job_id for job in answered]
        if self._keeping is not None:
            names += await self._keeping.requests_of(correlation_id, limit=limit)
        if not names:  # one that is not finished, or has failed, is told as such
            names = [job.job_id for job in await self._jobs.find(wanted, limit=1)]
        if len(names) > 1:
            more = " and others" if len(names) > MOST_NAMED else ""
            raise ControlPlaneError(
                ErrorCode.CONFLICT,
                f"several requests had the correlation id {correlation_id}; give the request_id "
                f"of one of them instead: {', '.join(names[:MOST_NAMED])}{more}",
                field="correlation_id",
            )
        return names[0] if names else None

    async def _find(self, name: str) -> KeptDetection | None:
        """Raises CONFLICT for a job that has no answer yet."""
        found = None if self._keeping is None else await self._keeping.find(name)
        if found is not None or UUID.fullmatch(name) is None:
            return found
        job = await self._jobs.get(name)
        if job is None:
            return None
        if not job.is_finished:
            raise ControlPlaneError(
                ErrorCode.CONFLICT,
                f"the job {name} is {job.state}: there is no answer to judge yet",
            )
        return keep(answer_of(job))

    def _judge_all(
        self, found: KeptDetection, truth: Mapping[str, Truth], *, who: str, note: str
    ) -> list[Feedback]:
        return [
            self._judge(found, engine, one, who=who, note=note) for engine, one in truth.items()
        ]

    def _judge(
        self, found: KeptDetection, engine: str, truth: Truth, *, who: str, note: str
    ) -> Feedback:
        field = f"truth.{engine}"
        result = found.results.get(engine)
        if result is None:
            raise ControlPlaneError(
                ErrorCode.CONFLICT,
                f"engine {engine[:80]!r} gave no result in this detection; there is one of: "
                f"{', '.join(sorted(found.results)) or 'none'}",
                field=field,
            )
        answered = read_found(result.findings)
        check_classes(truth, classes_of(engine, answered), field)
        judged = judge(answered, truth, field)
        return Feedback(
            found.request_id, found.detection_id, engine, result.release, judged, who, note
        )

    async def _put(self, one: Feedback) -> TakenPart:
        has_replaced = await self._store.put(one)
        log.info(
            "feedback",
            detection_id=one.detection_id,
            engine=one.engine,
            release=one.release,
            who=one.who,
            has_replaced=has_replaced,
            scores={score.value: round(value, 4) for score, value in one.judged.scores().items()},
        )
        return TakenPart(one.release, one.judged, has_replaced)

    def _unknown(self, name: str, field: str) -> ControlPlaneError:
        kept = "only those of jobs are kept here (feedback.keep is off)"
        if self._keeping is not None:
            options = self._keeping.options
            kept = f"the latest {options.most} are kept, for {options.keep_s / 86_400:.3g} days"
        hints = {
            "request_id": "; if it is the correlation id, give it as correlation_id",
            "detection_id": "; of a job, give its request_id",
        }
        return ControlPlaneError(
            ErrorCode.NOT_FOUND,
            f"no answer is known as {name}: it was never given, or is forgotten; {kept}"
            f"{hints.get(field, '')}",
            field=field,
        )


def _name_of(said: SaidFeedback) -> tuple[str, str]:
    """The id, and which one it is."""
    given = [(value, field) for field in NAMES if (value := getattr(said, field))]
    if len(given) != 1:
        raise InvalidArgument(f"name one of {', '.join(NAMES)}", field="request_id")
    value, field = given[0]
    if len(value) > MAX_ID_CHARACTERS or not value.isprintable():
        raise InvalidArgument(
            f"{field} is one line of at most {MAX_ID_CHARACTERS} printable characters", field=field
        )
    return value, field


def _check_note(note: str) -> str:
    note = note.strip()
    if len(note) > MAX_NOTE_CHARACTERS or not note.isprintable():
        raise InvalidArgument(
            f"note is one line of at most {MAX_NOTE_CHARACTERS} printable characters", field="note"
        )
    return note


def _check_truth(said: Mapping[str, Truth]) -> dict[str, Truth]:
    if not said:
        raise InvalidArgument("truth is empty; say it of at least one engine", field="truth")
    truth: dict[str, Truth] = {}
    for name, one in said.items():
        engine = ALIASES.get(name, name)
        if engine in truth:
            raise InvalidArgument(f"truth names {engine[:80]!r} twice", field=f"truth.{name[:80]}")
        truth[engine] = check_truth(one, f"truth.{engine[:80]}")
    return truth
