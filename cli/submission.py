"""Sends photos to the control plane, a bounded number at a time, each on its own fate.

Decides nothing about how an outcome is shown: that is ``detection``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.client import ControlPlane, json_object
from cli.failure import Refused

if TYPE_CHECKING:
    import httpx

DETECT = "/api/v1/orchestrator/detect"
PROBLEM_KEYS = frozenset({"type", "title", "status", "detail", "code", "field", "instance"})
# The settings allow no control plane to take more; nobody's memory is spent on it.
LARGEST_PHOTO_BYTES = 1024 * 1024 * 1024
# Waiting for an answer whose deadline only the control plane knows: its longest, and some.
ANSWER_TIMEOUT_S = 90.0
SLACK_S = 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about each photo. detection_types: none stands for every engine.

    is_async: nobody waits; timeout_s is then the time in which it has to be done.
    idempotency_key: each photo has the key and its content's digest, so that what is sent again of
    several is the same, however many go with it.
    """

    detection_types: tuple[str, ...] = ()
    priority: str = "normal"
    releases: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    is_async: bool = False
    idempotency_key: str | None = None

    def as_form(self) -> dict[str, str]:
        form = {"priority": self.priority}
        if self.detection_types:
            form["detection_types"] = ",".join(self.detection_types)
        if self.releases:
            form["releases"] = json.dumps(dict(self.releases))
        return form

    def as_headers(self, photo: bytes = b"") -> dict[str, str]:
        headers = {}
        if self.timeout_s is not None:
            headers["x-request-timeout-s"] = f"{self.timeout_s:g}"
        if self.is_async:
            headers["prefer"] = "respond-async"
        if self.idempotency_key is not None:
            digest = hashlib.sha256(photo).hexdigest()[:16]
            headers["idempotency-key"] = f"{self.idempotency_key}:{digest}"
        return headers


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photo: an answer, or a refusal, or an answer that was not drawn."""

    photo: Path
    answer: Mapping[str, Any] | None = None
    annotated: Path | None = None
    refusals: tuple[Refused, ...] = ()

    @property
    def is_well(self) -> bool:
        return (
            not self.refusals
            and self.answer is not None
            # Where nobody waits it is well as soon as it is accepted.
            and self.answer.get("status") in ("completed", "queued", "processing")
        )

    def as_json(self) -> dict[str, object]:
        told: dict[str, object] = {"photo": str(self.photo)}
        if self.annotated is not None:
            told["annotated"] = str(self.annotated)
        if self.refusals:
            told["error"] = self.refusals[0].as_json()
        return {**told, **(self.answer or {})}


@dataclass(frozen=True, slots=True)
class Submission:
    """One question for many photos. annotate_into: the folder for pictures, or None."""

    control_plane: ControlPlane
    question: Question
    annotate_into: Path | None = None
    concurrency: int = 4

    def run(self, photos: Sequence[Path], tell: Callable[[Outcome], None]) -> None:
        """Calls ``tell`` for each photo, in their order, as soon as those before it are told."""
        asyncio.run(self._run(photos, tell))

    async def _run(self, photos: Sequence[Path], tell: Callable[[Outcome], None]) -> None:
        import httpx

        pictures = pictures_for(photos, self.annotate_into)
        slots = asyncio.Semaphore(self.concurrency)
        told_late: list[Outcome] = []
        async with httpx.AsyncClient(
            **self.control_plane.client_options(self._timeout_s)
        ) as client:
            with _Progress(len(photos)) as progress:
                tasks = [
                    asyncio.create_task(self._one(client, slots, photo, picture, progress.advance))
                    for photo, picture in zip(photos, pictures, strict=True)
                ]
                for task in tasks:
                    outcome = await task
                    # A moving bar and lines of text would write over each other.
                    if progress.is_shown:
                        told_late.append(outcome)
                    else:
                        tell(outcome)
        for outcome in told_late:
            tell(outcome)

    @property
    def _timeout_s(self) -> float:
        # Accepting takes no longer because the job may.
        asked_s = None if self.question.is_async else self.question.timeout_s
        return ANSWER_TIMEOUT_S if asked_s is None else asked_s + SLACK_S

    async def _one(
        self,
        client: httpx.AsyncClient,
        slots: asyncio.Semaphore,
        photo: Path,
        picture: Path | None,
        advance: Callable[[], None],
    ) -> Outcome:
        async with slots:
            try:
                encoded = await asyncio.to_thread(_read, photo)
                headers = self.question.as_headers(encoded)
                answer = await self._ask(client, photo, encoded, headers)
            except Refused as refusal:
                return Outcome(photo, refusals=(refusal,))
            finally:
                advance()
            if picture is None:
                return Outcome(photo, answer)
            try:
                await asyncio.to_thread(_annotate, encoded, answer, picture)
            except Refused as refusal:
                return Outcome(photo, answer, refusals=(refusal,))
            return Outcome(photo, answer, annotated=picture)

    async def _ask(
        self, client: httpx.AsyncClient, photo: Path, encoded: bytes, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        import httpx

        correlation_id = str(uuid.uuid4())
        try:
            response = await client.post(
                DETECT,
                files={"photo": (photo.name, encoded)},
                data=self.question.as_form(),
                headers={"x-correlation-id": correlation_id, **headers},
            )
        except httpx.HTTPError as error:
            raise self.control_plane.refusal_of(error, correlation_id, self._timeout_s) from None
        return whole_failure_of(response) or self.control_plane.answer_of(response, correlation_id)


def whole_failure_of(response: httpx.Response) -> dict[str, Any] | None:
    """The answer inside a problem that says that every engine failed.

    Its ``status`` is the HTTP status (RFC 9457), so the detection's is beside it.
    """
    body = json_object(response)
    if body is None or "detection_status" not in body:
        return None
    answer = {key: value for key, value in body.items() if key not in PROBLEM_KEYS}
    answer["status"] = answer.pop("detection_status")
    return answer


def pictures_for(photos: Iterable[Path], folder: Path | None) -> list[Path | None]:
    """Where each photo's picture goes; photos of one name do not overwrite each other's."""
    pictures: list[Path | None] = []
    taken: set[Path] = set()
    for photo in photos:
        if folder is None:
            pictures.append(None)
            continue
        picture, number = folder / f"{photo.stem}.annotated.jpg", 2
        while picture in taken:
            picture, number = folder / f"{photo.stem}-{number}.annotated.jpg", number + 1
        taken.add(picture)
        pictures.append(picture)
    return pictures


def _read(photo: Path) -> bytes:
    try:
        if photo.stat().st_size > LARGEST_PHOTO_BYTES:
            limit_mib = LARGEST_PHOTO_BYTES // (1024 * 1024)
            raise Refused(
                f"photo is larger than {limit_mib} MiB", code="photo_too_large", field="photo"
            )
        return photo.read_bytes()
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise Refused(f"cannot read the photo: {why}", code="photo_not_found") from None


def _annotate(encoded: bytes, answer: Mapping[str, Any], picture: Path) -> None:
    from cli.annotation import annotate

    try:
        annotate(encoded, answer, picture)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Refused(f"cannot write {picture}: {why}", code="annotation_failed") from None


class _Progress:
    """A bar on standard error for as long as several photos are under way on a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._bar: Any = None

    @property
    def is_shown(self) -> bool:
        return self._bar is not None

    def __enter__(self) -> _Progress:
        if self._total > 1 and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import MofNCompleteColumn, Progress

            self._bar = Progress(
                *Progress.get_default_columns(),
                MofNCompleteColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("photos", total=self._total)
        return self

    def advance(self) -> None:
        if self._bar is not None:
            self._bar.advance(self._task)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
