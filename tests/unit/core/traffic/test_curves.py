"""Charts: steps that stay where they are, rates by the time that was counted, no more points."""

from __future__ import annotations

import pytest

from control_plane.core.traffic import SPANS_S, Counted, Curves, Window, draw
from control_plane.core.traffic.curves import LONGEST_S, MOST_STEPS, step_slots
from control_plane.core.traffic.window import SLOT_S


def drawn(window: Window, now_s: float, span_s: float = 900.0, counted_s: float = 0.0) -> Curves:
    return draw({"1.0.0": window.slots(now_s)}, now_s=now_s, span_s=span_s, counted_s=counted_s)


def test_a_step_is_as_short_as_the_number_of_points_allows() -> None:
    assert [step_slots(span_s) for span_s in (1.0, *SPANS_S)] == [1, 1, 1, 2]
    for span_s in range(5, int(LONGEST_S) + 1, 5):
        window = Window()
        assert len(drawn(window, 100_000.0, span_s).began_s) <= MOST_STEPS


def test_steps_stay_where_they_are_while_time_goes_on() -> None:
    window = Window()
    window.add(2004.0, 0.01, is_error=True)
    window.add(2012.0, 0.01, is_error=False)
    before, after = drawn(window, 2016.0), drawn(window, 2026.0)
    assert before.step_s == 10.0
    assert before.began_s[1:] == after.began_s[:-1]
    first, then = before.releases["1.0.0"], after.releases["1.0.0"]
    assert first.errors_per_s[1:] == then.errors_per_s[:-1]
    assert first.requests_per_s[-2:] == (0.1, 1 / 6)
    assert then.requests_per_s[-3:] == (0.1, 0.1, 0.0)


def test_a_step_that_has_only_begun_is_left_out() -> None:
    window = Window()
    window.add(2001.0, 0.01, is_error=False)
    assert drawn(window, 2004.9).began_s[-1] == 1990.0
    assert drawn(window, 2005.0).began_s[-1] == 2000.0
    assert drawn(window, 2005.0).releases["1.0.0"].requests_per_s[-1] == 0.2


def test_nothing_is_drawn_of_the_time_before_the_counting() -> None:
    window = Window()
    window.add(2008.0, 0.01, is_error=False)
    curves = drawn(window, 2020.0, counted_s=2006.0)
    assert curves.began_s == (2000.0, 2010.0)
    assert curves.releases["1.0.0"].requests_per_s == (1 / 4, 0.0)
    assert drawn(window, 2020.0, counted_s=2020.0).began_s == ()
    # A step that has not been counted for any time has no rate.
    assert drawn(window, 2026.0, counted_s=2026.0).releases["1.0.0"].requests_per_s == (0.0,)


def test_each_step_has_its_own_percentiles_and_the_confidences_are_of_all() -> None:
    window = Window()
    for latency_s in (0.010, 0.010, 0.100):
        window.add(2001.0, latency_s, is_error=False)
    window.add_confidence(2001.0, 0.25)
    window.add_confidence(2011.0, 1.0)
    curves = drawn(window, 2020.0, 60)
    at = curves.began_s.index(2000.0)
    curve = curves.releases["1.0.0"]
    p50, p95 = curve.p50_ms[at], curve.p95_ms[at]
    assert p50 == pytest.approx(10.0, rel=0.06)
    assert p95 == curve.p99_ms[at] == pytest.approx(100.0, rel=0.06)
    assert curve.p50_ms[at + 1] is None
    seen = curves.confidences["1.0.0"]
    assert sum(seen.counts) == 2
    assert (seen.counts[2], seen.counts[9], seen.total) == (1, 1, 1.25)


def test_a_slot_that_is_not_in_the_span_is_in_no_step() -> None:
    curves = draw(
        {"1.0.0": {0: Counted(requests=5), 2000: Counted(requests=1)}},
        now_s=2001 * SLOT_S,
        span_s=60,
        counted_s=0.0,
    )
    assert sum(curves.releases["1.0.0"].requests_per_s) == 0.2


def test_what_was_never_routed_has_no_curve() -> None:
    slots = {20: Counted(requests=1)}
    assert not draw({"": slots}, now_s=110.0, span_s=60, counted_s=0.0).releases


def test_windows_show_their_slots_until_they_are_too_old() -> None:
    window = Window()
    window.add(1000.0, 0.01, is_error=False)
    window.add(1007.0, 0.01, is_error=False)
    assert {number: one.requests for number, one in window.slots(1007.0).items()} == {
        200: 1,
        201: 1,
    }
    assert list(window.slots(1900.0)) == [201]
    assert window.slots(990.0) == {}
