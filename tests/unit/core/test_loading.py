"""The plan brings an instance to what is desired, in an order Triton accepts, and then rests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.catalogue import ModelSpec, Release
from control_plane.core.loading import (
    Action,
    LoadTwin,
    LoadVersions,
    Observation,
    plan_loads,
    read_pins,
    twin_config,
    with_parameters,
    with_versions,
)
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, SPECS, VOLUME, ensemble

PINS = {"preprocess": 1, "damage_detector": 1}
READY = {"preprocess": frozenset({1}), "damage_detector": frozenset({1})}


def test_an_empty_instance_gets_components_before_twins() -> None:
    assert plan_loads([DAMAGE, DAMAGE_NEXT, VOLUME], Observation()) == (
        LoadVersions("preprocess", (1,)),
        LoadVersions("damage_detector", (1, 2)),
        LoadVersions("volume", (4,)),
        LoadTwin(DAMAGE),
        LoadTwin(DAMAGE_NEXT),
    )


def test_what_is_ready_and_not_asked_for_stays() -> None:
    observed = Observation({"volume": frozenset({3, 5}), "other": frozenset({1})})
    assert plan_loads([VOLUME], observed) == (LoadVersions("volume", (3, 4, 5)),)


def test_nothing_is_planned_where_all_is_ready() -> None:
    observed = Observation(READY, {"damage--1.0.0": PINS, "left-over--9.0.0": {"x": 1}})
    assert plan_loads([DAMAGE], observed) == ()
    assert plan_loads([], Observation()) == ()


def test_a_twin_with_other_pins_is_made_again() -> None:
    observed = Observation(READY, {"damage--1.0.0": {**PINS, "damage_detector": 2}})
    assert plan_loads([DAMAGE], observed) == (LoadTwin(DAMAGE),)


def test_an_ensemble_serves_with_its_components_and_its_very_pins() -> None:
    assert Observation(READY, {"damage--1.0.0": PINS}).is_serving(DAMAGE)
    assert not Observation(READY).is_serving(DAMAGE)
    assert not Observation({}, {"damage--1.0.0": PINS}).is_serving(DAMAGE)
    other = {**READY, "damage_detector": frozenset({2})}
    assert not Observation(other, {"damage--1.0.0": PINS}).is_serving(DAMAGE)
    assert not Observation(READY, {"damage--1.0.0": {"preprocess": 1}}).is_serving(DAMAGE)


def test_a_plain_model_serves_with_its_version() -> None:
    assert Observation({"volume": frozenset({3, 4})}).is_serving(VOLUME)
    assert not Observation({"volume": frozenset({3})}).is_serving(VOLUME)
    assert not Observation().is_serving(VOLUME)


def test_a_model_is_loaded_by_its_own_configuration_with_other_versions() -> None:
    model = SPECS["damage_detector"]
    assert with_versions(model, (1, 2)) == {
        "name": "damage_detector",
        "backend": "onnxruntime",
        "version_policy": {"specific": {"versions": [1, 2]}},
    }
    assert "version_policy" not in model.config


def test_a_model_gets_the_parameters_that_it_has_and_no_others() -> None:
    own = {"max_bytes": {"string_value": "1"}, "threads": {"string_value": "2"}}
    model = ModelSpec("preprocess", {"name": "preprocess", "parameters": own}, (1,))
    limits = {"max_bytes": 2048, "max_pixels": 4096}
    limited = with_parameters(model, limits)
    assert limited.config == {
        "name": "preprocess",
        "parameters": {"max_bytes": {"string_value": "2048"}, "threads": {"string_value": "2"}},
    }
    assert (limited.name, limited.versions) == ("preprocess", (1,))
    assert model.config["parameters"]["max_bytes"] == {"string_value": "1"}
    assert with_parameters(limited, limits) == limited


def test_a_model_without_such_parameters_stays_what_it_is() -> None:
    for model in (SPECS["volume"], SPECS["damage"]):
        assert with_parameters(model, {"max_bytes": 2048}) is model


def test_a_twin_is_the_ensemble_under_another_name_with_every_step_pinned() -> None:
    spec = ensemble("damage", ("preprocess", 1), ("damage_detector", -1))
    spec.config["version_policy"] = {"all": {}}
    spec.config["ensemble_scheduling"]["more"] = "kept"
    config = twin_config(spec, DAMAGE_NEXT)
    assert config == {
        "name": "damage--1.1.0",
        "platform": "ensemble",
        "max_batch_size": 8,
        "ensemble_scheduling": {
            "more": "kept",
            "step": [
                {"model_name": "preprocess", "model_version": 1, "input_map": {"X": "x"}},
                {"model_name": "damage_detector", "model_version": 2, "input_map": {"X": "x"}},
            ],
        },
    }
    assert read_pins(config) == DAMAGE_NEXT.pins
    assert spec.steps == (("preprocess", 1), ("damage_detector", -1))


def test_a_plain_models_configuration_has_no_pins() -> None:
    assert read_pins({"name": "volume"}) == {}


components = st.sampled_from(["a", "b", "c"])
versions = st.integers(1, 4)
pins = st.dictionaries(components, versions, min_size=1)
ensembles = st.builds(
    Release,
    engine=st.sampled_from(["x", "y"]),
    version=st.sampled_from(["1.0.0", "1.1.0"]),
    pins=pins,
    is_ensemble=st.just(True),
)
plains = st.builds(
    lambda name, version: Release(name, f"{version}.0.0", {name: version}, is_ensemble=False),
    components,
    versions,
)
desires = st.lists(ensembles | plains, unique_by=lambda release: (release.engine, release.version))
observations = st.builds(
    Observation,
    st.dictionaries(components, st.frozensets(versions)),
    st.dictionaries(st.sampled_from(["x--1.0.0", "x--1.1.0", "y--1.0.0"]), pins),
)


def apply(actions: tuple[Action, ...], observed: Observation) -> Observation:
    """A small model of an instance: what it would show after the actions."""
    ready, twins = dict(observed.ready_versions), dict(observed.twin_pins)
    for action in actions:
        match action:
            case LoadVersions(model, wanted):
                ready[model] = frozenset(wanted)
            case LoadTwin(release):
                # Triton refuses a twin that pins a version which is not loaded.
                assert all(pin in ready.get(name, ()) for name, pin in release.pins.items())
                twins[release.model_name] = release.pins
    return Observation(ready, twins)


@given(desires, observations)
def test_a_plan_once_followed_leaves_nothing_to_do(
    desired: list[Release], observed: Observation
) -> None:
    after = apply(plan_loads(desired, observed), observed)
    assert plan_loads(desired, after) == ()
    assert all(after.is_serving(release) for release in desired)


@given(desires, observations)
def test_a_plan_takes_nothing_away_and_touches_nothing_else(
    desired: list[Release], observed: Observation
) -> None:
    after = apply(plan_loads(desired, observed), observed)
    wanted = {name for release in desired for name in release.pins}
    for model, ready in observed.ready_versions.items():
        assert ready <= after.ready_versions[model]
        if model not in wanted:
            assert ready == after.ready_versions[model]


@given(desires, observations, st.data())
def test_a_plan_that_broke_off_anywhere_is_finished_by_the_next(
    desired: list[Release], observed: Observation, data: st.DataObject
) -> None:
    plan = plan_loads(desired, observed)
    middle = apply(plan[: data.draw(st.integers(0, len(plan)))], observed)
    assert plan_loads(desired, apply(plan_loads(desired, middle), middle)) == ()
