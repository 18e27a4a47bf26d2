"""What each end of a request is counted as, by engine, release and instance, and the bounds."""

from __future__ import annotations

import pytest

from control_plane.core.outcomes import Ending
from control_plane.core.requests import Ended, Refused, Try
from control_plane.core.traffic import (
    Distribution,
    EngineSummary,
    ReleaseSeries,
    RequestCounts,
    summarise,
)
from control_plane.core.traffic.counts import MOST_INSTANCES, MOST_RELEASES, OTHERS
from control_plane.errors import ErrorCode
from tests.unit.samples import TABLE

ROUTE = TABLE.routes["damage"]
DAMAGE = "damage"


def a_try(
    ending: Ending = Ending.SUCCESS,
    latency_s: float | None = 0.02,
    *,
    release: str = "1.0.0",
    instance: str = "triton-0",
) -> Try:
    return Try(release, instance, ending, latency_s)


def ended(
    *tries: Try,
    answered_by: str | None = "1.0.0",
    error: ErrorCode | None = None,
    at_s: float = 1000.0,
    took_s: float = 0.03,
    chosen: str = "1.0.0",
) -> Ended:
    return Ended(
        route=ROUTE,
        wanted_release="",
        routing_key="key",
        is_key_given=False,
        sequence=None,
        correlation_id="c-1",
        chosen=chosen,
        tries=tries,
        answered_by=answered_by,
        error=error,
        started_s=at_s - took_s,
        ended_s=at_s,
    )


def failed(error: ErrorCode, *tries: Try, took_s: float = 0.03) -> Ended:
    return ended(*tries, answered_by=None, error=error, took_s=took_s)


def series(counts: RequestCounts, release: str = "1.0.0") -> ReleaseSeries:
    (found,) = [one for one in counts.series() if one.release == release]
    return found


def summary(counts: RequestCounts, now_s: float) -> EngineSummary:
    return summarise(counts.slots(DAMAGE, now_s), now_s=now_s, counted_s=counts.began_s)


def number(of: Distribution) -> int:
    return sum(of.counts)


def test_an_answer_counts_once_with_its_time_and_its_tries() -> None:
    counts = RequestCounts(0.0)
    counts.ended(ended(a_try(Ending.UNREACHABLE, 0.001), a_try(instance="triton-1"), took_s=0.5))
    found = series(counts)
    assert (found.engine, found.outcomes) == (DAMAGE, {"success": 1})
    assert found.durations.total == pytest.approx(0.5)
    assert {name: number(calls) for name, calls in found.calls.items()} == {
        "triton-0": 1,
        "triton-1": 1,
    }
    assert counts.attempts() == {(DAMAGE, Ending.UNREACHABLE): 1, (DAMAGE, Ending.SUCCESS): 1}


def test_a_fallback_counts_for_who_answered_and_each_try_for_its_own_release() -> None:
    counts = RequestCounts(0.0)
    counts.ended(
        ended(
            a_try(Ending.BACKEND_FAULT, release="1.1.0"),
            a_try(),
            chosen="1.1.0",
            answered_by="1.0.0",
        )
    )
    assert series(counts).outcomes == {"success": 1}
    assert series(counts, "1.1.0").outcomes == {}
    assert number(series(counts, "1.1.0").calls["triton-0"]) == 1
    assert number(series(counts).calls["triton-0"]) == 1


def test_a_failure_counts_for_who_was_asked_first() -> None:
    counts = RequestCounts(0.0)
    counts.ended(failed(ErrorCode.BACKEND_FAULT, a_try(Ending.BACKEND_FAULT)))
    assert series(counts).outcomes == {"backend_fault": 1}
    assert number(series(counts).durations) == 1


@pytest.mark.parametrize("error", [ErrorCode.CANCELLED, ErrorCode.INVALID_ARGUMENT])
def test_what_the_caller_did_is_no_error_and_says_nothing_of_the_time(error: ErrorCode) -> None:
    counts = RequestCounts(0.0)
    counts.ended(failed(error, a_try(Ending.CANCELLED, None)))
    assert series(counts).outcomes == {error.value: 1}
    assert number(series(counts).durations) == 0
    assert series(counts).calls == {}
    figures = summary(counts, 1000.0).total[60]
    assert (figures.requests, figures.errors, figures.p50_ms) == (1, 0, None)


def test_what_was_not_let_in_counts_as_shed_or_as_its_code() -> None:
    counts = RequestCounts(0.0)
    counts.refused(Refused(DAMAGE, "1.0.0", ErrorCode.OVERLOADED, 1000.0))
    counts.refused(Refused(DAMAGE, "", ErrorCode.UNKNOWN_RELEASE, 1000.0))
    counts.refused(Refused("", "", ErrorCode.UNKNOWN_ENGINE, 1000.0))
    assert [(one.engine, one.release, one.outcomes) for one in counts.series()] == [
        (DAMAGE, "1.0.0", {"shed": 1}),
        (DAMAGE, "", {"unknown_release": 1}),
        ("", "", {"unknown_engine": 1}),
    ]
    assert counts.engines() == (DAMAGE,)
    damage = summary(counts, 1000.0)
    assert list(damage.releases) == ["1.0.0"]
    total = damage.total[60]
    assert (total.requests, total.errors, total.shed) == (2, 1, 1)


def test_a_summary_has_each_span_in_all_and_by_release() -> None:
    counts = RequestCounts(900.0)
    counts.ended(ended(a_try(), at_s=930.0))
    counts.ended(ended(a_try(), at_s=1000.0))
    counts.ended(ended(a_try(release="1.1.0"), at_s=1000.0, chosen="1.1.0", answered_by="1.1.0"))
    counts.saw_confidence(DAMAGE, "1.1.0", 0.8, 1000.0)
    damage = summary(counts, 1000.0)
    assert damage.confidences["1.1.0"].counts[7] == 1
    assert counts.slots("nothing", 1000.0) == {}
    assert {span: one.requests for span, one in damage.total.items()} == {60: 2, 300: 3, 900: 3}
    assert {span: one.requests for span, one in damage.releases["1.0.0"].items()} == {
        60: 1,
        300: 2,
        900: 2,
    }
    assert damage.total[300].rate_per_s == 0.03
    assert damage.releases["1.1.0"][60].confidence_mean == 0.8
    assert damage.releases["1.0.0"][60].confidence_mean is None
    assert number(series(counts, "1.1.0").confidences) == 1


def test_the_release_that_had_its_last_request_longest_ago_makes_room() -> None:
    counts = RequestCounts(0.0)
    versions = [f"{number}.0.0" for number in range(MOST_RELEASES)]
    for at_s, version in enumerate([*versions, "0.0.0", "99.0.0"]):
        counts.refused(Refused(DAMAGE, version, ErrorCode.OVERLOADED, float(at_s)))
    assert {one.release for one in counts.series()} == {*versions, "99.0.0"} - {"1.0.0"}


def test_instances_beyond_the_bound_are_counted_together() -> None:
    counts = RequestCounts(0.0)
    for instance in range(MOST_INSTANCES + 2):
        counts.ended(ended(a_try(instance=f"triton-{instance}")))
    calls = series(counts).calls
    assert len(calls) == MOST_INSTANCES + 1
    assert number(calls[OTHERS]) == 2
