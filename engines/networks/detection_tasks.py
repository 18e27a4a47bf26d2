"""What damage and materials share as tasks of the training loop: boxes in, a detector out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from engines.contract import BRANDS, CLASSES, INPUT_SIZES
from engines.networks.detection_loss import detection_loss
from engines.networks.detector import Detector, ServableDetector
from engines.scenes.scene import Scene
from engines.tasks import Truth

Boxes = npt.NDArray[np.float32]

MAX_BOXES = 64
_LEAST_VISIBLE = 0.4  # share of a box that a window must show for the box to count in it


class DetectionTask:
    """A detector's part of training and export; an engine adds its name and its scenes."""

    name: str
    output_names: tuple[str, ...] = ("BOXES", "SCORES", "CLASSES")
    brands = 0
    crop_side: int
    stride = 8

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

    def crop(self, truth: Truth, corner: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
        """The boxes that a window of ``crop_side`` shows, cut by its edges."""
        whole: Boxes = truth["boxes"] - np.array([*corner, *corner], np.float32)
        cut: Boxes = np.clip(whole, 0, self.crop_side).astype(np.float32)
        visible = _areas(cut) >= _LEAST_VISIBLE * _areas(whole)
        labels = np.where(visible, truth["labels"], -1)
        brands = np.where(visible, truth["brands"], -1)
        cut[labels < 0] = 0
        return {"boxes": cut, "labels": labels, "brands": brands}

    def build(self, width: float) -> nn.Module:
        return Detector(
            classes=len(CLASSES[self.name]), brands=self.brands, width=width, stride=self.stride
        )

    def loss(self, outputs: Any, truth: Mapping[str, Tensor]) -> Tensor:
        return detection_loss(outputs, truth, self.stride)

    def servable(self, network: nn.Module) -> nn.Module:
        return ServableDetector(cast(Detector, network), self.input_size)


def _areas(boxes: Boxes) -> npt.NDArray[np.float32]:
    sides = boxes[:, 2:] - boxes[:, :2]
    areas: npt.NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return areas
