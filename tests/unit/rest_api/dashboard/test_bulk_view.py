"""What is done to many jobs at once, and what is said of how many."""

from __future__ import annotations

from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import DeadReason, Handover, JobError
from control_plane.errors import ErrorCode
from control_plane.rest_api.dashboard.bulk_view import (
    acted_in_words,
    bulks_of,
    how_many,
    show_dead,
)
from control_plane.rest_api.dashboard.jobs_query import read_query
from control_plane.rest_api.dashboard.jobs_view import MOST_READ
from control_plane.rest_api.jobs import Act
from tests.unit.fake_jobs import NOON_S, dead_job, make_job

INVALID = JobError(ErrorCode.PHOTO_INVALID, "no photo", NOON_S)


def test_dead_letters_are_told_apart_by_what_they_died_of_the_most_first() -> None:
    odd = dead_job("odd", dead=DeadReason.UNPROCESSABLE, error=INVALID)
    letters = show_dead((odd, dead_job("newer"), dead_job("older")))
    first, second = letters.groups
    assert (first.dead, first.code, first.count) == ("failed", "photo_unavailable", 2)
    assert (second.dead, second.code, second.count) == ("unprocessable", "photo_invalid", 1)
    assert first.latest.job_id == "newer"
    assert first.query == "dead=failed&code=photo_unavailable"
    assert (letters.is_more, letters.words) == (False, "")


def test_an_order_about_a_kind_names_how_many_and_carries_its_filter() -> None:
    (group,) = show_dead((dead_job("a"), dead_job("b"))).groups
    replay, discard = group.bulk
    assert replay.verb == "Replay 2"
    assert replay.title == "Replay all 2 dead letters that are failed with photo_unavailable?"
    assert replay.url == "/dashboard/jobs/replay"
    assert replay.fields == {"dead": "failed", "code": "photo_unavailable", "expected": "2"}
    assert not replay.is_dangerous
    assert (discard.verb, discard.is_dangerous) == ("Discard 2", True)


def test_what_cannot_be_read_is_not_offered_to_be_replayed() -> None:
    unread = dead_job("a", request=None)
    (group,) = show_dead((unread, dead_job("b"))).groups
    assert [bulk.verb for bulk in group.bulk] == ["Replay 1", "Discard 2"]
    (group,) = show_dead((unread,)).groups
    assert [bulk.verb for bulk in group.bulk] == ["Discard 1"]


def test_a_kind_without_a_code_has_no_filter_of_its_own_and_no_orders() -> None:
    (group,) = show_dead((dead_job(error=None),)).groups
    assert (group.code, group.bulk) == ("", ())


def test_what_was_discarded_meanwhile_is_no_dead_letter() -> None:
    assert show_dead((dead_job(dead=None),)).groups == ()


def test_of_more_than_are_read_every_count_is_a_least_one() -> None:
    letters = show_dead([dead_job(str(one)) for one in range(MOST_READ + 1)])
    (group,) = letters.groups
    assert letters.is_more
    assert "there are more" in letters.words
    assert group.count == MOST_READ
    assert group.bulk[0].verb == f"Replay ≥ {MOST_READ}"
    assert "at least" in group.bulk[0].title


def test_a_filtered_list_offers_what_applies_to_its_jobs() -> None:
    query = read_query([("engine", "damage")])
    assert bulks_of(query, dead=(), given_up=()) == ()
    lost = make_job(state=DetectionStatus.COMPLETED, handover=Handover(0))
    offered = bulks_of(query, dead=(dead_job(), dead_job(request=None)), given_up=(lost,))
    assert [bulk.verb for bulk in offered] == ["Replay 1", "Discard 2", "Send again 1"]
    assert offered[0].fields == {"engine": "damage", "expected": "1"}


def test_a_list_of_more_than_are_read_says_so() -> None:
    many = [dead_job(str(one)) for one in range(MOST_READ + 1)]
    offered = bulks_of(read_query([("dead", "any")]), dead=many, given_up=())
    assert [bulk.verb for bulk in offered] == [f"Replay ≥ {MOST_READ}", f"Discard ≥ {MOST_READ}"]


def test_without_a_filter_and_with_one_that_means_nothing_there_is_no_order() -> None:
    assert bulks_of(read_query([]), dead=(dead_job(),), given_up=()) == ()
    assert bulks_of(read_query([("state", "lost")]), dead=(dead_job(),), given_up=()) == ()


def test_how_many() -> None:
    assert how_many(1, is_more=False) == "1"
    assert how_many(37, is_more=False) == "all 37"
    assert how_many(200, is_more=True) == "at least 200, at most 1000 at once"


def test_what_came_of_it_is_told_without_more_than_is_known() -> None:
    assert acted_in_words(Act.REPLAY, 3, expected=3, may_have_more=False) == "3 were replayed."
    assert acted_in_words(Act.RESEND, 1, expected=0, may_have_more=False) == "1 was sent again."
    more = acted_in_words(Act.REPLAY, 1000, expected=200, may_have_more=True)
    assert "There may be more" in more
    some = acted_in_words(Act.DISCARD, 2, expected=5, may_have_more=False)
    assert some.startswith("2 were discarded. 3 were not")
    assert "1 was not" in acted_in_words(Act.DISCARD, 2, expected=3, may_have_more=False)
