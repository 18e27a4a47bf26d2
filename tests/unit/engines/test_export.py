"""The exported file keeps the contract and says what the network says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engines import export
from engines.contract import BRANDS, MAX_DETECTIONS
from engines.networks.detector import Detector
from engines.networks.materials import MaterialsTask
from engines.tasks import Task


class SmallMaterials(MaterialsTask):
    @property
    def input_size(self) -> int:
        return 128


def randomised(task: Task) -> torch.nn.Module:
    """A network whose batch norms have seen something, as after training."""
    torch.manual_seed(3)
    network = task.build(0.25)
    network.train()
    for _ in range(3):
        network(torch.randn(4, 3, 128, 128))
    return network.eval()


def test_export_equals_torch_for_every_batch(tiny_task: Task, tmp_path: Path) -> None:
    network = randomised(tiny_task)
    path = tmp_path / "1" / "model.onnx"
    export.export(tiny_task, network, path, note="a test")

    for batch in (1, 5):
        gaps = export.difference(tiny_task, network, path, batch=batch)
        assert set(gaps) == {"BOXES", "SCORES", "CLASSES"}
        assert max(gaps.values()) < 1e-4


def test_materials_answer_brands_in_the_contracts_shapes(tmp_path: Path) -> None:
    task = SmallMaterials()
    path = tmp_path / "model.onnx"
    export.export(task, randomised(task), path, note="a test")
    session = export.session(path)

    assert [(one.name, one.type, one.shape) for one in session.get_inputs()] == [
        ("PIXELS", "tensor(uint8)", ["batch", 128, 128, 3])
    ]
    assert [(one.name, one.type, one.shape) for one in session.get_outputs()] == [
        ("BOXES", "tensor(float)", ["batch", MAX_DETECTIONS, 4]),
        ("SCORES", "tensor(float)", ["batch", MAX_DETECTIONS]),
        ("CLASSES", "tensor(int64)", ["batch", MAX_DETECTIONS]),
        ("BRANDS", "tensor(float)", ["batch", MAX_DETECTIONS, len(BRANDS)]),
    ]
    pixels = np.random.default_rng(1).integers(0, 256, (2, 128, 128, 3), np.uint8)
    boxes, scores, _, brands = session.run(None, {"PIXELS": pixels})
    assert (np.diff(scores, axis=1) <= 0).all()
    assert boxes.min() >= 0.0
    assert boxes.max() <= 1.0
    assert brands.sum(axis=2) == pytest.approx(np.ones((2, MAX_DETECTIONS)), abs=1e-4)


def test_a_file_over_the_limit_is_refused(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MAX_BYTES", 1000)

    with pytest.raises(ValueError, match="over the limit of 1000"):
        export.export(tiny_task, randomised(tiny_task), tmp_path / "model.onnx", note="")


def test_a_file_that_answers_otherwise_is_refused(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "difference", lambda *_: {"SCORES": 0.5})

    with pytest.raises(ValueError, match="differs from the network"):
        export.export(tiny_task, randomised(tiny_task), tmp_path / "model.onnx", note="")


def test_widths_scale_the_network() -> None:
    def size(width: float) -> int:
        network = Detector(classes=3, width=width)
        return sum(weight.numel() for weight in network.parameters())

    assert size(0.5) * 2.5 < size(1.0) < 1_500_000
