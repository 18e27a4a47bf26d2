from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.unit.model_repository.conftest import Array, InferenceRequest

Model = Callable[..., Any]
ROWS = 100
NAMES = ["BOXES", "SCORES", "CLASSES", "COUNT"]


def raw(
    *found: tuple[tuple[float, float, float, float], float, int],
    size: tuple[int, int] = (1000, 500),
    brands: list[list[float]] | None = None,
) -> dict[str, Array]:
    """One photo's detector outputs: boxes as shares of the square, scores, classes."""
    boxes, scores = np.zeros((1, ROWS, 4), np.float32), np.zeros((1, ROWS), np.float32)
    classes = np.zeros((1, ROWS), np.int64)
    for row, (box, score, label) in enumerate(found):
        boxes[0, row], scores[0, row], classes[0, row] = box, score, label
    inputs: dict[str, Array] = {
        "BOXES": boxes,
        "SCORES": scores,
        "CLASSES": classes,
        "GEOMETRY": np.array([size], np.float32),
    }
    if brands is not None:
        inputs["BRANDS"] = np.zeros((1, ROWS, 3), np.float32)
        inputs["BRANDS"][0, : len(brands)] = brands
    return inputs


def run(model: Any, *inputs: dict[str, Array], names: list[str] = NAMES) -> list[dict[str, Array]]:
    responses = model.execute([InferenceRequest(each, names) for each in inputs])
    return [response.arrays() for response in responses]


def test_boxes_come_in_pixels_of_the_photo_with_names_and_padding(model: Model) -> None:
    (answer,) = run(model("damage_postprocess"), raw(((0.1, 0.1, 0.2, 0.2), 0.9, 2)))
    assert answer["COUNT"].tolist() == [[1]]
    assert answer["COUNT"].dtype == np.int32
    np.testing.assert_allclose(answer["BOXES"][0, 0], [100, 100, 200, 200], rtol=1e-6)
    assert answer["BOXES"].shape == (1, ROWS, 4)
    assert answer["SCORES"].dtype == np.float32
    assert answer["CLASSES"][0, :2].tolist() == ["missing_shingle", ""]
    assert not answer["BOXES"][0, 1:].any()
    assert not answer["SCORES"][0, 1:].any()


def test_boxes_are_clipped_to_the_photo_and_dropped_in_its_padding(model: Model) -> None:
    """The photo fills the upper half of the square."""
    (answer,) = run(
        model("damage_postprocess"),
        raw(((-0.1, 0.4, 0.2, 0.7), 0.9, 0), ((0.1, 0.6, 0.3, 0.9), 0.8, 0)),
    )
    assert answer["COUNT"].tolist() == [[1]]
    np.testing.assert_allclose(answer["BOXES"][0, 0], [0, 400, 200, 500], rtol=1e-6)


def test_scores_below_the_threshold_are_not_reported(model: Model) -> None:
    found = [((0.1, 0.1, 0.2, 0.2), 0.51, 0), ((0.3, 0.1, 0.4, 0.2), 0.49, 0)]
    (answer,) = run(model("damage_postprocess", score_threshold="0.5"), raw(*found))
    assert answer["COUNT"].tolist() == [[1]]


def test_overlaps_within_a_class_are_suppressed_greedily(model: Model) -> None:
    """The third overlaps the second only, which fell to the first: so the third stays."""
    found = [
        ((0.10, 0.1, 0.30, 0.3), 0.9, 0),
        ((0.15, 0.1, 0.35, 0.3), 0.8, 0),
        ((0.21, 0.1, 0.41, 0.3), 0.7, 0),
        ((0.10, 0.1, 0.30, 0.3), 0.6, 1),
    ]
    (answer,) = run(model("damage_postprocess"), raw(*found))
    assert answer["CLASSES"][0, :4].tolist() == ["hail", "hail", "wind", ""]
    np.testing.assert_allclose(answer["SCORES"][0, :3], [0.9, 0.7, 0.6], rtol=1e-6)


def test_brands_are_named_for_shingles_only(model: Model) -> None:
    names = [*NAMES, "BRANDS"]
    inputs = raw(
        ((0.1, 0.1, 0.2, 0.2), 0.9, 0),
        ((0.1, 0.1, 0.2, 0.2), 0.8, 1),
        ((0.5, 0.1, 0.6, 0.2), 0.7, 0),
        brands=[[0.1, 0.8, 0.1], [0.9, 0.0, 0.1], [0.1, 0.1, 0.8]],
    )
    (answer,) = run(model("materials_postprocess"), inputs, names=names)
    assert answer["CLASSES"][0, :4].tolist() == ["shingle", "plywood", "shingle", ""]
    assert answer["BRANDS"][0, :4].tolist() == ["ridgeline", "", "stormcrest", ""]


def test_only_the_outputs_asked_for_come_back(model: Model) -> None:
    (answer,) = run(model("damage_postprocess"), raw(), names=["COUNT", "SCORES"])
    assert set(answer) == {"COUNT", "SCORES"}


def slow_answer(inputs: dict[str, Array], photo: int, limit: float) -> list[tuple[float, int]]:
    """The textbook's loop, one photo at a time: scores and classes of what stays."""
    side = inputs["GEOMETRY"][photo].max()
    width, height = inputs["GEOMETRY"][photo]
    kept: list[tuple[Array, float, int]] = []
    for row in range(ROWS):
        score, label = inputs["SCORES"][photo, row], int(inputs["CLASSES"][photo, row])
        box = np.clip(inputs["BOXES"][photo, row] * side, 0, [width, height, width, height])
        if score < 0.3 or box[2] <= box[0] or box[3] <= box[1]:
            continue
        for better, _, its_label in kept:
            low, high = np.maximum(box[:2], better[:2]), np.minimum(box[2:], better[2:])
            shared = np.prod(np.clip(high - low, 0, None))
            both = np.prod(box[2:] - box[:2]) + np.prod(better[2:] - better[:2]) - shared
            if label == its_label and shared > limit * both:
                break
        else:
            kept.append((box, float(score), label))
    return [(score, label) for _, score, label in kept]


@pytest.mark.parametrize("seed", range(5))
def test_one_vectorised_run_answers_as_the_textbook_does(model: Model, seed: int) -> None:
    rng = np.random.default_rng(seed)
    requests = []
    for photos in (1, 3, 2):
        low = rng.random((photos, ROWS, 2)) * 0.6
        inputs: dict[str, Array] = {
            "BOXES": np.concatenate([low, low + rng.random((photos, ROWS, 2)) * 0.5], axis=2),
            "SCORES": -np.sort(-rng.random((photos, ROWS)), axis=1),
            "CLASSES": rng.integers(0, 3, (photos, ROWS)),
            "GEOMETRY": rng.integers(200, 4000, (photos, 2)),
        }
        kinds = {"BOXES": np.float32, "SCORES": np.float32, "GEOMETRY": np.float32}
        requests.append({k: v.astype(kinds.get(k, v.dtype)) for k, v in inputs.items()})
    labels = ["hail", "wind", "missing_shingle"]
    answers = run(model("damage_postprocess", score_threshold="0.3"), *requests)
    for inputs, answer in zip(requests, answers, strict=True):
        for photo, (count,) in enumerate(answer["COUNT"]):
            expected = slow_answer(inputs, photo, 0.5)
            assert count == len(expected) > 0
            found = [labels.index(name) for name in answer["CLASSES"][photo, :count]]
            assert found == [label for _, label in expected]
            np.testing.assert_allclose(
                answer["SCORES"][photo, :count], [score for score, _ in expected], rtol=1e-6
            )
