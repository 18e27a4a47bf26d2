"""Which jobs an address means."""

from __future__ import annotations

import pytest

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import DeadReason, JobFilter
from control_plane.errors import ErrorCode
from control_plane.rest_api.dashboard.jobs_query import MAX_CHARACTERS, read_query
from tests.unit.fake_jobs import JOB_ID


def test_what_is_left_empty_does_not_matter() -> None:
    read = read_query([("state", ""), ("engine", "  "), ("other", "x")])
    assert read.wanted == JobFilter()
    assert not read.is_filtered
    assert (read.query, read.describe(), read.problem) == ("", "", "")


def test_every_filter_is_understood_and_kept_for_the_next_address() -> None:
    pairs = {
        "state": "failed",
        "priority": "low",
        "dead": "failed",
        "engine": "material",
        "code": "photo_unavailable",
        "correlation_id": "c-1",
        "undelivered": "true",
    }
    read = read_query([*pairs.items(), ("before", JOB_ID)])
    assert read.problem == ""
    assert read.wanted == JobFilter(
        states=frozenset({DetectionStatus.FAILED}),
        priority=Priority.LOW,
        dead=DeadReason.FAILED,
        is_dead=True,
        is_undelivered=True,
        engine="materials",
        code=ErrorCode.PHOTO_UNAVAILABLE,
        correlation_id="c-1",
        before=JOB_ID,
    )
    assert read.chosen == pairs
    assert "before" not in read.query
    assert read.at(JOB_ID) == f"{read.query}&before={JOB_ID}"
    assert read.at(None) == read.query
    assert "priority low" in read.describe()


def test_any_dead_letter_is_of_no_particular_reason() -> None:
    wanted = read_query([("dead", "any")]).wanted
    assert (wanted.dead, wanted.is_dead) == (None, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "lost"),
        ("priority", "urgent"),
        ("dead", "gone"),
        ("code", "boom"),
        ("undelivered", "perhaps"),
        ("before", "<script>"),
    ],
)
def test_what_nobody_can_mean_is_told_and_chooses_nothing(name: str, value: str) -> None:
    read = read_query([(name, value)])
    assert read.problem_field == name
    assert value in read.problem
    assert read.wanted == JobFilter()


def test_a_value_is_bounded() -> None:
    read = read_query([("correlation_id", "x" * 5000)])
    assert len(read.chosen["correlation_id"]) == MAX_CHARACTERS


def test_a_value_that_would_end_its_parameter_stays_in_it() -> None:
    assert read_query([("engine", "a&dead=any")]).query == "engine=a%26dead%3Dany"
