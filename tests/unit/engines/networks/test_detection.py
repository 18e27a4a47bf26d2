"""What a detector learns from boxes, and what the served graph makes of its maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engines.networks.detection_loss import detection_loss
from engines.networks.detector import ServableDetector
from engines.networks.materials import MaterialsTask
from engines.scenes.scene import Box, Scene

STRIDE = 8
BOX = (32.0, 40.0, 72.0, 80.0)  # centre (52, 60): column 6, row 7


def perfect(confidence: float = 9.0, cells: int = 16) -> dict[str, Tensor]:
    """The maps of a network that has found BOX, of class 1 and brand 2, and nothing else."""
    heat = torch.full((1, 2, cells, cells), -9.0)
    heat[0, 1, 7, 6] = confidence
    steps = (torch.arange(cells) + 0.5) * STRIDE
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    reach = torch.stack([columns - BOX[0], rows - BOX[1], BOX[2] - columns, BOX[3] - rows])
    brands = torch.zeros((1, 3, cells, cells))
    brands[:, 2] = 9.0
    distances = torch.log((reach / STRIDE).clamp(min=1e-3))[None]
    return {"heat": heat, "distances": distances, "brands": brands}


def truth() -> dict[str, Tensor]:
    return {
        "boxes": torch.tensor([[BOX, (0.0, 0.0, 0.0, 0.0)]]),
        "labels": torch.tensor([[1, -1]]),
        "brands": torch.tensor([[2, -1]]),
    }


def test_a_perfect_answer_costs_almost_nothing() -> None:
    assert float(detection_loss(perfect(), truth(), STRIDE)) < 0.01


@pytest.mark.parametrize("fault", ["unsure", "moved", "brand", "class", "ghost"])
def test_every_fault_costs(fault: str) -> None:
    maps = perfect(confidence=-3.0 if fault == "unsure" else 9.0)
    if fault == "moved":
        maps["distances"] = maps["distances"] + 0.7
    if fault == "brand":
        maps["brands"] = maps["brands"].flip(1)
    if fault == "class":
        maps["heat"] = maps["heat"].flip(1)
    if fault == "ghost":
        maps["heat"][0, 0, 2, 2] = 6.0

    assert float(detection_loss(maps, truth(), STRIDE)) > 0.2


def test_a_photo_without_objects_has_a_loss_too() -> None:
    empty = {**truth(), "labels": torch.tensor([[-1, -1]]), "brands": torch.tensor([[-1, -1]])}

    assert float(detection_loss(perfect(), empty, STRIDE)) > 1.0
    assert float(detection_loss(perfect(confidence=-9.0), empty, STRIDE)) < 0.01


def test_objects_without_brands_leave_the_brands_alone() -> None:
    unbranded = {**truth(), "brands": torch.tensor([[-1, -1]])}

    assert float(detection_loss(perfect(), unbranded, STRIDE)) < 0.01


class Fixed(nn.Module):
    """A network that always answers the same maps."""

    stride = STRIDE

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        return perfect()


def test_the_served_graph_reads_boxes_off_the_peaks() -> None:
    servable = ServableDetector(Fixed(), 128)  # type: ignore[arg-type]
    pixels = torch.zeros((1, 128, 128, 3), dtype=torch.uint8)
    boxes, scores, classes, brands = servable(pixels)

    assert boxes[0, 0].tolist() == pytest.approx([edge / 128 for edge in BOX], abs=1e-4)
    assert float(scores[0, 0]) > 0.99
    assert float(scores[0, 1]) < 0.01
    assert int(classes[0, 0]) == 1
    assert int(brands[0, 0].argmax()) == 2


def test_of_two_answers_for_one_object_the_better_stays() -> None:
    maps = perfect()
    maps["heat"][0, 1, 7, 8] = 2.0  # two cells away, with the same box
    maps["heat"][0, 0, 2, 2] = 3.0  # elsewhere

    class Twice(Fixed):
        def forward(self, pixels: Tensor) -> dict[str, Tensor]:
            return maps

    servable = ServableDetector(Twice(), 128)  # type: ignore[arg-type]
    _, scores, classes, _ = servable(torch.zeros((1, 128, 128, 3), dtype=torch.uint8))

    assert (scores[0] > 0.5).sum() == 2
    assert classes[0, :2].tolist() == [1, 0]
    assert (scores[0].diff() <= 0).all()


def test_truth_is_padded_and_scaled() -> None:
    boxes = (Box("plywood", 10, 20, 30, 40), Box("shingle", 0, 0, 8, 8, brand="stormcrest"))
    scene = Scene("materials", 1, np.zeros((60, 80, 3), np.uint8), boxes)
    task = MaterialsTask()
    rows = task.truth(scene, 0.5)

    assert rows["boxes"][0].tolist() == [5, 10, 15, 20]
    assert rows["labels"][:3].tolist() == [1, 0, -1]
    assert rows["brands"][:3].tolist() == [-1, 2, -1]
    assert task.mirror(rows, (40, 30))["boxes"][0].tolist() == [25, 10, 35, 20]
    assert task.mirror(rows, (40, 30))["boxes"][2].tolist() == [0, 0, 0, 0]


def test_a_window_keeps_what_it_shows() -> None:
    task = MaterialsTask()
    boxes = (Box("plywood", 100, 100, 200, 200), Box("plywood", 0, 0, 60, 60))
    scene = Scene("materials", 1, np.zeros((384, 384, 3), np.uint8), boxes)
    window = task.crop(task.truth(scene, 1.0), (40, 50))

    assert window["boxes"][0].tolist() == [60, 50, 160, 150]
    assert window["labels"][:2].tolist() == [1, -1]
