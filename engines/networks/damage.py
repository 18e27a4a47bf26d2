"""The damage engine: hail, wind and missing shingles on roofs."""

from __future__ import annotations

from engines.networks.detection_tasks import DetectionTask
from engines.scenes import roofs
from engines.scenes.scene import Scene


class DamageTask(DetectionTask):
    """Three classes of boxes, learnt from windows of roofs."""

    name = "damage"
    crop_side = 384

    def draw(self, seed: int, size: tuple[int, int]) -> Scene:
        return roofs.draw(seed, size)
