"""Figures of answers that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engines import evaluation, gallery
from engines.contract import MAX_DETECTIONS, SCORE_THRESHOLDS
from engines.dataset import Dataset
from engines.export import export
from engines.scenes.scene import Box
from engines.tasks import Task

Answers = dict[str, np.ndarray]


def perfect(dataset: Dataset, score: float = 0.9) -> Answers:
    """The answers of a detector that finds everything and nothing else."""
    count, side = len(dataset), dataset.pixels.shape[1]
    known = dataset.truth["labels"].shape[1]
    boxes = np.zeros((count, MAX_DETECTIONS, 4), np.float32)
    scores = np.zeros((count, MAX_DETECTIONS), np.float32)
    classes = np.zeros((count, MAX_DETECTIONS), np.int64)
    boxes[:, :known] = dataset.truth["boxes"] / side
    scores[:, :known] = np.where(dataset.truth["labels"] >= 0, score, 0.0)
    classes[:, :known] = np.maximum(dataset.truth["labels"], 0)
    return {"BOXES": boxes, "SCORES": scores, "CLASSES": classes}


def test_a_perfect_detector_scores_one(tiny_dataset: Dataset) -> None:
    figures = evaluation.detector_figures("damage", perfect(tiny_dataset), tiny_dataset)

    assert figures["map50"] == pytest.approx(1.0)
    assert figures["ap50_hail"] == pytest.approx(1.0)
    assert (figures["precision"], figures["recall"]) == (1.0, 1.0)
    assert figures["count_error"] == 0.0


def test_an_unsure_detector_reports_nothing(tiny_dataset: Dataset) -> None:
    answers = perfect(tiny_dataset, score=SCORE_THRESHOLDS["damage"] - 0.01)
    figures = evaluation.detector_figures("damage", answers, tiny_dataset)

    assert figures["map50"] == pytest.approx(1.0)
    assert figures["recall"] == 0.0
    assert figures["count_error"] == 1.0


def test_brands_are_measured_where_there_are_any(tiny_dataset: Dataset) -> None:
    branded = Dataset(
        tiny_dataset.pixels,
        tiny_dataset.extents,
        {**tiny_dataset.truth, "brands": np.where(tiny_dataset.truth["labels"] >= 0, 1, -1)},
    )
    answers = perfect(branded)
    answers["BRANDS"] = np.zeros((len(branded), MAX_DETECTIONS, 3), np.float32)
    answers["BRANDS"][:8, :, 1] = 1.0
    figures = evaluation.detector_figures("materials", answers, branded)

    assert figures["brand_accuracy"] == pytest.approx(0.5)


def test_calibration_finds_the_gap_between_right_and_wrong(tiny_dataset: Dataset) -> None:
    answers = perfect(tiny_dataset, score=0.61)
    answers["SCORES"][:, 70] = 0.47  # a wrong box in every photo

    assert 0.47 < evaluation.calibrate("damage", answers, tiny_dataset) <= 0.61


def test_volume_figures_by_hand(tiny_dataset: Dataset) -> None:
    three = Dataset(
        tiny_dataset.pixels[:3],
        tiny_dataset.extents[:3],
        {"volume_m3": np.array([1.0, 2.0, 4.0], np.float32)},
    )
    answers = {"LOG_VOLUME": np.log(np.array([[1.1], [2.0], [2.0]]))}
    figures = evaluation.volume_figures(answers, three)

    assert figures["median_relative_error"] == pytest.approx(0.1)
    assert figures["mean_relative_error"] == pytest.approx(0.2)


def test_an_exported_file_is_measured(
    tiny_task: Task, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    network = tiny_task.build(0.25).eval()
    export(tiny_task, network, tmp_path / "model.onnx", note="a test")
    figures = evaluation.evaluate(tiny_task, 1, tmp_path / "model.onnx", tiny_dataset)

    assert (figures.engine, figures.version, figures.scenes) == ("damage", 1, 16)
    assert 0.0 <= figures.values["map50"] <= 1.0
    assert figures.values["latency_ms"] > 0.0


def test_boxes_are_drawn_with_their_names() -> None:
    pixels = np.zeros((240, 320, 3), np.uint8)
    box = Box("shingle", 40, 60, 120, 160, brand="northgate")
    picture = np.asarray(gallery.annotate(pixels, [box], scores=[0.8], caption="2 m3"))

    assert picture[100, 40].any()
    assert not picture[100, 80].any()
    assert picture[200:].any()


def test_a_contact_sheet_has_rows() -> None:
    pictures = [gallery.annotate(np.full((60, 80, 3), 90, np.uint8), [])] * 5

    assert gallery.contact_sheet(pictures, 2, 100).size == (200, 225)


def test_a_report_is_in_the_photos_pixels(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    export(tiny_task, tiny_task.build(0.25).eval(), tmp_path / "model.onnx", note="a test")
    monkeypatch.setitem(gallery.INPUT_SIZES, "damage", 128)
    monkeypatch.setitem(gallery.SCORE_THRESHOLDS, "damage", 1e-6)
    photo = tiny_task.draw(1, (512, 384)).pixels
    boxes, scores = gallery.detect(tmp_path / "model.onnx", "damage", photo)

    assert len(boxes) == len(scores) > 0
    assert max(box.x_max for box in boxes) > 128
    assert max(box.x_max for box in boxes) <= 512
