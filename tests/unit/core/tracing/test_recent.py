from __future__ import annotations

import pytest

from control_plane.core.tracing import RecentOptions, RecentTraces, Recording
from control_plane.core.tracing.recent import MOST_OF_ONE_ID
from tests.unit.core.tracing.making import OTHER_TRACE, TRACE, recording

OPTIONS = RecentOptions(max_quick=2, max_notable=2, max_open=3, slow_s=1.0)


@pytest.fixture
def recent() -> RecentTraces:
    return RecentTraces(OPTIONS)


def numbered(number: int, *, lasted_s: float = 0.1, error: str = "") -> Recording:
    return recording(
        f"c-{number}",
        trace_id=f"{number:032x}",
        started_s=100.0 + number,
        lasted_s=lasted_s,
        error=error,
    )


def went(recent: RecentTraces, one: Recording) -> Recording:
    recent.begin(one)
    recent.finish(one)
    return one


def test_one_that_is_under_way_is_found(recent: RecentTraces) -> None:
    one = recording()
    recent.begin(one)

    assert recent.find(TRACE) == recent.find("c-1") == (one,)
    assert recent.find("c-2") == ()


def test_one_is_found_by_its_request(recent: RecentTraces) -> None:
    one = recording()
    recent.begin(one)
    recent.name(one, "job-1")
    recent.name(one, "job-2")

    assert recent.find("job-1") == (one,)
    assert recent.find("job-2") == ()


def test_an_empty_name_is_none(recent: RecentTraces) -> None:
    one = recording()
    recent.begin(one)
    recent.name(one, "")

    assert one.subject == ""
    assert recent.find("") == ()


def test_the_oldest_goes(recent: RecentTraces) -> None:
    kept = [went(recent, numbered(number)) for number in range(3)]

    assert recent.find("c-0") == ()
    assert recent.find(f"{0:032x}") == ()
    assert list(recent.latest()) == [kept[2], kept[1]]
    assert len(recent) == 2


def test_what_failed_or_was_slow_outlives_what_was_quick(recent: RecentTraces) -> None:
    failed = went(recent, numbered(0, error="internal"))
    slow = went(recent, numbered(1, lasted_s=1.0))
    for number in range(2, 10):
        went(recent, numbered(number))

    assert recent.find("c-0") == (failed,)
    assert recent.find("c-1") == (slow,)

    went(recent, numbered(10, error="internal"))
    assert recent.find("c-0") == ()
    assert recent.find("c-1") == (slow,)


def test_nothing_is_left_of_what_is_gone() -> None:
    recent = RecentTraces(RecentOptions(max_quick=0, max_notable=0))
    one = recording(lasted_s=0.1)
    recent.begin(one)
    recent.name(one, "job-1")
    recent.finish(one)

    assert len(recent) == 0
    assert not any(recent.find(name) for name in (TRACE, "c-1", "job-1"))
    assert recent._by_id == {}


def test_of_those_under_way_the_oldest_is_not_found_until_it_ends(recent: RecentTraces) -> None:
    under_way = [numbered(number) for number in range(4)]
    for one in under_way:
        recent.begin(one)

    assert recent.find("c-0") == ()
    assert recent.find("c-1") == (under_way[1],)

    recent.name(under_way[0], "job-0")
    assert recent.find("job-0") == ()

    recent.finish(under_way[0])
    assert recent.find("c-0") == recent.find("job-0") == (under_way[0],)


def test_the_parts_of_a_trace_are_found_together(recent: RecentTraces) -> None:
    submitted = recording(started_s=100.0, lasted_s=0.1)
    recent.begin(submitted)
    recent.name(submitted, "job-1")
    recent.finish(submitted)
    worked = recording(started_s=101.0, lasted_s=0.1)
    recent.begin(worked)

    for name in (TRACE, "c-1", "job-1"):
        assert recent.find(name) == (submitted, worked), name


def test_another_request_of_the_same_trace_is_told_apart(recent: RecentTraces) -> None:
    first = went(recent, recording("c-1", lasted_s=0.1))
    second = went(recent, recording("c-2", lasted_s=0.1))

    assert recent.find("c-1") == (first,)
    assert recent.find("c-2") == (second,)
    assert recent.find(TRACE) == (first, second)


def test_of_a_correlation_with_several_traces_the_latest_is_shown(recent: RecentTraces) -> None:
    went(recent, recording(lasted_s=0.1))
    latest = went(recent, recording(trace_id=OTHER_TRACE, started_s=101.0, lasted_s=0.1))

    assert recent.find("c-1") == (latest,)


def test_one_that_goes_leaves_the_others_of_its_trace(recent: RecentTraces) -> None:
    went(recent, recording(started_s=100.0, lasted_s=0.1))
    left = [went(recent, recording(started_s=101.0 + n, lasted_s=0.1)) for n in range(2)]

    assert recent.find("c-1") == tuple(left)


def test_one_id_finds_so_many() -> None:
    recent = RecentTraces(RecentOptions())
    made = [
        went(recent, recording(started_s=100.0 + n, lasted_s=0.1))
        for n in range(MOST_OF_ONE_ID + 1)
    ]

    assert recent.find(TRACE) == tuple(made[1:])


def test_one_whose_trace_has_too_many_is_found_by_its_own_id() -> None:
    recent = RecentTraces(RecentOptions())
    first = went(recent, recording("c-0", lasted_s=0.1))
    for _ in range(MOST_OF_ONE_ID):
        went(recent, recording("c-1", lasted_s=0.1))

    assert recent.find("c-0") == (first,)


def test_one_whose_ids_are_the_same_is_found_once(recent: RecentTraces) -> None:
    one = went(recent, recording(TRACE, lasted_s=0.1))

    assert recent.find(TRACE) == (one,)


def test_it_tells_what_it_has(recent: RecentTraces) -> None:
    recent.begin(recording())
    went(recent, numbered(1))
    went(recent, numbered(2, error="internal"))

    assert repr(recent) == "<RecentTraces 1 open, 1 quick, 1 notable>"
    assert len(recent) == 3
