"""A mend unloads what only the sick use, in an order Triton accepts, and nothing that is sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.catalogue import Release
from control_plane.core.loading import LoadTwin, LoadVersions
from control_plane.core.mending import (
    BringBack,
    EngineThere,
    Leave,
    MendPlan,
    Probe,
    Soundness,
    TakeOut,
    UnloadComponent,
    UnloadTwin,
    plan_mend,
)
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, MATERIALS, VOLUME

SOUND, SUSPECT, FAILING = Soundness.SOUND, Soundness.SUSPECT, Soundness.FAILING


def there(
    damage: Soundness = SOUND,
    materials: Soundness = SOUND,
    volume: Soundness = SOUND,
    *,
    reason: str = "",
    serving_elsewhere: int = 1,
) -> dict[str, EngineThere]:
    return {
        "damage": EngineThere((DAMAGE, DAMAGE_NEXT), damage, reason, serving_elsewhere),
        "materials": EngineThere((MATERIALS,), materials),
        "volume": EngineThere((VOLUME,), volume),
    }


def plan(engine: str, here: dict[str, EngineThere], attempt: int = 1) -> MendPlan:
    planned = plan_mend(engine, here, attempt=attempt)
    assert isinstance(planned, MendPlan)
    return planned


def test_only_what_no_sound_engine_needs_is_unloaded() -> None:
    assert plan("damage", there(damage=FAILING)) == MendPlan(
        ("damage",),
        (
            TakeOut("damage"),
            UnloadTwin(DAMAGE),
            UnloadTwin(DAMAGE_NEXT),
            UnloadComponent("damage_detector"),
            LoadVersions("damage_detector", (1, 2)),
            LoadTwin(DAMAGE),
            LoadTwin(DAMAGE_NEXT),
            Probe(DAMAGE),
            BringBack("damage"),
        ),
    )


def test_where_all_that_share_it_fail_the_shared_is_mended_and_they_with_it() -> None:
    assert plan("materials", there(FAILING, FAILING, SOUND)) == MendPlan(
        ("materials", "damage"),
        (
            TakeOut("materials"),
            TakeOut("damage"),
            UnloadTwin(MATERIALS),
            UnloadTwin(DAMAGE),
            UnloadTwin(DAMAGE_NEXT),
            UnloadComponent("damage_detector"),
            UnloadComponent("materials_detector"),
            UnloadComponent("preprocess"),
            LoadVersions("damage_detector", (1, 2)),
            LoadVersions("materials_detector", (1,)),
            LoadVersions("preprocess", (1,)),
            LoadTwin(MATERIALS),
            LoadTwin(DAMAGE),
            LoadTwin(DAMAGE_NEXT),
            Probe(MATERIALS),
            BringBack("materials"),
            Probe(DAMAGE),
            BringBack("damage"),
        ),
    )


def test_an_engine_that_shares_nothing_is_mended_alone_even_when_all_fail() -> None:
    assert plan("volume", there(FAILING, FAILING, FAILING)).actions == (
        TakeOut("volume"),
        UnloadComponent("volume"),
        LoadVersions("volume", (4,)),
        Probe(VOLUME),
        BringBack("volume"),
    )


@pytest.mark.parametrize("neighbour", [SOUND, SUSPECT])
def test_a_neighbour_that_is_only_suspect_keeps_its_components(neighbour: Soundness) -> None:
    planned = plan("damage", there(FAILING, neighbour))
    assert planned.engines == ("damage",)
    assert UnloadComponent("preprocess") not in planned.actions


def test_where_every_component_is_needed_by_others_the_twin_alone_is_made_again() -> None:
    shared = Release("cracks", "1.0.0", {"preprocess": 1}, is_ensemble=True)
    here = {**there(), "cracks": EngineThere((shared,), FAILING)}
    assert plan("cracks", here).actions == (
        TakeOut("cracks"),
        UnloadTwin(shared),
        LoadTwin(shared),
        Probe(shared),
        BringBack("cracks"),
    )


def test_engines_are_drawn_in_one_by_another() -> None:
    def engine(name: str, *components: str, soundness: Soundness = FAILING) -> EngineThere:
        pins = dict.fromkeys(components, 1)
        return EngineThere((Release(name, "1.0.0", pins, is_ensemble=True),), soundness)

    here = {
        "c": engine("c", "yz", "z"),
        "b": engine("b", "xy", "yz", "kept"),
        "a": engine("a", "x", "xy"),
        "d": engine("d", "other"),
        "e": engine("e", "kept", soundness=SOUND),
    }
    planned = plan("a", here)
    assert planned.engines == ("a", "b", "c")
    unloaded = [act.model for act in planned.actions if isinstance(act, UnloadComponent)]
    assert unloaded == ["x", "xy", "yz", "z"]


DEAD = "INTERNAL: in ensemble 'damage--1.0.0', Stub process '{}_0_1' is not healthy."


class TestReach:
    def test_a_component_whose_process_is_named_is_mended_with_all_that_run_it(self) -> None:
        planned = plan("damage", there(FAILING, reason=DEAD.format("preprocess")))
        assert planned.actions == (
            TakeOut("damage"),
            TakeOut("materials"),
            UnloadTwin(DAMAGE),
            UnloadTwin(DAMAGE_NEXT),
            UnloadTwin(MATERIALS),
            UnloadComponent("preprocess"),
            LoadVersions("preprocess", (1,)),
            LoadTwin(DAMAGE),
            LoadTwin(DAMAGE_NEXT),
            LoadTwin(MATERIALS),
            Probe(DAMAGE),
            BringBack("damage"),
            Probe(MATERIALS),
            BringBack("materials"),
        )

    def test_one_that_nobody_else_runs_is_mended_alone(self) -> None:
        planned = plan("damage", there(FAILING, reason=DEAD.format("damage_detector")))
        assert planned.engines == ("damage",)
        assert UnloadComponent("damage_detector") in planned.actions

    @pytest.mark.parametrize("reason", [DEAD.format("volume"), "Stub process is not healthy", ""])
    def test_a_name_that_is_none_of_its_components_says_nothing(self, reason: str) -> None:
        assert plan("damage", there(FAILING, reason=reason)) == plan("damage", there(FAILING))

    def test_what_did_not_last_is_mended_as_a_whole(self) -> None:
        planned = plan("damage", there(FAILING), attempt=2)
        assert planned.engines == ("damage", "materials")
        unloaded = [act.model for act in planned.actions if isinstance(act, UnloadComponent)]
        assert unloaded == ["damage_detector", "preprocess"]

    def test_but_not_where_a_neighbour_would_be_served_nowhere(self) -> None:
        here = there(FAILING)
        here["materials"] = EngineThere((MATERIALS,), SOUND, serving_elsewhere=0)
        assert plan("damage", here, attempt=2) == plan("damage", here)


class TestLeaving:
    def test_a_sound_engine_is_left_alone(self) -> None:
        left = plan_mend("damage", there())
        assert left == Leave("nothing speaks against engine 'damage' here")

    def test_a_suspect_one_is_left_alone_where_it_is_the_last(self) -> None:
        left = plan_mend("damage", there(SUSPECT, serving_elsewhere=0))
        assert isinstance(left, Leave)
        assert left.reason.startswith("no other instance serves engine 'damage'")

    def test_but_mended_where_another_serves_it(self) -> None:
        assert plan("damage", there(SUSPECT)).engines == ("damage",)

    def test_and_the_last_one_is_mended_when_it_fails_for_sure(self) -> None:
        assert plan("damage", there(FAILING, serving_elsewhere=0)).engines == ("damage",)


@given(
    st.fixed_dictionaries(
        {
            name: st.tuples(
                st.frozensets(st.sampled_from("uvwxyz"), min_size=1), st.sampled_from(Soundness)
            )
            for name in "abcd"
        }
    )
)
def test_no_mend_harms_what_is_not_failing_and_all_comes_back(
    engines: dict[str, tuple[frozenset[str], Soundness]],
) -> None:
    here = {
        name: EngineThere((Release(name, "1.0.0", dict.fromkeys(pins, 1), is_ensemble=True),), how)
        for name, (pins, how) in engines.items()
    }
    planned = plan_mend("a", here)
    if isinstance(planned, Leave):
        assert here["a"].soundness is SOUND
        return
    unloaded = {act.model for act in planned.actions if isinstance(act, UnloadComponent)}
    loaded = {act.model for act in planned.actions if isinstance(act, LoadVersions)}
    assert unloaded == loaded
    for name, engine in here.items():
        if name not in planned.engines:
            assert not unloaded & engine.components
        elif name != "a":
            assert engine.soundness is FAILING
    kinds = [type(action) for action in planned.actions]
    order = [TakeOut, UnloadTwin, UnloadComponent, LoadVersions, LoadTwin]
    steps = [kind for kind in kinds if kind in order]
    assert steps == sorted(steps, key=order.index)
    assert kinds[len(steps) :] == [Probe, BringBack] * len(planned.engines)
