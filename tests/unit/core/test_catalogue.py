"""Engines and releases out of a repository; every complaint names what is at fault."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.catalogue import (
    Engine,
    ModelSpec,
    Release,
    build_engines,
    twin_name,
)
from control_plane.errors import ConfigurationError, ErrorCode
from tests.unit.samples import ENGINES, by_name, ensemble, plain

PARTS = (plain("preprocess", 1), plain("detector", 1, 2))
DAMAGE = ensemble("damage", ("preprocess", 1), ("detector", -1))


def build(*models: ModelSpec, declared: dict[str, Any] | None = None) -> dict[str, Engine]:
    return build_engines(by_name(*models), declared or {})


def complaint_of(*models: ModelSpec, declared: dict[str, Any] | None = None) -> tuple[str, Any]:
    with pytest.raises(ConfigurationError) as complaint:
        build(*models, declared=declared)
    assert complaint.value.code is ErrorCode.CONFIGURATION
    return complaint.value.message, complaint.value.field


def declare(releases: Any, stable: Any = "1.0.0") -> dict[str, Any]:
    return {"damage": {"stable": stable, "releases": releases}}


def test_engines_are_what_no_ensemble_runs_as_a_step() -> None:
    assert list(ENGINES) == ["damage", "materials", "volume"]
    assert [engine.kind for engine in ENGINES.values()] == ["ensemble", "ensemble", "model"]
    assert [engine.stable for engine in ENGINES.values()] == ["1.0.0", "1.0.0", "4.0.0"]


def test_a_declared_release_pins_over_what_the_configuration_gives() -> None:
    engine = build(DAMAGE, *PARTS, declared=declare({"1.0.0": {"detector": 1}, "1.1.0": None}))
    assert engine == {
        "damage": Engine(
            "damage",
            "1.0.0",
            {
                "1.0.0": Release("damage", "1.0.0", {"preprocess": 1, "detector": 1}, True),
                "1.1.0": Release("damage", "1.1.0", {"preprocess": 1, "detector": 2}, True),
            },
        )
    }


def test_an_ensembles_release_is_served_by_its_twin() -> None:
    release = ENGINES["damage"].releases["1.1.0"]
    assert (release.model_name, release.model_version) == ("damage--1.1.0", "1")
    assert twin_name("damage", "1.1.0") == "damage--1.1.0"


def test_a_plain_models_release_is_served_by_the_model() -> None:
    release = ENGINES["volume"].releases["4.0.0"]
    assert (release.model_name, release.model_version) == ("volume", "4")
    declared = {"volume": {"stable": "2.0.0", "releases": {"2.0.0": {"volume": 3}}}}
    older = build(plain("volume", 3, 4), declared=declared)["volume"].releases["2.0.0"]
    assert (older.model_name, older.model_version, older.pins) == ("volume", "3", {"volume": 3})


@pytest.mark.parametrize(
    ("models", "name", "stable", "pins"),
    [
        ((plain("volume", 1, 7, 3),), "volume", "7.0.0", {"volume": 7}),
        ((plain("volume", 1, 7, 3, specific=(1, 3)),), "volume", "3.0.0", {"volume": 3}),
        ((DAMAGE, *PARTS), "damage", "2.0.0", {"preprocess": 1, "detector": 2}),
        (
            (DAMAGE, PARTS[0], plain("detector", 1, 2, specific=(1,))),
            "damage",
            "1.0.0",
            {"preprocess": 1, "detector": 1},
        ),
        (
            (ensemble("damage", ("preprocess", 1), ("detector", 2)), *PARTS),
            "damage",
            "1.0.0",
            {"preprocess": 1, "detector": 2},
        ),
    ],
)
def test_a_model_without_an_entry_has_one_release_from_its_version_policy(
    models: tuple[ModelSpec, ...], name: str, stable: str, pins: dict[str, int]
) -> None:
    engine = build(*models)[name]
    assert engine.stable == stable
    assert list(engine.releases) == [stable]
    assert engine.releases[stable].pins == pins


def test_what_an_engine_without_an_entry_looks_like() -> None:
    """An ensemble whose steps are all pinned keeps to them, whatever newer versions there are."""
    pinned = ensemble("damage", ("preprocess", 1), ("detector", 1))
    assert build(pinned, *PARTS, plain("volume", 4)) == {
        "damage": Engine(
            "damage",
            "1.0.0",
            {"1.0.0": Release("damage", "1.0.0", {"preprocess": 1, "detector": 1}, True)},
        ),
        "volume": Engine(
            "volume", "4.0.0", {"4.0.0": Release("volume", "4.0.0", {"volume": 4}, False)}
        ),
    }


def test_a_step_without_a_version_floats() -> None:
    config = {"ensemble_scheduling": {"step": [{"model_name": "detector"}]}}
    spec = ModelSpec("damage", config, (1,))
    assert spec.steps == (("detector", -1),)
    assert spec.is_ensemble
    assert build(spec, PARTS[1])["damage"].releases["2.0.0"].pins == {"detector": 2}


def test_a_plain_model_has_no_steps() -> None:
    assert plain("volume", 1).steps == ()
    assert not plain("volume", 1).is_ensemble
    assert not ModelSpec("x", {"ensemble_scheduling": None}, ()).is_ensemble


@pytest.mark.parametrize("name", ["roof", "detector"])
def test_only_top_level_models_may_be_declared(name: str) -> None:
    declared = {"zebra": {}, name: {}}
    assert complaint_of(DAMAGE, *PARTS, declared=declared) == (
        f"releases.yaml declares engine {name!r}, which is no top-level model of the repository",
        f"engines.{name}",
    )


def test_the_separator_of_twins_is_kept_for_twins() -> None:
    assert complaint_of(plain("a--b", 1)) == (
        "model 'a--b': '--' in a name is kept for twins",
        "a--b",
    )


@pytest.mark.parametrize("stable", [None, "2.0.0", 1.0, ["1.0.0"]])
def test_the_stable_release_is_one_of_the_releases(stable: Any) -> None:
    declared = declare({"1.0.0": None, "1.1.0": None}, stable)
    assert complaint_of(DAMAGE, *PARTS, declared=declared) == (
        f"engines.damage.stable is {stable!r}, which is not among its releases: 1.0.0, 1.1.0",
        "engines.damage.stable",
    )


@pytest.mark.parametrize("releases", [None, {}])
def test_an_engine_without_releases_has_no_stable_one(releases: Any) -> None:
    assert complaint_of(DAMAGE, *PARTS, declared=declare(releases))[0] == (
        "engines.damage.stable is '1.0.0', which is not among its releases: none"
    )


def test_a_step_has_its_model() -> None:
    assert complaint_of(DAMAGE, PARTS[0]) == (
        "ensemble 'damage' has a step 'detector', which is not in the repository",
        "damage",
    )


def test_a_step_is_no_ensemble() -> None:
    outer = ensemble("outer", ("damage", 1))
    assert complaint_of(outer, DAMAGE, *PARTS) == (
        "ensemble 'outer' has the ensemble 'damage' as a step; an engine's steps are plain models",
        "outer",
    )


def test_at_most_one_component_floats() -> None:
    both = ensemble("damage", ("preprocess", -1), ("detector", -1))
    assert complaint_of(both, *PARTS) == (
        "ensemble 'damage' leaves detector, preprocess floating (model_version: -1); "
        "at most one may",
        "damage",
    )


def test_one_component_may_float_in_two_steps() -> None:
    twice = ensemble("damage", ("detector", -1), ("detector", -1))
    assert build(twice, PARTS[1])["damage"].releases["2.0.0"].pins == {"detector": 2}


def test_a_component_runs_in_one_version() -> None:
    # Pins are by component: a twin could not give its two steps two versions.
    twice = ensemble("damage", ("detector", 1), ("detector", 2))
    assert complaint_of(twice, PARTS[1]) == (
        "ensemble 'damage' runs 'detector' in two versions, 1 and 2; a release pins one",
        "damage",
    )


def test_a_step_is_pinned_to_a_version_that_there_is() -> None:
    ahead = ensemble("damage", ("preprocess", 7), ("detector", -1))
    assert complaint_of(ahead, *PARTS) == (
        "ensemble 'damage' pins 'preprocess' to 7; the repository has versions: 1",
        "damage",
    )


@pytest.mark.parametrize(
    "version",
    [
        "1",
        "1.0",
        "v1.0.0",
        "01.0.0",
        "1.0.0-",
        "1.0.0.0",
        "1.0.0 ",
        "1.0.0\n",
        "latest",
        "1.1٣.0",
        "1.0.0-a..b",
        "1.0.0+.",
    ],
)
def test_a_release_is_a_semantic_version(version: str) -> None:
    assert complaint_of(DAMAGE, *PARTS, declared=declare({version: None}, version)) == (
        f"engines.damage.releases.{version}: not a semantic version such as 1.2.0",
        f"engines.damage.releases.{version}",
    )


@pytest.mark.parametrize("version", ["0.0.0", "10.20.30", "1.0.0-rc.1", "1.0.0+b7", "1.0.0-a+b"])
def test_semantic_versions_have_pre_releases_and_builds(version: str) -> None:
    engines = build(DAMAGE, *PARTS, declared=declare({version: None}, version))
    assert engines["damage"].stable == version


def test_releases_are_ordered_by_precedence() -> None:
    given = ["1.10.0", "1.2.0", "1.2.0-rc.1", "1.9.0"]
    declared = declare(dict.fromkeys(given), "1.9.0")
    releases = build(DAMAGE, *PARTS, declared=declared)["damage"].releases
    assert list(releases) == ["1.2.0-rc.1", "1.2.0", "1.9.0", "1.10.0"]


def test_an_engine_has_one_release_of_each_precedence() -> None:
    declared = declare({"1.0.0+b": None, "1.1.0": None, "1.0.0+a": None}, "1.1.0")
    assert complaint_of(DAMAGE, *PARTS, declared=declared) == (
        "engines.damage.releases has 1.0.0+b and 1.0.0+a, which differ in build metadata only; "
        "neither is later than the other",
        "engines.damage.releases.1.0.0+a",
    )


def test_what_floats_is_what_releases_move() -> None:
    assert DAMAGE.floating == "detector"
    assert ensemble("damage", ("detector", 1)).floating is None
    assert plain("volume", 1).floating is None


def test_a_release_pins_components_only() -> None:
    assert complaint_of(DAMAGE, *PARTS, declared=declare({"1.0.0": {"volume": 1}})) == (
        "engines.damage.releases.1.0.0 pins 'volume', which is no component of 'damage': "
        "preprocess, detector",
        "engines.damage.releases.1.0.0",
    )


@pytest.mark.parametrize("pin", [3, 0, -1, "1", 1.0, True, None])
def test_a_release_pins_versions_that_there_are(pin: Any) -> None:
    assert complaint_of(DAMAGE, *PARTS, declared=declare({"1.0.0": {"detector": pin}})) == (
        f"engines.damage.releases.1.0.0 pins 'detector' to {pin!r}; "
        "the repository has versions: 1, 2",
        "engines.damage.releases.1.0.0",
    )


@pytest.mark.parametrize("model", [plain("volume"), plain("volume", 1, 2, specific=(3,))])
def test_a_model_has_a_version_that_its_policy_admits(model: ModelSpec) -> None:
    assert complaint_of(model) == (
        "model 'volume' has no version folder that its version policy admits",
        "volume",
    )


@given(st.sets(st.integers(1, 99), min_size=1), st.sets(st.integers(1, 99)))
def test_the_highest_admitted_version_is_served(have: set[int], admitted: set[int]) -> None:
    model = plain("volume", *have, specific=tuple(admitted))
    expected = have & admitted if admitted else have
    if expected:
        assert build(model)["volume"].stable == f"{max(expected)}.0.0"
    else:
        complaint_of(model)


def test_a_component_without_any_version_is_said_to_have_none() -> None:
    pinned = ensemble("damage", ("detector", 1))
    assert complaint_of(pinned, plain("detector"))[0] == (
        "ensemble 'damage' pins 'detector' to 1; the repository has versions: none"
    )


@pytest.mark.parametrize(
    ("inputs", "takes_photo"),
    [
        ([{"name": "IMAGE", "data_type": "TYPE_STRING", "dims": ["1"]}], True),
        ([{"name": "IMAGE", "data_type": "TYPE_STRING", "dims": ["-1"]}], False),
        ([{"name": "IMAGE", "data_type": "TYPE_STRING", "dims": ["1", "1"]}], False),
        ([{"name": "IMAGE", "data_type": "TYPE_STRING"}], False),
        ([{"name": "IMAGE", "data_type": "TYPE_UINT8", "dims": ["1"]}], False),
        ([{"name": "INPUT", "data_type": "TYPE_STRING", "dims": ["1"]}], False),
        (
            [
                {"name": "IMAGE", "data_type": "TYPE_STRING", "dims": ["1"]},
                {"name": "MASK", "data_type": "TYPE_STRING", "dims": ["1"]},
            ],
            False,
        ),
        ([], False),
    ],
)
def test_what_takes_a_photo_has_batches_of_image_for_its_one_input(
    inputs: list[dict[str, Any]], takes_photo: bool
) -> None:
    config = {"input": inputs, "max_batch_size": 8}
    assert ModelSpec("roofs", config, (1,)).takes_photo is takes_photo
    assert not ModelSpec("roofs", {"input": inputs, "max_batch_size": 0}, (1,)).takes_photo
    assert not ModelSpec("roofs", {"input": inputs}, (1,)).takes_photo
    assert not ModelSpec("roofs", {}, (1,)).takes_photo
