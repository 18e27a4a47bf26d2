"""Damage and materials as tasks of the training loop: boxes in, a detector out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from engines.contract import BRANDS, CLASSES, INPUT_SIZES
from engines.networks.detection_loss import detection_loss
from engines.networks.detector import STRIDE, Detector, ServableDetector
from engines.scenes import roofs, sites
from engines.scenes.scene import Scene
from engines.tasks import Truth

MAX_BOXES = 64


class DetectionTask:
    """What both detectors share; the two below name their engine and their scenes."""

    name: str
    output_names: tuple[str, ...] = ("BOXES", "SCORES", "CLASSES")
    brands = 0

    @property
    def input_size(self) -> int:
        return INPUT_SIZES[self.name]

    def truth(self, scene: Scene, scale: float) -> dict[str, npt.NDArray[Any]]:
        """boxes ``[MAX_BOXES, 4]`` in input pixels, labels and brands, -1 where there is none."""
        boxes = np.zeros((MAX_BOXES, 4), np.float32)
        labels = np.full(MAX_BOXES, -1, np.int64)
        brands = np.full(MAX_BOXES, -1, np.int64)
        for index, box in enumerate(scene.boxes[:MAX_BOXES]):
            boxes[index] = np.array([box.x_min, box.y_min, box.x_max, box.y_max]) * scale
            labels[index] = CLASSES[self.name].index(box.name)
            if box.brand is not None:
                brands[index] = BRANDS.index(box.brand)
        return {"boxes": boxes, "labels": labels, "brands": brands}

    def mirror(self, truth: Truth, extent: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
        """The boxes of the photo seen in a mirror."""
        boxes = truth["boxes"].copy()
        boxes[:, [0, 2]] = extent[0] - boxes[:, [2, 0]]
        boxes[truth["labels"] < 0] = 0
        return {**truth, "boxes": boxes}

    def build(self, width: float) -> nn.Module:
        return Detector(classes=len(CLASSES[self.name]), brands=self.brands, width=width)

    def loss(self, outputs: Any, truth: Mapping[str, Tensor]) -> Tensor:
        return detection_loss(outputs, truth, STRIDE)

    def servable(self, network: nn.Module) -> nn.Module:
        return ServableDetector(cast(Detector, network), self.input_size)


class DamageTask(DetectionTask):
    """Hail, wind and missing shingles on roofs."""

    name = "damage"

    def draw(self, seed: int, size: tuple[int, int]) -> Scene:
        return roofs.draw(seed, size)


class MaterialsTask(DetectionTask):
    """Shingle bundles with their brand, and plywood, on building sites."""

    name = "materials"
    output_names = ("BOXES", "SCORES", "CLASSES", "BRANDS")
    brands = len(BRANDS)

    def draw(self, seed: int, size: tuple[int, int]) -> Scene:
        return sites.draw(seed, size)
