"""Answers that are kept, and what was said of them, in their tables.

All functions work within the transaction of the connection that they are handed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import BigInteger, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.stores import tables
from control_plane.adapters.stores.database import now_s
from control_plane.adapters.stores.documents import UnreadableDocument, to_json
from control_plane.adapters.stores.job_rows import in_parts
from control_plane.adapters.stores.state_rows import INSERTS, can_be_name
from control_plane.core.accuracy import (
    ClassMatches,
    Counted,
    Feedback,
    Judged,
    KeptDetection,
    KeptResult,
    Measured,
    Score,
)

_KEPT = tables.kept_detections.c
_SAID = tables.feedback.c
_SCORES = {
    Score.F1: _SAID.score_f1,
    Score.COUNT: _SAID.score_count,
    Score.VOLUME: _SAID.score_volume,
    Score.RIGHT: _SAID.score_right,
}


def write_kept(detection: KeptDetection) -> str:
    """Not by way of ``documents``: there may be hundreds of these a second. Raises TypeError."""
    parts = {name: [one.release, one.findings] for name, one in detection.results.items()}
    return orjson.dumps(parts).decode()


def read_kept(
    request_id: str, detection_id: str, document: str, correlation_id: str | None
) -> KeptDetection:
    """Raises UnreadableDocument."""
    try:
        parts = orjson.loads(document)
        results = {name: KeptResult(release, found) for name, (release, found) in parts.items()}
    except (ValueError, TypeError, AttributeError):
        raise UnreadableDocument("the document is no kept detection") from None
    return KeptDetection(request_id, detection_id, results, correlation_id or "")


def read_judged(document: str) -> Judged:
    """Not by way of ``documents``, either: thousands of these are read at once.

    Raises UnreadableDocument.
    """
    try:
        parts = orjson.loads(document)
        matches, counted = parts.pop("matches", None), parts.pop("counted", None)
        measured = parts.pop("measured", None)
        return Judged(
            matches=None if matches is None else tuple(_read_class(one) for one in matches),
            counted=None if counted is None else Counted(**counted),
            measured=None if measured is None else Measured(**measured),
            **parts,
        )
    except (LookupError, ValueError, TypeError, AttributeError):
        raise UnreadableDocument("the document is no judgement") from None


def _read_class(part: dict[str, Any]) -> ClassMatches:
    scores, hits = tuple(part.pop("scores", ())), tuple(part.pop("hits", ()))
    return ClassMatches(**part, scores=scores, hits=hits)


async def add_kept(connection: AsyncConnection, detections: Sequence[KeptDetection]) -> None:
    at_s = await now_s(connection)
    rows = [
        {
            "at_s": at_s,
            "request_id": one.request_id,
            "detection_id": one.detection_id,
            "correlation_id": one.correlation_id or None,
            "document": write_kept(one),
        }
        for one in detections
    ]
    await connection.execute(insert(tables.kept_detections), rows)


async def find_kept(connection: AsyncConnection, name: str) -> KeptDetection | None:
    # Two questions, each of which has an index.
    for column in (_KEPT.detection_id, _KEPT.request_id):
        latest = select(tables.kept_detections).where(column == name)
        latest = latest.order_by(_KEPT.number.desc()).limit(1)
        found = (await connection.execute(latest)).one_or_none()
        if found is not None:
            return read_kept(
                found.request_id, found.detection_id, found.document, found.correlation_id
            )
    return None


async def requests_of(
    connection: AsyncConnection, correlation_id: str, *, limit: int
) -> tuple[str, ...]:
    latest = func.max(_KEPT.number)
    rows = select(_KEPT.request_id).where(_KEPT.correlation_id == correlation_id)
    rows = rows.group_by(_KEPT.request_id).order_by(latest.desc()).limit(limit)
    return tuple(await connection.scalars(rows))


async def forget_kept(connection: AsyncConnection, *, most: int, keep_s: float, limit: int) -> int:
    newest = (await connection.execute(select(func.max(_KEPT.number)))).scalar_one()
    if newest is None:
        return 0
    oldest_s = await now_s(connection) - keep_s
    old = select(_KEPT.number).where(or_(_KEPT.number <= newest - most, _KEPT.at_s < oldest_s))
    # Those that another one is dropping are left to it.
    old = old.order_by(_KEPT.number).limit(limit).with_for_update(skip_locked=True)
    numbers = list(await connection.scalars(old))
    for some in in_parts(numbers):
        await connection.execute(delete(tables.kept_detections).where(_KEPT.number.in_(some)))
    return len(numbers)


async def put_feedback(connection: AsyncConnection, feedback: Feedback, *, most: int) -> bool:
    values = _row(feedback)
    same = (_SAID.detection_id == feedback.detection_id, _SAID.engine == feedback.engine)
    old = delete(tables.feedback).where(*same).returning(_SAID.at_s, _SAID.release)
    replaced = (await connection.execute(old)).one_or_none()
    if replaced is not None and replaced.release == feedback.release:
        values["at_s"] = replaced.at_s
    else:
        values["at_s"] = await now_s(connection)
    statement = INSERTS[connection.dialect.name](tables.feedback).values(values)
    # Only where another plane has said it at this very moment; then the later one has the word.
    changed = {name: statement.excluded[name] for name in (*values, "number")}
    statement = statement.on_conflict_do_update(
        index_elements=["detection_id", "engine"], set_=changed
    )
    await connection.execute(statement)
    await _forget_feedback(connection, feedback.engine, feedback.release, most)
    return replaced is not None


async def _forget_feedback(
    connection: AsyncConnection, engine: str, release: str, most: int
) -> None:
    old = select(_SAID.number).where(_SAID.engine == engine, _SAID.release == release)
    old = old.order_by(_SAID.number.desc()).offset(most).limit(100)
    numbers = list(await connection.scalars(old.with_for_update(skip_locked=True)))
    if numbers:
        await connection.execute(delete(tables.feedback).where(_SAID.number.in_(numbers)))


def _row(feedback: Feedback) -> dict[str, Any]:
    """Without its time. Raises ValueError."""
    names = ("detection_id", "request_id", "engine", "release", "who", "note")
    texts = {name: getattr(feedback, name) for name in names}
    if not all(can_be_name(text) for text in texts.values()):
        raise ValueError("a text of the feedback cannot be stored")
    scores = feedback.judged.scores()
    columns = {column.name: scores.get(score) for score, column in _SCORES.items()}
    return {**texts, **columns, "document": to_json(feedback.judged)}


async def read_versions(
    connection: AsyncConnection,
) -> Mapping[tuple[str, str], tuple[int, int]]:
    total = func.sum(_SAID.number).cast(BigInteger).label("total")
    rows = select(_SAID.engine, _SAID.release, func.count().label("rows"), total)
    rows = rows.group_by(_SAID.engine, _SAID.release).order_by(_SAID.engine, _SAID.release)
    found = await connection.execute(rows)
    return {(row.engine, row.release): (row.rows, int(row.total)) for row in found}


async def judged_documents(
    connection: AsyncConnection, engine: str, release: str, *, after_s: float, limit: int
) -> Sequence[str]:
    """The latest so many, the latest first; ``read_judged`` reads one."""
    latest = select(_SAID.document).where(_SAID.engine == engine, _SAID.release == release)
    latest = latest.where(_SAID.at_s >= after_s).order_by(_SAID.number.desc()).limit(limit)
    return list(await connection.scalars(latest))


async def read_scores(
    connection: AsyncConnection,
    engine: str,
    release: str,
    score: Score,
    *,
    after_s: float,
    limit: int,
) -> tuple[float, ...]:
    column = _SCORES[score]
    rows = select(column).where(_SAID.engine == engine, _SAID.release == release)
    rows = rows.where(_SAID.at_s >= after_s, column.is_not(None))
    return tuple(await connection.scalars(rows.order_by(_SAID.at_s, _SAID.number).limit(limit)))
