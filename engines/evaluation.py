"""The exported files on photos nobody trained with: real ONNX Runtime, encoded JPEGs, one core."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines import metrics
from engines.contract import CLASSES, SCORE_THRESHOLDS
from engines.dataset import Dataset
from engines.export import session
from engines.metrics import Objects
from engines.tasks import Task

_THRESHOLDS = np.round(np.arange(0.10, 0.75, 0.02), 2)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one file; ``values`` by name, shares as 0..1, times in ms."""

    engine: str
    version: int
    scenes: int
    values: dict[str, float] = field(default_factory=dict)


def evaluate(task: Task, version: int, path: Path, dataset: Dataset) -> Figures:
    """Run one file over a data set and measure it."""
    outputs, latency_ms = answers(task, path, dataset)
    if task.name in CLASSES:
        values = detector_figures(task.name, outputs, dataset)
    else:
        values = volume_figures(outputs, dataset)
    return Figures(task.name, version, len(dataset), {**values, "latency_ms": latency_ms})


def answers(task: Task, path: Path, dataset: Dataset) -> tuple[dict[str, npt.NDArray[Any]], float]:
    """Every output for every photo, asked one by one, and the median milliseconds of a photo."""
    runner = session(path)
    names = list(task.output_names)
    rows: list[list[npt.NDArray[Any]]] = []
    times: list[float] = []
    for index in range(len(dataset)):
        started = time.perf_counter()
        rows.append(runner.run(names, {"PIXELS": dataset.pixels[index : index + 1]}))
        times.append(time.perf_counter() - started)
    stacked = {name: np.concatenate(column) for name, column in zip(names, zip(*rows, strict=True),
                                                                    strict=True)}  # fmt: skip
    return stacked, 1000.0 * float(np.median(times))


def detector_figures(
    engine: str, outputs: dict[str, npt.NDArray[Any]], dataset: Dataset
) -> dict[str, float]:
    """mAP over all answers; counts, precision, recall and brands at the engine's threshold."""
    names = CLASSES[engine]
    truths = true_objects(dataset)
    found = found_objects(outputs, dataset.pixels.shape[1])
    mean, each = metrics.mean_average_precision(truths, found, len(names))
    reported = [seen.above(SCORE_THRESHOLDS[engine]) for seen in found]
    precision, recall = metrics.precision_recall(truths, reported)
    values = {
        "map50": mean,
        **{f"ap50_{name}": value for name, value in zip(names, each, strict=True)},
        "precision": precision,
        "recall": recall,
        "count_error": metrics.count_error(truths, reported, len(names)),
    }
    if "BRANDS" in outputs:
        values["brand_accuracy"] = metrics.brand_accuracy(truths, reported)
    return values


def volume_figures(outputs: dict[str, npt.NDArray[Any]], dataset: Dataset) -> dict[str, float]:
    """How far the volumes are off, as shares of the true ones."""
    truth = dataset.truth["volume_m3"].astype(np.float64).reshape(-1)
    found = np.exp(outputs["LOG_VOLUME"].astype(np.float64)).reshape(-1)
    errors = metrics.relative_errors(truth, found)
    return {
        "median_relative_error": float(np.median(errors)),
        "mean_relative_error": float(np.mean(errors)),
        "p90_relative_error": float(np.quantile(errors, 0.9)),
    }


def calibrate(engine: str, outputs: dict[str, npt.NDArray[Any]], dataset: Dataset) -> float:
    """The score threshold with the least count error on these scenes."""
    truths = true_objects(dataset)
    found = found_objects(outputs, dataset.pixels.shape[1])
    errors = [
        metrics.count_error(truths, [seen.above(float(least)) for seen in found],
                            len(CLASSES[engine]))
        for least in _THRESHOLDS
    ]  # fmt: skip
    return float(_THRESHOLDS[int(np.argmin(errors))])


def true_objects(dataset: Dataset) -> list[Objects]:
    """The objects that were drawn, in pixels of the square."""
    objects: list[Objects] = []
    for row in range(len(dataset)):
        present = dataset.truth["labels"][row] >= 0
        objects.append(
            Objects(
                dataset.truth["boxes"][row][present].astype(np.float64),
                np.asarray(dataset.truth["labels"][row][present]),
                np.ones(int(present.sum())),
                np.asarray(dataset.truth["brands"][row][present]),
            )
        )
    return objects


def found_objects(outputs: dict[str, npt.NDArray[Any]], side: int) -> list[Objects]:
    """The objects that a detector answered, in pixels of the square."""
    brands = outputs["BRANDS"].argmax(axis=2) if "BRANDS" in outputs else None
    return [
        Objects(
            outputs["BOXES"][row].astype(np.float64) * side,
            outputs["CLASSES"][row],
            outputs["SCORES"][row].astype(np.float64),
            np.full(len(outputs["SCORES"][row]), -1) if brands is None else brands[row],
        )
        for row in range(len(outputs["SCORES"]))
    ]
