"""The limit grows while it is used and latency is near its baseline, and shrinks on queueing."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.concurrency_limit import (
    LEAST_LATENCY_S,
    GradientLimit,
    LatencyWindow,
    LimitOptions,
    Reading,
)

# One sample is a window, and the new estimate is the limit: every step can be worked out.
BARE = LimitOptions(
    initial=16,
    min_limit=2,
    max_limit=100,
    smoothing=1.0,
    baseline_smoothing=0.5,
    tolerance=1.5,
    patience_s=0.0,
    longest_s=1e9,
    start_growth=1.0,
    overload_ratio=0.5,
    window_s=1e-9,
    least_samples=1,
    most_samples=1,
    remeasure_s=10.0,
)


def limit_with(baseline_s: float = 0.1, **changes: float) -> GradientLimit:
    limit = GradientLimit(replace(BARE, **changes))  # type: ignore[arg-type]
    limit.observe(baseline_s, in_flight=1, now_s=0.0)
    return limit


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"min_limit": 0}, "min_limit"),
        ({"min_limit": 17}, "min_limit"),
        ({"max_limit": 15}, "max_limit"),
        ({"tolerance": 0.99}, "tolerance"),
        ({"tolerance": 2.0}, "tolerance"),
        ({"patience_s": -0.01}, "patience_s"),
        ({"longest_s": 0.0}, "longest_s"),
        ({"start_growth": 0.99}, "start_growth"),
        ({"smoothing": 0.0}, "smoothing"),
        ({"smoothing": 1.01}, "smoothing"),
        ({"baseline_smoothing": 0.0}, "baseline_smoothing"),
        ({"baseline_smoothing": 1.01}, "baseline_smoothing"),
        ({"overload_ratio": 0.0}, "overload_ratio"),
        ({"overload_ratio": 1.0}, "overload_ratio"),
        ({"least_samples": 0}, "least_samples"),
        ({"least_samples": 2}, "most_samples"),
        ({"window_s": 0.0}, "window_s"),
        ({"remeasure_s": 0.0}, "remeasure_s"),
    ],
)
def test_options_out_of_bounds_are_refused(changes: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(BARE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"min_limit": 1},
        {"min_limit": 16, "max_limit": 16},
        {"tolerance": 1.0},
        {"smoothing": 1.0, "baseline_smoothing": 1.0},
        {"patience_s": 0.0, "start_growth": 1.0},
        {"longest_s": 0.001},
        {"window_s": 0.001, "remeasure_s": 0.001},
    ],
)
def test_options_at_their_bounds_are_taken(changes: dict[str, float]) -> None:
    assert GradientLimit(replace(BARE, **changes)).limit == 16  # type: ignore[arg-type]


def test_the_defaults() -> None:
    assert LimitOptions() == LimitOptions(
        initial=40,
        min_limit=4,
        max_limit=512,
        smoothing=0.2,
        baseline_smoothing=0.2,
        tolerance=1.5,
        patience_s=0.5,
        longest_s=1.25,
        start_growth=2.0,
        overload_ratio=0.9,
        window_s=0.25,
        least_samples=10,
        most_samples=250,
        remeasure_s=10.0,
    )


class TestWindow:
    OPTIONS = replace(BARE, window_s=1.0, least_samples=3, most_samples=5)

    def test_it_closes_once_it_is_old_and_full_enough_and_starts_anew(self) -> None:
        window = LatencyWindow(self.OPTIONS)
        assert window.add(0.3, 5.0) is None
        assert window.add(0.1, 6.0) is None
        assert window.add(0.2, 6.0) == Reading(0.2, 1.0)
        assert window.add(0.4, 7.0) is None
        assert window.add(0.5, 7.5) is None
        assert window.add(0.6, 7.999) is None
        assert window.add(0.7, 8.0) == Reading(0.6, 1.0)

    def test_it_holds_no_more_than_it_may(self) -> None:
        window = LatencyWindow(self.OPTIONS)
        for latency_s in (0.5, 0.1, 0.4, 0.2):
            assert window.add(latency_s, 0.0) is None
        assert window.add(0.3, 0.0) == Reading(0.3, 0.0)

    def test_cleared_it_starts_anew(self) -> None:
        window = LatencyWindow(self.OPTIONS)
        window.add(9.0, 0.0)
        window.clear()
        assert [window.add(one, 4.0 + one) for one in (0.0, 0.1, 1.0)][-1] == Reading(0.1, 1.0)


class TestGrowth:
    def test_within_tolerance_it_grows_by_its_square_root(self) -> None:
        limit = limit_with(0.1)
        limit.observe(0.15, in_flight=8, now_s=1.0)
        assert limit.limit == 20

    def test_smoothing_takes_a_share_of_it(self) -> None:
        limit = limit_with(0.1, smoothing=0.5)
        limit.observe(0.1, in_flight=16, now_s=1.0)
        assert limit.limit == 18

    def test_below_half_of_the_limit_a_sample_does_not_move_it(self) -> None:
        limit = limit_with(0.1)
        limit.observe(0.1, in_flight=7, now_s=1.0)
        limit.observe(9.0, in_flight=7, now_s=1.0)
        assert limit.limit == 16

    def test_it_stops_at_its_maximum(self) -> None:
        limit = limit_with(0.1, max_limit=21)
        for now_s in range(5):
            limit.observe(0.1, in_flight=100, now_s=float(now_s))
        assert limit.limit == 21


class TestShrinking:
    def test_queueing_takes_its_share(self) -> None:
        limit = limit_with(0.1, remeasure_s=99.0)
        limit.observe(0.2, in_flight=16, now_s=1.0)
        assert limit.limit == int(16 * 0.75 + 4)

    @pytest.mark.parametrize("latency_s", [0.3, 0.31, 100.0])
    def test_one_window_asks_for_no_less_than_half(self, latency_s: float) -> None:
        limit = limit_with(0.1, remeasure_s=99.0)
        limit.observe(latency_s, in_flight=16, now_s=1.0)
        assert limit.limit == 12

    def test_latency_alone_leaves_four(self) -> None:
        limit = limit_with(0.1, remeasure_s=1e9)
        for now_s in range(60):
            limit.observe(9.0, in_flight=16, now_s=float(now_s))
        assert limit.limit == 4

    def test_a_slow_engine_shrinks_as_fast_as_others(self) -> None:
        options = replace(BARE, initial=64, smoothing=0.5, window_s=2.0, remeasure_s=99.0)
        limit = GradientLimit(replace(options, least_samples=2, most_samples=9))
        for in_flight, now_s in ((1, 0.0), (1, 2.0), (64, 5.0), (64, 11.0)):
            limit.observe(9.0 if in_flight == 64 else 0.1, in_flight=in_flight, now_s=now_s)
        keep = 0.5**3
        assert limit.limit == int(64 * keep + (1 - keep) * (32 + 8))

    def test_a_window_that_filled_early_is_one_window(self) -> None:
        limit = limit_with(0.1, smoothing=0.5, window_s=2.0, remeasure_s=99.0)
        limit.observe(9.0, in_flight=16, now_s=5.0)
        assert limit.limit == 14

    # Binary fractions: one and a half times the baseline, which is still borne, is exact.
    @pytest.mark.parametrize("busy_s", [0.25, 0.375])
    def test_but_grows_no_faster(self, busy_s: float) -> None:
        options = replace(BARE, smoothing=0.5, window_s=1.0, least_samples=2, most_samples=9)
        limit = GradientLimit(options)
        for in_flight, now_s in ((1, 0.0), (1, 1.0), (16, 5.0), (16, 8.0)):
            limit.observe(0.25 if in_flight == 1 else busy_s, in_flight=in_flight, now_s=now_s)
        assert limit.limit == 18

    def test_overload_shrinks_once_per_window_down_to_the_minimum(self) -> None:
        limit = GradientLimit(replace(BARE, window_s=1.0))
        limit.shrink(5.0)
        limit.shrink(5.999)
        assert limit.limit == 8
        limit.shrink(6.0)
        assert limit.limit == 4
        limit.shrink(7.0)
        limit.shrink(8.0)
        limit.shrink(9.0)
        assert limit.limit == 2


class TestBaseline:
    def test_the_first_idle_window_is_the_baseline_and_later_ones_pull_it(self) -> None:
        limit = GradientLimit(BARE)
        assert limit.baseline_s is None
        limit.observe(0.1, in_flight=7, now_s=0.0)
        assert limit.baseline_s == 0.1
        limit.observe(0.3, in_flight=7, now_s=1.0)
        assert limit.baseline_s == pytest.approx(0.2)
        limit.observe(0.1, in_flight=7, now_s=2.0)
        assert limit.baseline_s == pytest.approx(0.15)

    def test_busy_windows_lower_it_and_never_raise_it(self) -> None:
        limit = limit_with(0.1)
        limit.observe(0.14, in_flight=16, now_s=1.0)
        assert limit.baseline_s == 0.1
        limit.observe(0.1, in_flight=16, now_s=1.0)
        assert limit.baseline_s == 0.1
        limit.observe(0.05, in_flight=16, now_s=1.0)
        assert limit.baseline_s == pytest.approx(0.075)

    def test_never_idle_the_luckiest_sample_stands_in_and_is_measured_at_once(self) -> None:
        options = replace(BARE, least_samples=3, most_samples=3)
        limit = GradientLimit(options)
        for latency_s in (0.2, 0.1, 0.4):
            limit.observe(latency_s, in_flight=16, now_s=0.0)
        assert limit.baseline_s == 0.1
        assert limit.limit == int(16 * 0.75 + 4)
        assert limit.is_measuring

    def test_a_latency_of_nothing_is_a_little(self) -> None:
        limit = GradientLimit(BARE)
        limit.observe(0.0, in_flight=1, now_s=0.0)
        assert limit.baseline_s == LEAST_LATENCY_S


class TestCutOff:
    """A call that was cut off took at least so long."""

    def test_it_counts_where_it_is_above_tolerance(self) -> None:
        # Binary fractions: one and a half times the baseline is exact.
        limit = limit_with(0.25, remeasure_s=99.0)
        limit.observe(0.375, in_flight=16, now_s=1.0, is_whole=False)
        assert limit.limit == 16
        limit.observe(0.75, in_flight=16, now_s=1.0, is_whole=False)
        assert limit.limit == 12

    def test_it_is_held_against_the_baseline_and_not_against_the_luckiest_sample(self) -> None:
        limit = limit_with(0.1)
        limit.observe(0.3, in_flight=1, now_s=1.0)
        assert limit.baseline_s == pytest.approx(0.2)
        limit.observe(0.25, in_flight=16, now_s=2.0, is_whole=False)
        assert limit.limit == 16

    def test_it_never_teaches_the_baseline(self) -> None:
        limit = limit_with(0.1)
        limit.observe(9.0, in_flight=1, now_s=1.0, is_whole=False)
        assert limit.baseline_s == 0.1
        assert limit.limit == 16

    def test_where_nothing_was_ever_answered_it_is_queueing(self) -> None:
        limit = GradientLimit(BARE)
        limit.observe(5.0, in_flight=16, now_s=0.0, is_whole=False)
        assert limit.limit == 12
        assert limit.baseline_s is None

    def test_before_the_first_window_it_is_held_against_the_luckiest_sample(self) -> None:
        options = replace(BARE, least_samples=2, most_samples=2)
        limit = GradientLimit(options)
        limit.observe(0.1, in_flight=1, now_s=0.0)
        limit.observe(0.15, in_flight=16, now_s=0.0, is_whole=False)
        limit.observe(0.4, in_flight=16, now_s=0.0, is_whole=False)
        assert limit.limit == 16
        limit.observe(0.4, in_flight=16, now_s=0.0, is_whole=False)
        assert limit.limit == 12
        assert limit.baseline_s == 0.1


class TestMeasuring:
    def held(self) -> GradientLimit:
        """Queueing for as long as it takes: of 16, held to 6."""
        limit = limit_with(0.1)
        limit.observe(0.2, in_flight=16, now_s=9.99)
        assert not limit.is_measuring
        assert limit.held_limit == limit.limit == 16
        limit.observe(0.2, in_flight=16, now_s=10.0)
        assert limit.is_measuring
        assert (limit.limit, limit.held_limit) == (16, 6)
        return limit

    def test_latency_that_stays_is_the_new_baseline(self) -> None:
        limit = self.held()
        limit.observe(0.2, in_flight=7, now_s=11.0)
        assert limit.is_measuring
        limit.observe(0.2, in_flight=6, now_s=11.0)
        assert not limit.is_measuring
        assert limit.baseline_s == 0.2
        assert limit.held_limit == 16

    def test_latency_that_falls_with_the_load_was_queueing(self) -> None:
        limit = self.held()
        limit.observe(0.1, in_flight=6, now_s=11.0)
        assert limit.baseline_s == 0.1
        limit.observe(0.3, in_flight=16, now_s=20.99)
        assert not limit.is_measuring
        limit.observe(0.3, in_flight=16, now_s=21.0)
        assert limit.is_measuring

    def test_meanwhile_the_limit_rests_and_cut_off_calls_are_not_samples(self) -> None:
        limit = self.held()
        limit.observe(9.0, in_flight=16, now_s=12.0)
        limit.observe(9.0, in_flight=1, now_s=12.0, is_whole=False)
        assert limit.is_measuring
        assert limit.limit == 16

    def test_it_does_not_wait_for_ever_for_a_quiet_moment(self) -> None:
        limit = self.held()
        limit.observe(0.3, in_flight=16, now_s=19.99)
        assert limit.is_measuring
        limit.observe(0.3, in_flight=16, now_s=20.0)
        assert not limit.is_measuring
        assert limit.baseline_s == 0.1
        limit.observe(0.3, in_flight=16, now_s=29.99)
        assert not limit.is_measuring

    def test_held_is_no_less_than_latency_alone_would_leave(self) -> None:
        limit = limit_with(0.1, initial=5, min_limit=5)
        limit.observe(9.0, in_flight=5, now_s=10.0)
        assert limit.is_measuring
        assert limit.held_limit == limit.limit == 5
        low = limit_with(0.1, initial=3, min_limit=1)
        low.observe(9.0, in_flight=3, now_s=10.0)
        assert low.is_measuring
        assert low.held_limit == low.limit == int(1.5 + sqrt(3))

    def test_held_is_two_fifths(self) -> None:
        limit = limit_with(0.1, initial=101, max_limit=101, smoothing=0.001)
        limit.observe(9.0, in_flight=101, now_s=10.0)
        assert (limit.limit, limit.held_limit) == (100, 40)

    def test_latency_within_tolerance_is_not_measured(self) -> None:
        limit = limit_with(0.25)
        limit.observe(0.375, in_flight=16, now_s=99.0)
        assert limit.limit == 20
        assert not limit.is_measuring

    def test_an_idle_window_puts_it_off(self) -> None:
        limit = limit_with(0.1)
        limit.observe(0.1, in_flight=1, now_s=5.0)
        limit.observe(0.3, in_flight=16, now_s=14.99)
        assert not limit.is_measuring

    def test_what_was_seen_before_it_is_not_counted_after_it(self) -> None:
        limit = GradientLimit(replace(BARE, least_samples=2, most_samples=2))
        for latency_s, in_flight, now_s in (
            (0.1, 1, 0.0),
            (0.1, 1, 0.0),
            (0.2, 16, 10.0),
            (0.2, 16, 10.0),
            # Measuring: one sample of two, then time is up.
            (7.0, 1, 11.0),
            (0.2, 16, 20.0),
        ):
            limit.observe(latency_s, in_flight=in_flight, now_s=now_s)
        assert not limit.is_measuring
        for now_s in (30.0, 30.0):
            limit.observe(0.2, in_flight=16, now_s=now_s)
        assert limit.is_measuring
        limit.observe(0.2, in_flight=1, now_s=31.0)
        assert limit.is_measuring
        limit.observe(0.2, in_flight=1, now_s=31.0)
        assert limit.baseline_s == 0.2


class TestPatience:
    def test_a_short_queue_is_borne_however_many_times_the_baseline_it_is(self) -> None:
        limit = limit_with(0.002, patience_s=0.5)
        limit.observe(0.502, in_flight=16, now_s=1.0)
        assert limit.limit == 20
        limit.observe(0.6, in_flight=20, now_s=2.0)
        assert limit.limit == int(20 * 0.502 / 0.6 + sqrt(20))

    def test_of_a_slow_engine_the_tolerance_is_borne_which_is_more(self) -> None:
        limit = limit_with(2.0, patience_s=0.5)
        limit.observe(3.0, in_flight=16, now_s=1.0)
        assert limit.limit == 20
        limit.observe(4.0, in_flight=20, now_s=2.0)
        assert limit.limit == int(20 * 3.0 / 4.0 + sqrt(20))

    def test_it_ends_where_tries_are_about_to_be_cut_off(self) -> None:
        limit = limit_with(1.0, patience_s=0.5, longest_s=1.25)
        limit.observe(1.25, in_flight=16, now_s=1.0)
        assert limit.limit == 20
        limit.observe(1.5, in_flight=20, now_s=2.0)
        assert limit.limit == int(20 * 1.25 / 1.5 + sqrt(20))

    def test_a_call_that_was_cut_off_within_it_says_nothing(self) -> None:
        limit = limit_with(0.002, patience_s=0.5)
        limit.observe(0.502, in_flight=16, now_s=1.0, is_whole=False)
        assert limit.limit == 16
        limit.observe(1.004, in_flight=16, now_s=1.0, is_whole=False)
        assert limit.limit == int(16 * 0.5 + 4)


class TestSlowStart:
    def test_it_doubles_while_it_is_used_and_nothing_queues(self) -> None:
        limit = limit_with(0.1, start_growth=2.0)
        for expected in (32, 64, 100):
            limit.observe(0.1, in_flight=limit.limit, now_s=1.0)
            assert limit.limit == expected

    def test_it_does_not_grow_unused(self) -> None:
        limit = limit_with(0.1, start_growth=2.0)
        limit.observe(0.1, in_flight=7, now_s=1.0)
        assert limit.limit == 16

    def test_after_the_first_queueing_it_grows_by_its_headroom(self) -> None:
        limit = limit_with(0.1, start_growth=2.0)
        limit.observe(0.3, in_flight=16, now_s=1.0)
        assert limit.limit == 12
        limit.observe(0.1, in_flight=12, now_s=2.0)
        assert limit.limit == int(12 + sqrt(12))

    def test_it_ends_where_latency_leaves_its_tolerance_though_it_is_borne(self) -> None:
        limit = limit_with(0.25, start_growth=2.0, patience_s=0.5)
        limit.observe(0.375, in_flight=16, now_s=1.0)
        assert limit.limit == 32
        limit.observe(0.5, in_flight=32, now_s=2.0)
        assert limit.limit == int(32 + sqrt(32))
        limit.observe(0.25, in_flight=37, now_s=3.0)
        assert limit.limit == int(32 + sqrt(32) + sqrt(32 + sqrt(32)))

    def test_it_ends_where_nothing_is_ever_answered(self) -> None:
        limit = GradientLimit(replace(BARE, start_growth=2.0))
        limit.observe(5.0, in_flight=16, now_s=1.0, is_whole=False)
        assert limit.limit == 12
        limit.observe(5.0, in_flight=1, now_s=2.0)
        limit.observe(5.0, in_flight=12, now_s=3.0)
        assert limit.limit == int(12 + sqrt(12))

    def test_after_the_first_refusal_it_grows_by_its_headroom(self) -> None:
        limit = limit_with(0.1, start_growth=2.0)
        limit.shrink(1.0)
        limit.observe(0.1, in_flight=8, now_s=2.0)
        assert limit.limit == int(8 + sqrt(8))


class TestRegrowth:
    """After queueing it doubles again, up to half of what was borne before."""

    def shrunk(self, **changes: float) -> GradientLimit:
        """Of 64, when queueing began, four are left: the mark is 32."""
        limit = limit_with(0.1, initial=64, start_growth=2.0, remeasure_s=1e9, **changes)
        for _ in range(60):
            limit.observe(9.0, in_flight=64, now_s=1.0)
        assert limit.limit == 4
        return limit

    def grown(self, limit: GradientLimit, latency_s: float = 0.1) -> int:
        limit.observe(latency_s, in_flight=limit.limit, now_s=2.0)
        return limit.limit

    def test_it_doubles_up_to_half_and_goes_on_by_its_headroom(self) -> None:
        limit = self.shrunk()
        assert [self.grown(limit) for _ in range(4)] == [8, 16, 32, int(32 + sqrt(32))]

    def test_what_is_borne_does_not_end_it(self) -> None:
        limit = self.shrunk(patience_s=0.5)
        assert [self.grown(limit, 0.5) for _ in range(3)] == [8, 16, 32]

    def test_each_new_queueing_halves_the_mark_and_a_lasting_one_does_so_once(self) -> None:
        limit = self.shrunk()
        assert self.grown(limit) == 8
        for _ in range(20):
            self.grown(limit, 9.0)
        assert [self.grown(limit) for _ in range(3)] == [8, 16, int(16 + sqrt(16))]

    def test_beyond_the_mark_half_of_the_limit_is_the_new_one(self) -> None:
        limit = self.shrunk()
        for _ in range(6):
            self.grown(limit)
        assert limit.limit == 50  # 32 and three times its headroom
        for _ in range(60):
            self.grown(limit, 9.0)
        found = [self.grown(limit) for _ in range(4)]
        assert found == [8, 16, 25, 30]

    def test_refusals_mark_it_too(self) -> None:
        limit = limit_with(0.1, initial=64, start_growth=2.0, window_s=1.0, least_samples=1)
        for now_s in range(1, 5):
            limit.shrink(float(now_s))
        assert limit.limit == 4
        assert [self.grown(limit) for _ in range(3)] == [8, 16, 32]


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 10.0), st.integers(1, 300), st.floats(0.0, 5.0), st.integers(0, 5)
        ),
        max_size=200,
    )
)
def test_whatever_is_observed_it_stays_within_its_bounds(
    samples: list[tuple[float, int, float, int]],
) -> None:
    options = LimitOptions(initial=10, min_limit=3, max_limit=40, least_samples=2, remeasure_s=2.0)
    limit = GradientLimit(options)
    now_s = 0.0
    for latency_s, in_flight, wait_s, kind in samples:
        now_s += wait_s
        if kind == 0:
            limit.shrink(now_s)
        else:
            limit.observe(latency_s, in_flight=in_flight, now_s=now_s, is_whole=kind > 1)
        assert 3 <= limit.held_limit <= limit.limit <= 40
