"""A job as a row: read as it was written, and never misread."""

from __future__ import annotations

import json

import pytest

from control_plane.adapters.stores.documents import UnreadableDocument, from_json, to_json
from control_plane.adapters.stores.job_columns import (
    answer_text,
    columns_of,
    digest,
    job_of,
    raw_text,
)
from control_plane.core.detections import DetectionAnswer
from tests.contract.jobs.samples import WHOLE_ANSWER, WHOLE_JOB

ROW = {
    "document": columns_of(WHOLE_JOB)["document"],
    "answer": answer_text(WHOLE_JOB.answer),
    "raw": raw_text(WHOLE_JOB.raw),
}


def test_a_row_is_the_job_again() -> None:
    assert job_of(ROW) == WHOLE_JOB
    assert all(text.isascii() and "\0" not in text for text in ROW.values() if text)


@pytest.mark.parametrize(
    "odd",
    [
        {"answer": "{}"},
        {"answer": "[]"},
        {"answer": "no JSON"},
        {"answer": (ROW["answer"] or "").replace("overloaded", "later")},
        {"answer": (ROW["answer"] or "").replace("2026-01-02", "yesterday")},
        {"raw": "no JSON"},
    ],
)
def test_what_is_no_answer_is_told(odd: dict[str, str]) -> None:
    with pytest.raises(UnreadableDocument, match=f"the answer of job {WHOLE_JOB.job_id}"):
        job_of(ROW | odd)


def test_a_time_in_a_document_is_kept_and_checked() -> None:
    text = to_json(WHOLE_ANSWER)
    assert from_json(DetectionAnswer, text) == WHOLE_ANSWER
    for odd, told in (("soon", "should be a time"), (5, "should be str")):
        document = json.loads(text) | {"timestamp": odd}
        with pytest.raises(UnreadableDocument, match=told):
            from_json(DetectionAnswer, json.dumps(document))


@pytest.mark.parametrize("text", ["", "\0", "\ud800", "k" * 100_000])
def test_a_key_of_any_kind_fits_its_column(text: str) -> None:
    assert len(digest(text)) == 64
    assert digest(text) == digest(text)
    assert digest(text) != digest(text + "x")
