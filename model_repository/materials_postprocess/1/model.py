"""Turns a detector's raw boxes into what callers read: named, thresholded, in the photo's pixels.

One vectorised run covers every photo of every request that arrived together; the requests are cut
apart again at the end. Labels, brands and thresholds are parameters of the configuration. Needs
numpy only, nothing of Tidegate.

``damage_postprocess`` and ``materials_postprocess`` hold this same file, because a Triton model
folder stands alone; a test keeps them equal. Brands are named where the configuration has them.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

Array = np.ndarray[Any, Any]
INPUTS = ("BOXES", "SCORES", "CLASSES", "GEOMETRY")


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        self._labels = names(parameters["labels"])
        self._brands = names(parameters["brands"]) if "brands" in parameters else None
        # Labels after which a brand follows; a sheet of plywood has none.
        self._branded = np.isin(self._labels, parameters.get("branded", "").split(","))
        self._score_threshold = float(parameters["score_threshold"])
        self._nms_iou = float(parameters["nms_iou"])

    def execute(self, requests: list[Any]) -> list[Any]:
        wanted = INPUTS if self._brands is None else (*INPUTS, "BRANDS")
        parts = [[tensor(request, name) for name in wanted] for request in requests]
        batches = [np.concatenate(column) for column in zip(*parts, strict=True)]
        outputs = self._run(*batches)
        ends = np.cumsum([len(part[0]) for part in parts])[:-1]
        cut = {name: np.split(output, ends) for name, output in outputs.items()}
        return [
            response({name: part[index] for name, part in cut.items()}, request)
            for index, request in enumerate(requests)
        ]

    def _run(
        self,
        boxes: Array,
        scores: Array,
        classes: Array,
        geometry: Array,
        brands: Array | None = None,
    ) -> dict[str, Array]:
        """Every array has the batch first; the answers keep the detector's number of rows."""
        photos, rows = scores.shape
        pixels = boxes * geometry.max(axis=1)[:, None, None]
        limits = np.tile(geometry, 2)[:, None, :]
        pixels = np.clip(pixels, 0.0, limits)
        has_area = (pixels[..., 2] > pixels[..., 0]) & (pixels[..., 3] > pixels[..., 1])
        kept = suppressed(
            pixels, scores, classes, (scores >= self._score_threshold) & has_area, self._nms_iou
        )
        # Kept rows first, in falling score; the rest is padding.
        order = np.argsort(~kept, axis=1, kind="stable")
        counts = kept.sum(axis=1, dtype=np.int32)
        is_padding = np.arange(rows) >= counts[:, None]
        labels = np.take_along_axis(classes, order, axis=1).astype(np.int64)
        labels = labels.clip(0, len(self._labels) - 1)
        pixels = np.take_along_axis(pixels, order[..., None], axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
        outputs = {
            "BOXES": np.where(is_padding[..., None], 0.0, pixels).astype(np.float32),
            "SCORES": np.where(is_padding, 0.0, scores).astype(np.float32),
            "CLASSES": np.where(is_padding, "", self._labels[labels]).astype(np.object_),
            "COUNT": counts.reshape(photos, 1),
        }
        if self._brands is not None and brands is not None:
            best = np.take_along_axis(brands.argmax(axis=2), order, axis=1)
            is_bare = is_padding | ~self._branded[labels]
            outputs["BRANDS"] = np.where(is_bare, "", self._brands[best]).astype(np.object_)
        return outputs


def names(listed: str) -> Array:
    return np.array([name.strip() for name in listed.split(",")])


def tensor(request: Any, name: str) -> Array:
    array: Array = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
    return array


def response(outputs: dict[str, Array], request: Any) -> Any:
    wanted = request.requested_output_names()
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, array) for name, array in outputs.items() if name in wanted]
    )


def suppressed(boxes: Array, scores: Array, classes: Array, alive: Array, limit: float) -> Array:
    """Greedy non-maximum suppression within each class, over the whole batch at once.

    boxes ``[N, K, 4]``, scores ``[N, K]`` in falling order, classes ``[N, K]``, alive ``[N, K]``
    bool; answers which rows stay. A box falls when a better one of its class that stays overlaps it
    by more than ``limit`` (intersection over union).
    """
    kept = alive.copy()
    rows = int(np.max(np.where(alive, np.arange(1, scores.shape[1] + 1), 0), initial=0))
    if rows < 2:
        return kept
    x_min, y_min, x_max, y_max = (boxes[:, :rows, edge] for edge in range(4))
    width = np.minimum(x_max[:, :, None], x_max[:, None]) - np.maximum(
        x_min[:, :, None], x_min[:, None]
    )
    height = np.minimum(y_max[:, :, None], y_max[:, None]) - np.maximum(
        y_min[:, :, None], y_min[:, None]
    )
    shared = width.clip(0.0) * height.clip(0.0)
    areas = (x_max - x_min) * (y_max - y_min)
    union = areas[:, :, None] + areas[:, None] - shared
    same = classes[:, :rows, None] == classes[:, None, :rows]
    overlaps = (shared > limit * union) & same
    for row in range(rows - 1):
        kept[:, row + 1 : rows] &= ~(kept[:, row, None] & overlaps[:, row, row + 1 :])
    return kept
