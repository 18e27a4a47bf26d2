"""One mend at a time, later each time, five in a row, and then a person is asked."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from control_plane.core.mend_ledger import GivenUp, MayMend, MendLedger, MendOptions, NotNow


class FullWait(Random):
    """Jitter that takes nothing from the wait."""

    def random(self) -> float:
        return 1.0


RNG = FullWait(0)
OPTIONS = MendOptions(first_s=2.0, most_s=10.0, limit=5, lasting_s=100.0)


def failed_times(times: int) -> tuple[MendLedger, float]:
    """A ledger with so many failed mends in a row, and the moment when the next may be."""
    ledger, now_s = MendLedger(OPTIONS), 0.0
    for number in range(times):
        ledger.started("damage", "a", now_s)
        ledger.failed("damage", "a", f"cause {number + 1}", now_s, RNG)
        now_s += 10.0
    return ledger, now_s


@pytest.mark.parametrize(
    "changes",
    [{"first_s": 0.0}, {"first_s": 60.1}, {"limit": 0}, {"lasting_s": 0.0}],
)
def test_options_out_of_bounds_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        MendOptions(**changes)  # type: ignore[arg-type]


def test_options_at_their_bounds_are_taken() -> None:
    assert MendOptions(first_s=60.0, limit=1, lasting_s=0.1).most_s == 60.0
    assert MendOptions(first_s=0.001).first_s == 0.001


def test_the_defaults() -> None:
    assert MendOptions() == MendOptions(first_s=2.0, most_s=60.0, limit=8, lasting_s=120.0)


def test_one_that_was_cut_off_counts_for_nothing() -> None:
    ledger = MendLedger(OPTIONS)
    for _ in range(3 * OPTIONS.limit):
        ledger.started("damage", "a", 0.0, neighbours=["volume"])
        ledger.stopped("damage", "a")
        assert ledger.under_way == {}
    assert ledger.may_mend("damage", "a", 0.0) == MayMend(1)
    with pytest.raises(ValueError, match="no mend"):
        ledger.stopped("damage", "a")


class TestOneAtATime:
    def test_of_an_engine_over_the_fleet_and_on_an_instance(self) -> None:
        ledger = MendLedger(OPTIONS)
        assert ledger.may_mend("damage", "a", 0.0) == MayMend(1)
        ledger.started("damage", "a", 0.0)
        assert ledger.under_way == {"damage": "a"}
        being = NotNow("engine 'damage' is being mended on 'a'", 0.0)
        assert ledger.may_mend("damage", "b", 1.0) == being
        assert ledger.may_mend("damage", "a", 1.0) == being
        assert ledger.may_mend("volume", "a", 1.0) == being
        assert ledger.may_mend("volume", "b", 1.0) == MayMend(1)
        with pytest.raises(ValueError, match="'damage' may not be mended on 'b': engine 'damage'"):
            ledger.started("damage", "b", 1.0)

    @pytest.mark.parametrize("has_succeeded", [True, False])
    def test_its_end_makes_room(self, has_succeeded: bool) -> None:
        ledger = MendLedger(OPTIONS)
        ledger.started("damage", "a", 0.0)
        if has_succeeded:
            ledger.succeeded("damage", "a", 5.0, RNG)
        else:
            ledger.failed("damage", "a", "load refused", 5.0, RNG)
        assert ledger.under_way == {}
        assert ledger.may_mend("damage", "b", 5.0) == MayMend(1)
        assert ledger.may_mend("volume", "a", 5.0) == MayMend(1)

    def test_what_is_not_under_way_cannot_end(self) -> None:
        ledger = MendLedger(OPTIONS)
        ledger.started("damage", "a", 0.0)
        for end in (
            lambda: ledger.succeeded("damage", "b", 0.0, RNG),
            lambda: ledger.failed("volume", "a", "why", 0.0, RNG),
        ):
            with pytest.raises(ValueError, match="is under way"):
                end()
        assert ledger.under_way == {"damage": "a"}

    def test_neighbours_are_mended_nowhere_else_meanwhile_and_their_rows_do_not_grow(self) -> None:
        ledger = MendLedger(OPTIONS)
        ledger.started("damage", "a", 0.0, neighbours=["volume", "materials"])
        assert ledger.under_way == {"damage": "a", "volume": "a", "materials": "a"}
        busy = NotNow("engine 'volume' is being mended on 'a'", 0.0)
        assert ledger.may_mend("volume", "b", 0.0) == busy
        with pytest.raises(ValueError, match="no mend of 'volume' on 'a' is under way"):
            ledger.succeeded("volume", "a", 1.0, RNG)
        ledger.failed("damage", "a", "why", 1.0, RNG)
        assert ledger.under_way == {}
        assert ledger.may_mend("volume", "a", 1.0) == MayMend(1)

    def test_nor_may_a_neighbour_be_mended_elsewhere_already(self) -> None:
        ledger = MendLedger(OPTIONS)
        ledger.started("volume", "b", 0.0)
        with pytest.raises(ValueError, match="'volume' is being mended on 'b'"):
            ledger.started("damage", "a", 0.0, neighbours=["volume"])
        assert ledger.under_way == {"volume": "b"}
        assert ledger.may_mend("damage", "a", 0.0) == MayMend(1)


class TestWaiting:
    @pytest.mark.parametrize(("times", "wait_s"), [(1, 2.0), (2, 4.0), (3, 8.0), (4, 10.0)])
    def test_longer_after_each(self, times: int, wait_s: float) -> None:
        ledger, now_s = failed_times(times)
        ended_s = now_s - 10.0
        refused = ledger.may_mend("damage", "a", ended_s)
        assert refused == NotNow(f"last mend: cause {times}", pytest.approx(wait_s))
        assert isinstance(ledger.may_mend("damage", "a", ended_s + wait_s - 0.01), NotNow)
        assert ledger.may_mend("damage", "a", ended_s + wait_s) == MayMend(times + 1)

    def test_other_places_do_not_wait(self) -> None:
        ledger, _ = failed_times(1)
        assert ledger.may_mend("damage", "b", 0.0) == MayMend(1)

    def test_a_mend_that_did_not_last_counts_on(self) -> None:
        ledger = MendLedger(OPTIONS)
        ledger.started("damage", "a", 0.0)
        ledger.succeeded("damage", "a", 1.0, RNG)
        again = "last mend: it failed again soon after it was mended"
        assert ledger.may_mend("damage", "a", 2.0) == NotNow(again, pytest.approx(1.0))
        assert ledger.may_mend("damage", "a", 3.0) == MayMend(2)
        # As long as it is asked about, it is not well.
        assert ledger.may_mend("damage", "a", 102.9) == MayMend(2)
        assert ledger.may_mend("damage", "a", 202.8) == MayMend(2)

    def test_one_that_lasted_ends_the_row(self) -> None:
        ledger = MendLedger(OPTIONS)
        ledger.started("damage", "a", 0.0)
        ledger.succeeded("damage", "a", 1.0, RNG)
        assert ledger.may_mend("damage", "a", 101.0) == MayMend(1)
        ledger.started("damage", "a", 101.0)
        ledger.succeeded("damage", "a", 102.0, RNG)
        assert ledger.may_mend("damage", "a", 201.99) == MayMend(2)

    def test_so_does_getting_well_without_a_mend_that_helped(self) -> None:
        ledger, _ = failed_times(4)
        assert ledger.may_mend("damage", "a", 1000.0) == MayMend(1)

    def test_a_long_mend_is_no_time_of_being_well(self) -> None:
        ledger = MendLedger(OPTIONS)
        ledger.started("damage", "a", 0.0)
        busy = NotNow("engine 'damage' is being mended on 'a'", 0.0)
        assert ledger.may_mend("damage", "a", 150.0) == busy
        ledger.failed("damage", "a", "load refused", 300.0, RNG)
        assert ledger.may_mend("damage", "a", 302.0) == MayMend(2)

    def test_who_was_brought_back_before_a_neighbour_failed_is_not_booked_for_it(self) -> None:
        ledger = MendLedger(OPTIONS)
        ledger.started("damage", "a", 0.0, neighbours=["volume"])
        ledger.failed("damage", "a", "wrong answer", 1.0, RNG, culprit="volume")
        assert ledger.under_way == {}
        refused = NotNow("last mend: wrong answer", pytest.approx(2.0))
        assert ledger.may_mend("volume", "a", 1.0) == refused
        assert ledger.may_mend("volume", "a", 3.0) == MayMend(2)
        again = NotNow("last mend: it failed again soon after it was mended", pytest.approx(1.0))
        assert ledger.may_mend("damage", "a", 2.0) == again


class TestGivingUp:
    def test_after_the_limit_it_stays_out_and_says_so(self) -> None:
        ledger, now_s = failed_times(4)
        ledger.started("damage", "a", now_s)
        ledger.failed("damage", "a", "cause 5", now_s, RNG)
        reason = "given up after 5 mends in a row: cause 5"
        assert ledger.may_mend("damage", "a", now_s + 99.0) == GivenUp(reason)
        with pytest.raises(ValueError, match="given up after 5"):
            ledger.started("damage", "a", now_s + 99.0)

    def test_a_fifth_that_helps_is_not_given_up_unless_it_fails_again(self) -> None:
        ledger, now_s = failed_times(4)
        ledger.started("damage", "a", now_s)
        ledger.succeeded("damage", "a", now_s, RNG)
        again = ledger.may_mend("damage", "a", now_s + 99.0)
        assert again == GivenUp(
            "given up after 5 mends in a row: it failed again soon after it was mended"
        )

    def test_an_operator_heals_the_instance_and_no_other(self) -> None:
        ledger, now_s = failed_times(5)
        ledger.heal("b")
        assert isinstance(ledger.may_mend("damage", "a", now_s), GivenUp)
        ledger.heal("a")
        assert ledger.may_mend("damage", "a", 0.0) == MayMend(1)

    def test_healing_during_a_mend_makes_it_the_first(self) -> None:
        ledger, now_s = failed_times(4)
        ledger.started("damage", "a", now_s)
        ledger.heal("a")
        assert ledger.under_way == {"damage": "a"}
        ledger.failed("damage", "a", "again", now_s, RNG)
        assert ledger.may_mend("damage", "a", now_s + 2.0) == MayMend(2)


class LedgerMachine(RuleBasedStateMachine):
    """Invariants: those in MendLedger's docstring."""

    @initialize(limit=st.integers(1, 4))
    def start(self, limit: int) -> None:
        self.limit = limit
        self.ledger = MendLedger(MendOptions(limit=limit, lasting_s=20.0))
        self.under_way: dict[str, str] = {}
        self.now_s = 0.0
        self.rng = Random(0)

    engines = st.sampled_from(["damage", "volume"])
    instances = st.sampled_from(["a", "b"])

    @rule(engine=engines, instance=instances)
    def mend(self, engine: str, instance: str) -> None:
        permission = self.ledger.may_mend(engine, instance, self.now_s)
        assert self.ledger.may_mend(engine, instance, self.now_s) == permission
        is_busy = engine in self.under_way or instance in self.under_way.values()
        if isinstance(permission, MayMend):
            assert not is_busy
            assert 1 <= permission.attempt <= self.limit
            self.ledger.started(engine, instance, self.now_s)
            self.under_way[engine] = instance
            return
        if isinstance(permission, NotNow):
            assert is_busy or permission.wait_s > 0.0
        with pytest.raises(ValueError, match="may not be mended"):
            self.ledger.started(engine, instance, self.now_s)

    @rule(engine=engines, instance=instances, how=st.sampled_from(["good", "bad"]))
    def end(self, engine: str, instance: str, how: str) -> None:
        def act() -> None:
            if how == "good":
                self.ledger.succeeded(engine, instance, self.now_s, self.rng)
            else:
                self.ledger.failed(engine, instance, "why", self.now_s, self.rng)

        if self.under_way.get(engine) == instance:
            act()
            del self.under_way[engine]
        else:
            with pytest.raises(ValueError, match="no mend"):
                act()

    @rule(instance=instances)
    def heal(self, instance: str) -> None:
        self.ledger.heal(instance)

    @rule(seconds=st.floats(0.0, 80.0))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @invariant()
    def one_at_a_time(self) -> None:
        assert self.ledger.under_way == self.under_way
        assert len(set(self.under_way.values())) == len(self.under_way)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
