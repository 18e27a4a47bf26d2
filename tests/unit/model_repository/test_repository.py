"""The configurations agree with each other, with engines/contract.py and with releases.yaml."""

from __future__ import annotations

import pytest
import yaml

from engines import contract
from tests.unit.model_repository.conftest import REPOSITORY, config_of

MODELS = sorted(path.parent.name for path in REPOSITORY.glob("*/config.pbtxt"))
ENSEMBLES = [name for name in MODELS if config_of(name).platform == "ensemble"]
COMPONENTS = [name for name in MODELS if name not in ENSEMBLES]


def test_every_engine_is_an_ensemble() -> None:
    assert {"damage", "materials"} <= set(ENSEMBLES) <= set(contract.ENGINES)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_folder_holds_its_configuration_and_versions_only(model: str) -> None:
    assert config_of(model).name == model
    for entry in (REPOSITORY / model).iterdir():
        assert entry.name == "config.pbtxt" or entry.name.isdigit()
    assert not list((REPOSITORY / model).rglob("__pycache__"))


@pytest.mark.parametrize("model", COMPONENTS)
def test_components_batch_with_three_priorities_and_bounded_queues(model: str) -> None:
    config = config_of(model)
    batching = config.dynamic_batching
    assert config.max_batch_size == 8
    assert (batching.priority_levels, batching.default_priority_level) == (3, 2)
    assert 0 < batching.default_queue_policy.max_queue_size <= 256
    assert batching.default_queue_policy.default_timeout_microseconds > 0
    assert batching.default_queue_policy.allow_timeout_override
    # A new version lying in the folder must not serve before a release says so.
    assert list(config.version_policy.specific.versions) == [1]


@pytest.mark.parametrize("engine", ENSEMBLES)
def test_an_ensembles_tensors_fit_together(engine: str) -> None:
    config = config_of(engine)
    known = {each.name: (each.data_type, tuple(each.dims)) for each in config.input}
    assert [each.name for each in config.input] == ["IMAGE"]
    for step in config.ensemble_scheduling.step:
        component = config_of(step.model_name)
        inputs = {each.name: (each.data_type, tuple(each.dims)) for each in component.input}
        outputs = {each.name: (each.data_type, tuple(each.dims)) for each in component.output}
        assert set(step.input_map) == set(inputs)
        for name, tensor in step.input_map.items():
            assert known[tensor] == inputs[name], (step.model_name, name)
        known |= {tensor: outputs[name] for name, tensor in step.output_map.items()}
    for each in config.output:
        assert known[each.name] == (each.data_type, tuple(each.dims))


@pytest.mark.parametrize("engine", ENSEMBLES)
def test_an_ensemble_leaves_one_component_floating(engine: str) -> None:
    steps = config_of(engine).ensemble_scheduling.step
    assert len([step for step in steps if step.model_version == -1]) == 1


@pytest.mark.parametrize("engine", ENSEMBLES)
def test_releases_pin_versions_that_exist(engine: str) -> None:
    releases = yaml.safe_load((REPOSITORY / "releases.yaml").read_text())["engines"][engine]
    assert releases["stable"] in releases["releases"]
    steps = {step.model_name for step in config_of(engine).ensemble_scheduling.step}
    for pins in releases["releases"].values():
        for component, version in pins.items():
            assert component in steps
            assert (REPOSITORY / component / str(version) / "model.onnx").is_file()


@pytest.mark.parametrize("engine", ["damage", "materials"])
def test_the_configurations_keep_the_contract(engine: str) -> None:
    size = contract.INPUT_SIZES[engine]
    (pixels,) = config_of(f"{engine}_detector").input
    assert list(pixels.dims) == [size, size, 3]
    parameters = config_of(f"{engine}_postprocess").parameters
    assert parameters["labels"].string_value.split(",") == list(contract.CLASSES[engine])
    threshold = float(parameters["score_threshold"].string_value)
    assert threshold == contract.SCORE_THRESHOLDS[engine]
    if engine == "materials":
        assert parameters["brands"].string_value.split(",") == list(contract.BRANDS)


def test_the_preprocessor_makes_every_size_an_engine_needs() -> None:
    names = {output.name for output in config_of("preprocess").output}
    assert {f"PIXELS_{size}" for size in contract.INPUT_SIZES.values()} <= names


def test_both_postprocessors_hold_the_same_file() -> None:
    files = [REPOSITORY / f"{each}_postprocess/1/model.py" for each in ("damage", "materials")]
    assert files[0].read_bytes() == files[1].read_bytes()
