"""From a distribution over log cubic metres to cubic metres and a probability."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Load = Callable[..., Any]
BOTH = ["VOLUME_M3", "CONFIDENCE"]


def _request(
    utils: ModuleType, volumes: list[float], scales: list[float], outputs: list[str] = BOTH
) -> Any:
    inputs = {
        "LOG_VOLUME": np.log(np.asarray(volumes, np.float32))[:, None],
        "LOG_SIGMA": np.log(np.asarray(scales, np.float32))[:, None],
    }
    return utils.InferenceRequest(inputs, outputs)


def test_requests_that_came_together_get_their_own_answers(model: Load, utils: ModuleType) -> None:
    requests = [_request(utils, [3.0], [0.1]), _request(utils, [0.5, 40.0], [0.2, 0.4])]
    first, second = (each.arrays() for each in model("volume_postprocess").execute(requests))
    np.testing.assert_allclose(first["VOLUME_M3"], [[3.0]], rtol=1e-5)
    np.testing.assert_allclose(second["VOLUME_M3"], [[0.5], [40.0]], rtol=1e-5)
    for answer, rows in ((first, 1), (second, 2)):
        for name in BOTH:
            assert answer[name].shape == (rows, 1)
            assert answer[name].dtype == np.float32
    assert first["CONFIDENCE"][0] > second["CONFIDENCE"][0] > second["CONFIDENCE"][1]


def test_a_batch_is_one_run(
    model: Load, utils: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = model("volume_postprocess")
    runs: list[int] = []
    space = vars(type(instance))["execute"].__globals__
    whole = space["cubic_metres"]
    monkeypatch.setitem(
        space, "cubic_metres", lambda logs: (runs.append(len(logs)), whole(logs))[1]
    )
    instance.execute([_request(utils, [1.0, 2.0], [0.1, 0.1]), _request(utils, [3.0], [0.1])])
    assert runs == [3]


def test_the_confidence_is_the_share_of_answers_within_a_fifth_of_the_truth(
    model: Load, utils: ModuleType
) -> None:
    scale = 0.15
    (response,) = model("volume_postprocess").execute([_request(utils, [10.0], [scale])])
    truths = 10.0 * np.exp(np.random.default_rng(4).laplace(0.0, scale, 200_000))
    share = float((np.abs(10.0 / truths - 1) <= 0.2).mean())
    assert response.arrays()["CONFIDENCE"][0, 0] == pytest.approx(share, abs=0.005)


def test_only_what_is_asked_for_is_sent(model: Load, utils: ModuleType) -> None:
    request = _request(utils, [2.0], [0.1], ["VOLUME_M3"])
    (response,) = model("volume_postprocess").execute([request])
    assert list(response.arrays()) == ["VOLUME_M3"]


def test_a_wild_network_still_gets_a_finite_answer(model: Load, utils: ModuleType) -> None:
    inputs = {
        "LOG_VOLUME": np.array([[500.0], [-500.0]], np.float32),
        "LOG_SIGMA": np.array([[-4.0], [1.0]], np.float32),
    }
    (response,) = model("volume_postprocess").execute([utils.InferenceRequest(inputs, BOTH)])
    answers = response.arrays()
    assert np.isfinite(answers["VOLUME_M3"]).all()
    assert ((answers["CONFIDENCE"] >= 0) & (answers["CONFIDENCE"] <= 1)).all()


def test_the_tolerance_is_a_parameter(model: Load, utils: ModuleType) -> None:
    request = _request(utils, [2.0], [0.2])
    strict, lenient = (
        model("volume_postprocess", tolerance=share).execute([request])[0].arrays()["CONFIDENCE"]
        for share in ("0.05", "0.50")
    )
    assert strict[0, 0] < lenient[0, 0]
