"""One number for how sure an answer is; none where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from control_plane.core.answers import Tensors
from control_plane.core.confidence import mean_confidence


def detected(scores: Any, counts: Any) -> Tensors:
    return {"SCORES": np.array(scores, np.float32), "COUNT": np.array(counts, np.int32)}


@pytest.mark.parametrize(
    ("outputs", "mean"),
    [
        (detected([[0.9, 0.7, 0.5]], [[2]]), 0.8),
        (detected([[0.9, 0.7, 0.5]], [[3]]), 0.7),
        (detected([[0.9, 0.0], [0.5, 0.3]], [[1], [2]]), 1.7 / 3),
        (detected([[0.9]], [[0]]), 0.0),
        (detected([[0.0, 0.0], [0.6, 0.0]], [[0], [1]]), 0.6),
        (detected([[1.7, 1.5]], [[2]]), 1.0),
        (detected([[-0.5]], [[1]]), 0.0),
        ({"CONFIDENCE": np.array([[0.25], [0.75]], np.float32)}, 0.5),
        ({"CONFIDENCE": np.array([0.4])}, 0.4),
    ],
)
def test_the_mean_of_what_is_real(outputs: Tensors, mean: float) -> None:
    assert mean_confidence(outputs) == pytest.approx(mean)


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"VOLUME_M3": np.array([[1.0]])},
        {"SCORES": np.array([[0.9]])},
        detected([[np.nan]], [[1]]),
        detected([0.9, 0.8], [[1], [1], [1]]),
        detected([0.9, 0.8], [[1], [1]]),
        {"CONFIDENCE": np.array([b"high"], np.object_)},
        {"CONFIDENCE": np.array([None], np.object_)},
    ],
    ids=lambda outputs: ",".join(outputs) or "nothing",
)
def test_what_has_no_confidence(outputs: Tensors) -> None:
    assert mean_confidence(outputs) is None
