"""The window holds the newest buckets' calls, to the bucket, and forgets the rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.breaker.window import Counts, Window


def test_ratios_are_shares_of_the_calls_and_zero_without_any() -> None:
    assert (Counts().failure_ratio, Counts().slow_ratio) == (0.0, 0.0)
    assert (Counts(4, 1, 3).failure_ratio, Counts(4, 1, 3).slow_ratio) == (0.25, 0.75)
    assert (Counts(1, 1, 0).failure_ratio, Counts(1, 0, 1).slow_ratio) == (1.0, 1.0)


def test_each_call_is_counted_for_what_it_was() -> None:
    window = Window()
    window.record(0.0)
    window.record(0.1, is_failure=True)
    window.record(0.2, is_slow=True)
    window.record(0.3, is_failure=True, is_slow=True)
    window.record(0.4, is_failure=True)
    assert window.counts(0.5) == Counts(calls=5, failures=3, slow=2)


def test_a_new_window_is_empty_and_so_is_a_cleared_one() -> None:
    window = Window()
    assert window.counts(5.0) == Counts()
    window.record(5.0, is_failure=True)
    window.clear()
    assert window.counts(5.0) == Counts()
    window.record(5.0)
    assert window.counts(5.0) == Counts(1)


def test_a_call_is_forgotten_when_its_bucket_is_the_eleventh() -> None:
    window = Window()
    window.record(100.0, is_failure=True)
    window.record(100.999, is_failure=True)
    assert window.counts(109.999) == Counts(2, 2)
    assert window.counts(110.0) == Counts()


def test_the_width_of_a_bucket_is_what_was_asked_for() -> None:
    window = Window(bucket_s=0.5, buckets=2)
    window.record(0.49)
    window.record(0.5)
    assert window.counts(0.99) == Counts(2)
    assert window.counts(1.0) == Counts(1)
    assert window.counts(1.5) == Counts()


def test_a_clock_may_start_below_zero() -> None:
    window = Window(bucket_s=1.0, buckets=1)
    window.record(-0.5)
    assert window.counts(0.0) == Counts()


def test_looking_ahead_forgets_nothing() -> None:
    window = Window()
    window.record(1.0)
    assert window.counts(1000.0) == Counts()
    assert window.counts(2.0) == Counts(1)


def test_an_earlier_time_counts_in_the_newest_bucket() -> None:
    window = Window()
    window.record(50.0)
    window.record(45.0, is_slow=True)
    assert window.counts(59.0) == Counts(2, 0, 1)
    assert window.counts(60.0) == Counts()


moments = st.lists(
    st.tuples(st.floats(0, 7, width=32), st.booleans(), st.booleans()), min_size=1, max_size=60
)


@given(moments, st.integers(1, 6), st.sampled_from([0.25, 1.0, 2.0]))
def test_it_agrees_with_a_list_of_all_calls(
    steps: list[tuple[float, bool, bool]], buckets: int, bucket_s: float
) -> None:
    window = Window(bucket_s, buckets)
    seen: list[tuple[int, bool, bool]] = []
    now_s = 0.0
    for wait_s, is_failure, is_slow in steps:
        now_s += wait_s
        window.record(now_s, is_failure=is_failure, is_slow=is_slow)
        number = int(now_s // bucket_s)
        seen.append((number, is_failure, is_slow))
        live = [call for call in seen if call[0] > number - buckets]
        failures, slow = sum(call[1] for call in live), sum(call[2] for call in live)
        assert window.counts(now_s) == Counts(len(live), failures, slow)
        assert len(window._live) <= buckets
