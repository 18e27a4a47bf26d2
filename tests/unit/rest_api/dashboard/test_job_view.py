"""One job as its page shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from control_plane.core.detections import DetectionStatus, EngineFailure
from control_plane.core.jobs import Claim, Handover
from control_plane.errors import ErrorCode
from control_plane.rest_api.dashboard.job_view import (
    MAX_RAW_CHARACTERS,
    findings_in_words,
    show_job_page,
)
from tests.unit.fake_jobs import NOON_S, dead_job, finished, make_job

NOON = datetime.fromtimestamp(NOON_S, UTC)


def test_a_finished_job_says_what_each_engine_found() -> None:
    page = show_job_page(finished(make_job()))
    assert [(one.engine, one.words, one.release, one.instance) for one in page.outcomes] == [
        ("damage", "1 hail", "1.1.0", "triton-0"),
        ("volume", "4.12 m³", "1.1.0", "triton-0"),
    ]
    assert page.engines_left == ()
    assert (page.correlation_id, page.photo) == ("c-1", "file:///photos/roof.jpg")


def test_a_partial_one_says_why_an_engine_has_nothing() -> None:
    job = finished(make_job())
    assert job.answer is not None
    failure = EngineFailure(ErrorCode.BACKEND_FAULT, "no answer \ud800")
    answer = replace(
        job.answer,
        results={"damage": job.answer.results["damage"]},
        errors={"volume": failure, "odd": EngineFailure(ErrorCode.INTERNAL, "")},
        status=DetectionStatus.PARTIAL,
    )
    page = show_job_page(replace(job, state=DetectionStatus.PARTIAL, answer=answer))
    assert [(one.engine, one.is_error, one.words) for one in page.outcomes] == [
        ("damage", False, "1 hail"),
        ("volume", True, "no answer ? (backend_fault)"),
        ("odd", True, "internal"),
    ]


def test_a_dead_letter_with_its_times_and_its_delivery() -> None:
    page = show_job_page(dead_job())
    assert page.error_at == datetime.fromtimestamp(NOON_S + 5, UTC)
    assert page.handover is not None
    assert (page.handover.state, page.handover.attempts, page.handover.error) == (
        *("given up", 3, "HTTP 500"),
    )
    assert page.deadline_at == datetime.fromtimestamp(NOON_S + 3600, UTC)
    assert page.published_at == NOON
    assert [offer.label for offer in page.offers] == ["Replay", "Discard", "Send its result again"]


def test_one_that_is_worked_on_says_by_whom() -> None:
    claim = Claim("worker-1", 0, 1, NOON_S + 30)
    page = show_job_page(make_job(state=DetectionStatus.PROCESSING, claim=claim, attempts=1))
    assert page.worker == "worker-1"
    assert page.claim_expires_at == datetime.fromtimestamp(NOON_S + 30, UTC)
    assert page.engines_left == ("damage", "volume")


@pytest.mark.parametrize(
    ("handover", "state"),
    [
        (Handover(0, due_at_s=NOON_S), "waiting"),
        (Handover(0, delivered_at_s=NOON_S), "delivered"),
        (Handover(0), "given up"),
    ],
)
def test_the_delivery_of_a_result(handover: Handover, state: str) -> None:
    shown = show_job_page(make_job(handover=handover)).handover
    assert shown is not None
    assert shown.state == state


def test_a_message_that_could_not_be_read_is_shown_as_it_came_but_not_endless() -> None:
    page = show_job_page(
        dead_job(request=None, raw="{" + "x" * 9000, published_at_s=None, handover=None)
    )
    assert page.raw is not None
    assert len(page.raw) == MAX_RAW_CHARACTERS
    assert page.correlation_id is None
    assert "could not be read" in page.photo
    assert page.published_at is None


def test_an_uploaded_photo_came_with_its_job() -> None:
    job = make_job()
    assert job.request is not None
    request = replace(job.request, photo_url=None)
    assert show_job_page(replace(job, request=request)).photo == "came with the job"


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ({"counts": {"hail": 2, "missing_shingle": 1, "wind": 0}}, "2 hail, 1 missing shingle"),
        ({"counts": {}}, "nothing found"),
        ({"volume_m3": 1.5, "confidence": 0.9}, "1.50 m³"),
        ({"label": "roof", "list": [1]}, "label roof"),
        ({}, "answered"),
    ],
)
def test_findings_in_words(findings: dict[str, object], words: str) -> None:
    assert findings_in_words(findings) == words
