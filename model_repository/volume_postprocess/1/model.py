"""Turns the estimator's distribution over log cubic metres into what callers read.

``VOLUME_M3`` is the distribution's median. ``CONFIDENCE`` is the probability, by the network's own
Laplace distribution, that the answer lies within the tolerance (0.20: between 80 % and 120 %) of
the true volume.

One vectorised run covers every photo of every request that arrived together; the requests are cut
apart again at the end. Needs numpy only, nothing of Tidegate.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

Array = np.ndarray[Any, Any]
INPUTS = ("LOG_VOLUME", "LOG_SIGMA")
# Beyond what FLOAT32 and any building site hold; keeps a wild network's answer finite.
MOST_LOG_VOLUME = 20.0


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        self._tolerance = float(parameters["tolerance"]["string_value"])

    def execute(self, requests: list[Any]) -> list[Any]:
        parts = [[tensor(request, name) for name in INPUTS] for request in requests]
        log_volume, log_sigma = (np.concatenate(column) for column in zip(*parts, strict=True))
        outputs = {
            "VOLUME_M3": cubic_metres(log_volume),
            "CONFIDENCE": confidence(log_sigma, self._tolerance),
        }
        ends = np.cumsum([len(part[0]) for part in parts])[:-1]
        cut = {name: np.split(output, ends) for name, output in outputs.items()}
        return [
            pb_utils.InferenceResponse(
                [
                    pb_utils.Tensor(name, cut[name][index])
                    for name in request.requested_output_names()
                ]
            )
            for index, request in enumerate(requests)
        ]


def tensor(request: Any, name: str) -> Array:
    array: Array = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
    return array


def cubic_metres(log_volume: Array) -> Array:
    volumes: Array = np.exp(np.minimum(log_volume, MOST_LOG_VOLUME)).astype(np.float32)
    return volumes


def confidence(log_sigma: Array, tolerance: float) -> Array:
    """P(answer within ``tolerance`` of the truth) for a Laplace scale exp(log_sigma).

    With answer / truth between 1 - t and 1 + t, ln truth lies between -ln(1 + t) and -ln(1 - t)
    around ln answer; each tail beyond a distance d holds exp(-d / b) / 2.
    """
    scale = np.exp(log_sigma.astype(np.float64))
    below, above = np.log1p(tolerance), -np.log1p(-tolerance)
    tails = (np.exp(-below / scale) + np.exp(-above / scale)) / 2
    shares: Array = (1.0 - tails).astype(np.float32)
    return shares
