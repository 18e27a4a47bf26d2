"""What is counted of one rollout, and what is left out."""

from __future__ import annotations

from control_plane.core.analysis import Arm, ArmCounts, Observed, Step, StepCounts, digest_of
from control_plane.core.state import KeyedUnit
from control_plane.ports import RolloutCounts
from control_plane.services.rollout_tally import PAIR_WEIGHT_BP, RolloutTally, TallyOptions

STEP = Step(2, 500, 0.7)


def make_tally(**options: int) -> RolloutTally:
    return RolloutTally("plane#1", TallyOptions(**options), now_s=0.0)


def seen(
    key: str | None = None, arm: Arm = Arm.STABLE, bucket: int | None = None, error: bool = False
) -> Observed:
    return Observed(arm, error, False, bucket, key)


def test_nothing_is_counted_of_nothing() -> None:
    tally = make_tally()
    assert tally.counts() == RolloutCounts()
    assert tally.version == 0
    assert repr(tally) == "<RolloutTally plane#1, 0 units to be stored>"


def test_what_has_no_key_adds_up_and_is_not_handed_on() -> None:
    tally = make_tally()
    tally.add(seen(), STEP, "a")
    tally.add(seen(arm=Arm.CANARY, error=True), STEP, "b")
    (counts,) = tally.counts().steps
    assert counts == StepCounts(STEP, stable=ArmCounts(1), canary=ArmCounts(1, 1))
    assert tally.keyed(10) == ()
    assert tally.version == 2


def test_a_request_id_that_is_used_again_is_one_draw() -> None:
    tally = make_tally()
    for _ in range(5):
        tally.add(seen(), STEP, "1")
    assert tally.counts().steps[0].stable.units == 1
    assert tally.version == 1


def test_the_ids_known_are_bounded() -> None:
    tally = make_tally(max_ids=2)
    for key in ("a", "b", "a", "c", "a", "a"):
        tally.add(seen(), STEP, key)
    assert tally.counts().steps[0].stable.units == 4


def test_a_keyed_unit_is_handed_on_once_and_is_in_no_sum() -> None:
    tally = make_tally()
    tally.add(seen("roof", Arm.CANARY, bucket=3, error=True), STEP, "roof")
    tally.add(seen("roof", Arm.CANARY), STEP, "roof")
    tally.add(seen("site"), STEP, "site")
    assert tally.counts() == RolloutCounts()
    first = KeyedUnit(digest_of("roof"), 2, 500, 0.7, True, True, False, 3)
    assert tally.keyed(1) == (first,)
    assert len(tally.keyed(10)) == 2
    tally.stored(1)
    assert [unit.digest for unit in tally.keyed(10)] == [digest_of("site")]
    tally.stored(1)
    assert tally.keyed(10) == ()


def test_while_the_store_is_away_only_so_many_keyed_units_wait() -> None:
    tally = make_tally(max_waiting=1)
    tally.add(seen("a"), STEP, "a")
    tally.add(seen("b"), STEP, "b")
    assert [unit.digest for unit in tally.keyed(10)] == [digest_of("a")]
    tally.stored(1)
    tally.add(seen("b"), STEP, "b")
    assert [unit.digest for unit in tally.keyed(10)] == [digest_of("b")]


def test_a_pair_is_one_unit_of_each_arm() -> None:
    tally = make_tally()
    tally.add_pair(seen("a", bucket=3), seen("a", bucket=4), 0.6)
    tally.add_pair(seen("a"), seen("a", error=True), 0.6)
    (counts,) = tally.counts().shadow
    assert counts.step == Step(1, PAIR_WEIGHT_BP, 0.6)
    assert (counts.stable.units, counts.canary.units) == (2, 2)
    assert (counts.stable.errors, counts.canary.errors) == (0, 1)
    assert (counts.stable.confidences[3], counts.canary.confidences[4]) == (1, 1)
    assert tally.version == 2


def test_samples_and_details_add_up() -> None:
    tally = make_tally()
    for step in (0, 2, 2):
        tally.add_sample(step)
    tally.add_details({"compared": 1, "matched": 3})
    tally.add_details({"compared": 1})
    assert tally.counts().samples == {0: 1, 2: 2}
    assert tally.counts().details == {"compared": 2, "matched": 3}
    assert tally.version == 5
