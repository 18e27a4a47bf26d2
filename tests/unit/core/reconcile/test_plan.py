"""The transaction on one instance, line by line in both directions, and one at a time."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import pytest

from control_plane.core.catalogue import Release
from control_plane.core.loading import LoadTwin, LoadVersions, Observation
from control_plane.core.mending import UnloadComponent, UnloadTwin
from control_plane.core.reconcile import (
    Action,
    InstanceFacts,
    NarrowVersions,
    Prove,
    Reason,
    Wanted,
    engines_touched,
    plan_fleet,
    plan_instance,
)
from tests.unit.core.reconcile.seeing import (
    CANARY,
    DRAINING,
    KNOWN,
    NEW,
    OLD,
    STABLE,
    having,
    serving,
)
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, MATERIALS, VOLUME

ALL = (DAMAGE, MATERIALS, VOLUME)
SERVING = serving(*ALL)
WITH_CANARY = (*STABLE, CANARY)
WIDEN = LoadVersions("damage_detector", (1, 2))
NARROW = NarrowVersions("damage_detector", (1,))


def plan(wanted: tuple[Wanted, ...], facts: InstanceFacts) -> tuple[Action, ...]:
    return plan_instance(wanted, known=KNOWN, facts=facts)


class TestForwards:
    def test_first_the_policy_is_widened_by_what_is_there_and_what_is_wanted(self) -> None:
        assert plan(WITH_CANARY, SERVING) == (WIDEN,)

    def test_then_the_twin_is_loaded_if_its_components_were_seen(self) -> None:
        facts = replace(SERVING, observed=having(*ALL, besides={"damage_detector": {2}}))
        assert plan(WITH_CANARY, facts) == (LoadTwin(DAMAGE_NEXT),)

    def test_a_version_that_was_skipped_in_silence_is_loaded_again_and_no_twin(self) -> None:
        assert plan(WITH_CANARY, SERVING) == plan(WITH_CANARY, SERVING) == (WIDEN,)

    def test_then_it_is_proved(self) -> None:
        facts = replace(SERVING, observed=having(*ALL, DAMAGE_NEXT))
        assert plan(WITH_CANARY, facts) == (Prove(DAMAGE_NEXT),)

    def test_then_nothing_is_left_to_do(self) -> None:
        assert plan(WITH_CANARY, serving(*ALL, DAMAGE_NEXT)) == ()

    def test_an_empty_instance_gets_what_callers_need_first(self) -> None:
        assert plan(WITH_CANARY, InstanceFacts(Observation())) == (
            LoadVersions("preprocess", (1,)),
            LoadVersions("damage_detector", (1,)),
            LoadVersions("materials_detector", (1,)),
            LoadVersions("volume", (4,)),
        )
        loaded = Observation(having(*ALL).ready_versions)
        assert plan(WITH_CANARY, InstanceFacts(loaded)) == (
            LoadTwin(DAMAGE),
            LoadTwin(MATERIALS),
            Prove(VOLUME),
        )
        unproved = InstanceFacts(having(*ALL))
        assert plan(WITH_CANARY, unproved) == (Prove(DAMAGE), Prove(MATERIALS), Prove(VOLUME))

    def test_only_the_stable_release_of_its_own_engine_is_waited_for(self) -> None:
        facts = replace(SERVING, proved=frozenset({OLD}))
        assert plan(WITH_CANARY, facts) == (WIDEN, Prove(MATERIALS), Prove(VOLUME))

    def test_where_stable_was_refused_the_new_one_may_be_the_cure(self) -> None:
        facts = InstanceFacts(having(MATERIALS, VOLUME), refused={OLD: "wrong answer"})
        assert WIDEN in plan(WITH_CANARY, facts)
        facts = replace(facts, refused={NEW: "wrong answer"})
        assert WIDEN not in plan(WITH_CANARY, facts)

    def test_where_no_stable_one_is_wanted_none_is_waited_for(self) -> None:
        assert WIDEN in plan((CANARY, *STABLE[1:]), SERVING)

    def test_a_fallback_does_not_wait(self) -> None:
        spare = Wanted(DAMAGE_NEXT, Reason.FALLBACK)
        assert plan((*STABLE, spare), InstanceFacts(Observation()))[1] == WIDEN


class TestBackwards:
    def test_in_use_it_stays_and_is_not_loaded_again(self) -> None:
        assert plan((*STABLE, DRAINING), serving(*ALL, DAMAGE_NEXT)) == ()
        assert plan((*STABLE, DRAINING), SERVING) == ()
        unproved = replace(SERVING, observed=having(*ALL, DAMAGE_NEXT))
        assert plan((*STABLE, DRAINING), unproved) == ()

    def test_first_the_twin_goes_and_no_version_that_it_pins(self) -> None:
        assert plan(STABLE, serving(*ALL, DAMAGE_NEXT)) == (UnloadTwin(DAMAGE_NEXT),)

    def test_then_its_versions_go(self) -> None:
        assert plan(STABLE, serving(*ALL, besides={"damage_detector": {2}})) == (NARROW,)

    def test_a_model_that_nobody_needs_goes_as_a_whole(self) -> None:
        facts = serving(MATERIALS, VOLUME, besides={"damage_detector": {1, 2}})
        wanted = tuple(goal for goal in STABLE if goal.release is not DAMAGE)
        assert plan(wanted, facts) == (UnloadComponent("damage_detector"),)

    def test_a_plain_models_release_goes_by_its_version(self) -> None:
        old = Release("volume", "3.0.0", {"volume": 3}, is_ensemble=False)
        facts = serving(VOLUME, besides={"volume": {3}})
        volume = (Wanted(VOLUME, Reason.STABLE),)
        plans = [
            plan_instance(wanted, known=(VOLUME, old), facts=facts)
            for wanted in (volume, (*volume, Wanted(old, Reason.DRAINING)))
        ]
        assert plans == [(NarrowVersions("volume", (4,)),), ()]

    def test_what_no_release_pins_is_not_ours(self) -> None:
        besides = {"volume": {9}, "operators_own": {1}, "damage_detector": {2, 5}}
        facts = serving(*ALL, besides=besides)
        assert plan(STABLE, facts) == (NarrowVersions("damage_detector", (1, 5)),)

    def test_what_a_stranger_of_a_twin_pins_is_kept(self) -> None:
        seen = having(*ALL, besides={"damage_detector": {2}})
        twins = {**seen.twin_pins, "damage--0.9.0": {"damage_detector": 2}}
        facts = replace(SERVING, observed=Observation(seen.ready_versions, twins))
        assert plan(STABLE, facts) == ()

    def test_a_twin_with_other_pins_keeps_them_until_it_is_made_again(self) -> None:
        seen = having(*ALL, besides={"damage_detector": {2}})
        twins = {**seen.twin_pins, "damage--1.0.0": DAMAGE_NEXT.pins}
        facts = replace(SERVING, observed=Observation(seen.ready_versions, twins))
        assert plan(STABLE, facts) == (LoadTwin(DAMAGE),)

    def test_what_is_about_to_be_widened_is_not_narrowed(self) -> None:
        third = Release(
            "damage", "1.2.0", {"preprocess": 1, "damage_detector": 3}, is_ensemble=True
        )
        wanted = (*STABLE, Wanted(third, Reason.CANARY))
        facts = serving(*ALL, besides={"damage_detector": {2}})
        known = (*KNOWN, third)
        assert plan_instance(wanted, known=known, facts=facts) == (
            LoadVersions("damage_detector", (1, 2, 3)),
        )
        facts = serving(*ALL, besides={"damage_detector": {2, 3}})
        assert plan_instance(wanted, known=known, facts=facts) == (
            LoadTwin(third),
            NarrowVersions("damage_detector", (1, 3)),
        )


@pytest.mark.parametrize(
    "facts",
    [
        InstanceFacts(),
        replace(SERVING, is_held_back=True),
        replace(SERVING, resting=(WIDEN,)),
    ],
)
def test_what_is_down_held_back_or_resting_is_left_alone(facts: InstanceFacts) -> None:
    assert plan(WITH_CANARY, facts) == ()


def test_what_rests_keeps_nothing_else_waiting() -> None:
    empty = InstanceFacts(Observation())
    first, *others = plan(WITH_CANARY, empty)
    assert plan(WITH_CANARY, replace(empty, resting=(first,))) == tuple(others)


@pytest.mark.parametrize(
    ("action", "engines"),
    [
        (LoadTwin(DAMAGE), {"damage"}),
        (UnloadTwin(MATERIALS), {"materials"}),
        (Prove(VOLUME), {"volume"}),
        (LoadVersions("preprocess", (1,)), {"damage", "materials"}),
        (NarrowVersions("damage_detector", (1,)), {"damage"}),
        (UnloadComponent("volume"), {"volume"}),
        (UnloadComponent("nobodys"), set()),
    ],
)
def test_an_action_touches_all_who_use_what_it_changes(action: Action, engines: Set[str]) -> None:
    assert engines_touched(action, KNOWN) == engines


class TestOneAtATime:
    def plan(
        self,
        *,
        wanted: tuple[Wanted, ...] = WITH_CANARY,
        **fleet: InstanceFacts,
    ) -> dict[str, tuple[Action, ...]]:
        return plan_fleet(dict.fromkeys(fleet, wanted), known=iter(KNOWN), fleet=fleet)

    def test_a_new_release_comes_to_the_first_instance_first(self) -> None:
        assert self.plan(b=SERVING, a=SERVING) == {"a": (WIDEN,)}

    @pytest.mark.parametrize(
        ("seen", "action"),
        [
            (having(*ALL, besides={"damage_detector": {2}}), LoadTwin(DAMAGE_NEXT)),
            (having(*ALL, DAMAGE_NEXT), Prove(DAMAGE_NEXT)),
        ],
    )
    def test_the_next_waits_until_it_is_proved(self, seen: Observation, action: Action) -> None:
        assert self.plan(a=replace(SERVING, observed=seen), b=SERVING) == {"a": (action,)}

    def test_then_the_next_has_its_turn(self) -> None:
        assert self.plan(a=serving(*ALL, DAMAGE_NEXT), b=SERVING) == {"b": (WIDEN,)}

    def test_an_instance_that_is_left_alone_keeps_nobody_waiting(self) -> None:
        for facts in (
            InstanceFacts(),
            replace(SERVING, is_held_back=True),
            replace(SERVING, resting=(WIDEN,)),
        ):
            assert self.plan(a=facts, b=SERVING) == {"b": (WIDEN,)}

    def test_who_has_nothing_to_lose_waits_for_nobody(self) -> None:
        empty = InstanceFacts(Observation())
        plans = self.plan(a=empty, b=SERVING, c=empty)
        assert plans["a"] == plans["c"] == plan_instance(WITH_CANARY, known=KNOWN, facts=empty)
        assert plans["b"] == (WIDEN,)

    def test_what_starts_is_proved_on_all_at_once(self) -> None:
        unproved = InstanceFacts(having(*ALL))
        proofs = (Prove(DAMAGE), Prove(MATERIALS), Prove(VOLUME))
        assert self.plan(a=unproved, b=unproved) == {"a": proofs, "b": proofs}

    def test_what_serves_has_something_to_lose_before_it_is_proved_to_a_new_leader(self) -> None:
        unproved = InstanceFacts(having(*ALL, besides={"damage_detector": {2}}))
        proofs = (Prove(DAMAGE), Prove(MATERIALS), Prove(VOLUME))
        plans = self.plan(wanted=STABLE, a=unproved, b=unproved)
        assert plans == {"a": (*proofs, NARROW), "b": proofs}

    def test_what_is_shared_is_changed_for_all_who_share_it(self) -> None:
        """A twin of materials is lost on b while a has its preprocess changed."""
        other = Release(
            "damage", "2.0.0", {"preprocess": 2, "damage_detector": 1}, is_ensemble=True
        )
        wanted = (*STABLE, Wanted(other, Reason.CANARY))
        lost = serving(DAMAGE, VOLUME, MATERIALS)
        assert lost.observed is not None
        facts = replace(lost, observed=having(DAMAGE, VOLUME, besides={"materials_detector": {1}}))
        plans = plan_fleet(
            {"a": wanted, "b": STABLE},
            known=(*KNOWN, other),
            fleet={"a": SERVING, "b": facts},
        )
        assert plans == {
            "a": (LoadVersions("preprocess", (1, 2)),),
            "b": (LoadTwin(MATERIALS),),  # materials has nothing to lose on b
        }
        stale = serving(*ALL, besides={"preprocess": {2}})
        plans = plan_fleet(
            {"a": wanted, "b": STABLE},
            known=(*KNOWN, other),
            fleet={"a": SERVING, "b": stale},
        )
        assert plans == {"a": (LoadVersions("preprocess", (1, 2)),)}

    def test_engines_that_share_nothing_do_not_wait_for_each_other(self) -> None:
        stale = serving(*ALL, besides={"volume": {3}})
        old = Release("volume", "3.0.0", {"volume": 3}, is_ensemble=False)
        plans = plan_fleet(
            dict.fromkeys("ab", WITH_CANARY),
            known=(*KNOWN, old),
            fleet={"a": SERVING, "b": stale},
        )
        assert plans == {"a": (WIDEN,), "b": (NarrowVersions("volume", (4,)),)}

    @pytest.mark.parametrize("action", [WIDEN, LoadVersions("preprocess", (1,)), Prove(DAMAGE)])
    def test_what_is_under_way_elsewhere_is_waited_for(self, action: Action) -> None:
        busy = replace(SERVING, under_way=(LoadVersions("volume", (4,)), action))
        assert self.plan(a=SERVING, b=busy) == {}
        elsewhere = replace(SERVING, under_way=(LoadVersions("volume", (4,)),))
        assert self.plan(a=SERVING, b=elsewhere) == {"a": (WIDEN,)}

    def test_an_instance_that_is_worked_on_gets_nothing_more(self) -> None:
        busy = replace(SERVING, under_way=(LoadTwin(MATERIALS),))
        assert self.plan(a=busy, b=SERVING) == {"b": (WIDEN,)}

    def test_an_instance_of_which_nothing_is_desired_is_emptied(self) -> None:
        plans = plan_fleet({}, known=KNOWN, fleet={"a": serving(VOLUME)})
        assert plans == {"a": (UnloadComponent("volume"),)}
