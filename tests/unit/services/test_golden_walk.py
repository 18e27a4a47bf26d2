"""A component's inputs, made by asking the steps before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from control_plane.core.catalogue import ModelSpec, Release
from control_plane.core.golden import Golden, Tolerance
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.golden_walk import Walk, golden_tensors
from tests.unit.fakes import AWAY, FakeInstance, call_failed
from tests.unit.samples import write_tensors

PINS = {"decode": 1, "scale": 4, "detector": 2, "late": 3}
RELEASE = Release("damage", "1.0.0", PINS, True)
GOLDEN = Golden(Tolerance(0.1, 0.1), photo=b"photo")
PIXELS = np.arange(4, dtype=np.float32)
SCALED = PIXELS / 2


def step(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, Any]:
    return {"model_name": model, "model_version": "-1", "input_map": inputs, "output_map": outputs}


DECODE = step("decode", {"IMAGE": "IMAGE"}, {"PIXELS": "pixels", "GEOMETRY": "geometry"})
SCALE = step("scale", {"X": "pixels"}, {"Y": "scaled"})
DETECTOR = step("detector", {"A": "scaled", "B": "geometry"}, {"BOXES": "boxes"})
LATE = step("late", {"BOXES": "boxes"}, {"OUT": "OUT"})
BOXES = np.array([[1.0, 2.0]], np.float32)
ANSWERS = {
    "late": {"OUT": np.array([3.0], np.float32)},
    "decode": {"PIXELS": PIXELS, "GEOMETRY": np.array([640.0, 480.0], np.float32)},
    "scale": {"Y": SCALED},
}


def answer(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
    asked = {output.name for output in request.outputs}
    tensors = {name: ANSWERS[request.model_name][name] for name in asked}
    return write_tensors(tensors, model_name=request.model_name)


def walk(
    *instances: FakeInstance, steps: list[dict[str, Any]] | None = None, golden: Golden = GOLDEN
) -> Walk:
    # Triton takes the steps in any order.
    steps = [LATE, DETECTOR, SCALE, DECODE] if steps is None else steps
    outputs = [{"name": "OUT"}, {"name": "boxes"}]
    config = {"name": "damage", "output": outputs, "ensemble_scheduling": {"step": steps}}
    spec = ModelSpec("damage", config, (1,))
    return Walk(spec, "detector", RELEASE, instances, golden=golden, timeout_s=7.0)


async def refusal(walk: Walk) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as refused:
        await walk.inputs()
    return refused.value


async def test_the_steps_before_it_are_asked_and_no_other() -> None:
    triton = FakeInstance(answer=answer)
    inputs = await walk(triton).inputs()
    assert sorted(inputs) == ["A", "B"]
    np.testing.assert_array_equal(inputs["A"], SCALED[None])
    np.testing.assert_array_equal(inputs["B"], [[640.0, 480.0]])
    assert triton.calls == ["decode/1", "scale/4"]
    assert triton.timeouts_s == [7.0, 7.0]


async def test_a_component_that_takes_the_engines_own_input() -> None:
    golden = Golden(Tolerance(0.1, 0.1), inputs={"IMAGE": PIXELS[None]})
    steps = [step("detector", {"A": "IMAGE"}, {"BOXES": "boxes"})]
    inputs = await walk(steps=steps, golden=golden).inputs()
    np.testing.assert_array_equal(inputs["A"], PIXELS[None])


async def test_what_the_engine_would_answer_with_the_components_answer() -> None:
    triton = FakeInstance(answer=answer)
    walked = walk(triton)
    await walked.inputs()
    answered = await walked.answer({"BOXES": BOXES, "more": BOXES})
    assert sorted(answered) == ["OUT", "boxes"]
    np.testing.assert_array_equal(answered["OUT"], [[3.0]])
    assert answered["boxes"] is BOXES
    assert triton.calls == ["decode/1", "scale/4", "late/3"], "and nothing is asked twice"


async def test_an_answer_that_the_component_does_not_lead_to() -> None:
    with pytest.raises(ControlPlaneError) as refused:
        await walk(FakeInstance(answer=answer)).answer({})
    assert refused.value.code is ErrorCode.CONFIGURATION


async def test_the_first_instance_that_answers_decides() -> None:
    away, well = FakeInstance(is_away=True), FakeInstance(answer=answer)
    await walk(away, well).inputs()
    assert well.calls == ["decode/1", "scale/4"]


async def test_when_none_answers_what_the_first_one_said_is_said() -> None:
    broken = FakeInstance(failures={"decode": call_failed("INTERNAL", "it is broken")})
    error = await refusal(walk(broken, FakeInstance(is_away=True)))
    assert error.code is ErrorCode.BACKEND_UNAVAILABLE
    assert error.message == (
        "the golden input comes to a halt, decode 1 does not answer: INTERNAL: it is broken"
    )
    assert AWAY[1] in (await refusal(walk(FakeInstance(is_away=True)))).message


async def test_without_an_instance_it_is_to_be_tried_later() -> None:
    error = await refusal(walk())
    assert (error.code, error.retry_after_s) == (ErrorCode.RELEASE_NOT_READY, 5.0)
    assert error.message.endswith("no instance serves release 1.0.0 of 'damage' now")


@pytest.mark.parametrize(
    "steps",
    [
        [DETECTOR, DECODE],  # nobody makes "scaled"
        [DETECTOR, DECODE, step("scale", {"X": "loop"}, {"Y": "scaled", "Z": "loop"})],
        [DETECTOR, DECODE, step("scale", {"X": "boxes"}, {"Y": "scaled"})],  # it needs itself
        [DETECTOR, DECODE, step("scale", {"X": "nobody's"}, {"Y": "scaled"})],
    ],
)
async def test_an_ensemble_in_which_nothing_leads_there(steps: list[dict[str, Any]]) -> None:
    error = await refusal(walk(FakeInstance(answer=answer), steps=steps))
    assert error.code is ErrorCode.CONFIGURATION
    assert error.message == (
        "no steps of ensemble 'damage' lead from its golden input to 'scaled', around 'detector'"
    )


async def test_an_output_that_was_asked_for_and_did_not_come() -> None:
    silent = FakeInstance(answer=lambda _: write_tensors({"PIXELS": PIXELS}))
    error = await refusal(walk(silent))
    assert error.code is ErrorCode.BACKEND_FAULT
    assert error.message == "decode 1 was asked for GEOMETRY and did not answer it"


def test_a_photo_is_one_text_in_a_batch_of_one() -> None:
    (image,) = golden_tensors(GOLDEN).values()
    assert (image.shape, image[0, 0]) == ((1, 1), b"photo")
    golden = Golden(Tolerance(0.1, 0.1), inputs={"X": PIXELS})
    assert golden_tensors(golden) == golden.inputs
