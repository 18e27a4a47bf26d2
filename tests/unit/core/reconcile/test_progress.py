"""What a rollout learns of the models: ready everywhere, refused, gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.core.reconcile import (
    InstanceFacts,
    Prove,
    Reason,
    Wanted,
    is_gone,
    is_ready_everywhere,
    lacking,
    refusal,
)
from tests.unit.core.reconcile.seeing import CANARY, DRAINING, KNOWN, NEW, OLD, STABLE, serving
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, MATERIALS, VOLUME

BOTH = serving(DAMAGE, DAMAGE_NEXT)
CLEAN = serving(DAMAGE, MATERIALS, VOLUME)


def gone(wanted: tuple[Wanted, ...] = STABLE, **fleet: InstanceFacts) -> bool:
    return is_gone(DAMAGE_NEXT, dict.fromkeys(fleet, wanted), KNOWN, fleet)


class TestReadyEverywhere:
    def test_on_every_instance_that_can_have_it(self) -> None:
        assert is_ready_everywhere(DAMAGE_NEXT, {"a": BOTH, "b": BOTH})
        assert not is_ready_everywhere(DAMAGE_NEXT, {"a": BOTH, "b": CLEAN})

    def test_it_has_proved_it(self) -> None:
        unproved = replace(BOTH, proved=frozenset({OLD}))
        assert not is_ready_everywhere(DAMAGE_NEXT, {"a": unproved})

    def test_who_is_down_or_held_back_is_not_waited_for(self) -> None:
        held = replace(CLEAN, is_held_back=True)
        assert is_ready_everywhere(DAMAGE_NEXT, {"a": BOTH, "b": InstanceFacts(), "c": held})

    def test_who_rests_is_waited_for(self) -> None:
        resting = replace(CLEAN, resting=(Prove(DAMAGE_NEXT),))
        assert not is_ready_everywhere(DAMAGE_NEXT, {"a": BOTH, "b": resting})

    def test_who_could_have_it_and_has_not_is_named(self) -> None:
        fleet = {"b": CLEAN, "a": CLEAN, "c": BOTH, "d": InstanceFacts()}
        assert lacking(DAMAGE_NEXT, fleet) == "a, b"

    def test_nowhere_is_not_everywhere(self) -> None:
        assert not is_ready_everywhere(DAMAGE_NEXT, {})
        assert not is_ready_everywhere(DAMAGE_NEXT, {"a": InstanceFacts()})
        held = replace(BOTH, is_held_back=True)
        assert not is_ready_everywhere(DAMAGE_NEXT, {"a": held})


def test_a_refusal_says_where_and_why() -> None:
    fleet = {
        "b": replace(CLEAN, refused={NEW: "wrong answer"}),
        "a": replace(CLEAN, refused={NEW: "no such version", OLD: "x"}),
        "c": CLEAN,
    }
    assert refusal(DAMAGE_NEXT, fleet) == "a: no such version"
    assert refusal(MATERIALS, fleet) == ""


class TestGone:
    def test_nothing_is_left_anywhere(self) -> None:
        assert gone(a=CLEAN, b=CLEAN)
        assert gone()

    @pytest.mark.parametrize(
        "left", [BOTH, serving(DAMAGE, besides={"damage_detector": {2}})], ids=["twin", "version"]
    )
    def test_what_is_left_has_to_go(self, left: InstanceFacts) -> None:
        assert not gone(a=CLEAN, b=left)

    def test_what_is_in_use_is_not_gone(self) -> None:
        assert not gone((*STABLE, DRAINING), a=CLEAN)
        assert not gone((*STABLE, DRAINING), a=BOTH)

    def test_another_release_that_is_in_use_is_not_waited_for(self) -> None:
        other = Wanted(MATERIALS, Reason.DRAINING)
        assert gone((STABLE[0], other), a=CLEAN)

    def test_what_is_wanted_for_another_reason_stays(self) -> None:
        assert gone((*STABLE, CANARY), a=BOTH)
        assert gone((*STABLE, Wanted(DAMAGE_NEXT, Reason.FALLBACK)), a=BOTH)

    def test_what_others_need_too_does_not_count(self) -> None:
        assert gone(a=serving(DAMAGE, besides={"damage_detector": {5}}))

    def test_what_is_left_of_others_does_not_count(self) -> None:
        wanted = tuple(goal for goal in STABLE if goal.release is not MATERIALS)
        assert gone(wanted, a=CLEAN)

    def test_who_is_down_or_held_back_is_not_waited_for(self) -> None:
        assert gone(a=CLEAN, b=InstanceFacts(), c=replace(BOTH, is_held_back=True))
        assert not gone(a=CLEAN, b=replace(BOTH, resting=(Prove(DAMAGE_NEXT),)))
