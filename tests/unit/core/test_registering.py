"""What a new release is checked for before anything is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from control_plane.core.catalogue import ModelSpec, build_engines
from control_plane.core.registering import (
    Moving,
    check_pins,
    check_release,
    moving_component,
)
from control_plane.errors import ConfigurationError, ControlPlaneError, ErrorCode
from tests.unit.samples import DECLARED, ENGINES, SPECS, by_name, ensemble, plain

DAMAGE = ENGINES["damage"]


def moving(
    name: str = "damage",
    specs: dict[str, ModelSpec] | None = None,
    declared: dict[str, Any] | None = None,
    pinned: tuple[dict[str, int], ...] = (),
) -> Moving:
    specs = specs or SPECS
    declared = DECLARED if declared is None else declared
    engines = build_engines(specs, declared)
    return moving_component(engines[name], specs, declared, pinned)


def refusal(*arguments: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        moving(*arguments)
    assert refused.value.field == "onnx"
    return refused.value.message


@pytest.mark.parametrize("release", ["1.2.0", "0.9.0", "1.1.0-rc.1"])
def test_a_new_number(release: str) -> None:
    check_release(DAMAGE, release)


@pytest.mark.parametrize(
    ("release", "code", "message"),
    [
        (
            "1.2",
            ErrorCode.INVALID_ARGUMENT,
            "release: '1.2' is not a semantic version such as 1.2.0",
        ),
        (
            "1.1.0",
            ErrorCode.CONFLICT,
            "release 1.1.0 of engine 'damage' is there already; what is registered is never "
            "overwritten, take another number",
        ),
        (
            "1.1.0+b",
            ErrorCode.CONFLICT,
            "release 1.1.0+b of engine 'damage' differs from 1.1.0, which is there, in build "
            "metadata only",
        ),
    ],
)
def test_a_number_that_cannot_be_had(release: str, code: ErrorCode, message: str) -> None:
    with pytest.raises(ControlPlaneError) as refused:
        check_release(DAMAGE, release)
    assert (refused.value.code, refused.value.field) == (code, "release")
    assert refused.value.message == message


def test_pins_are_of_the_repository() -> None:
    check_pins(DAMAGE, SPECS, {"damage_detector": 2, "preprocess": 1})
    with pytest.raises(ControlPlaneError) as refused:
        check_pins(DAMAGE, SPECS, {"damage_detector": 3})
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID_ARGUMENT, "pins")
    assert refused.value.message == (
        "the release pins 'damage_detector' to 3; the repository has versions: 1, 2"
    )


def test_a_file_is_for_the_component_that_floats() -> None:
    assert moving() == Moving(SPECS["damage_detector"], "model.onnx", 2)


def test_the_file_is_called_as_the_configuration_says() -> None:
    detector = SPECS["damage_detector"]
    named = replace(detector, config={**detector.config, "default_model_filename": "net.onnx"})
    assert moving(specs={**SPECS, "damage_detector": named}).filename == "net.onnx"


def test_a_number_that_some_record_pins_is_not_used_again() -> None:
    assert moving(pinned=({"damage_detector": 6}, {"preprocess": 9}, {})).above == 6


def test_of_a_plain_model_a_file_is_its_own_next_version() -> None:
    declared = {**DECLARED, "volume": {"stable": "4.0.0", "releases": {"4.0.0": {"volume": 4}}}}
    assert moving("volume", None, declared) == Moving(SPECS["volume"], "model.onnx", 4)


def test_a_model_of_another_framework_is_told_by_its_platform_too() -> None:
    detector = SPECS["damage_detector"]
    old = replace(detector, config={"name": detector.name, "platform": "onnxruntime_onnx"})
    assert moving(specs={**SPECS, "damage_detector": old}).model == old


def test_an_engine_without_a_floating_component() -> None:
    pinned = by_name(ensemble("damage", ("damage_detector", 1)), SPECS["damage_detector"])
    assert refusal("damage", pinned, {}) == (
        "engine 'damage' leaves no component floating (model_version: -1), so there is none that "
        "a file could become a version of; register it with pins"
    )


@pytest.mark.parametrize("backend", ["python", None])
def test_a_component_that_takes_no_onnx_file(backend: str | None) -> None:
    detector = SPECS["damage_detector"]
    other = replace(detector, config={"name": detector.name, "backend": backend})
    assert refusal("damage", {**SPECS, "damage_detector": other}) == (
        f"component 'damage_detector' of engine 'damage' is served by {backend!r}, which takes no "
        "ONNX file"
    )


class TestWhatWouldMove:
    def test_a_declared_release_that_names_no_version(self) -> None:
        declared = {**DECLARED, "damage": {"stable": "1.0.0", "releases": {"1.0.0": None}}}
        assert refusal("damage", None, declared) == (
            "release 1.0.0 of engine 'damage' pins 'damage_detector' to nothing, so it would move "
            "to the new version 3; name its version in releases.yaml, or in the version_policy of "
            "'damage_detector'"
        )

    def test_an_engine_that_is_not_declared(self) -> None:
        """Its one release is made from the newest version, and would become another one."""
        assert refusal("damage", None, {}).startswith("release 2.0.0 of engine 'damage' pins")

    def test_another_engine_that_runs_the_same_component(self) -> None:
        specs = {**SPECS, "roof": ensemble("roof", ("damage_detector", -1))}
        assert refusal("damage", specs).startswith("release 2.0.0 of engine 'roof' pins")

    def test_nothing_where_the_version_policy_is_specific(self) -> None:
        specs = {**SPECS, "damage_detector": plain("damage_detector", 1, 2, specific=(1,))}
        assert moving("damage", specs, {}).above == 2
