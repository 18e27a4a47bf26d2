"""The materials engine: shingle bundles with their brand, and plywood, on building sites."""

from __future__ import annotations

from engines.contract import BRANDS
from engines.networks.detection_tasks import DetectionTask
from engines.scenes import sites
from engines.scenes.scene import Scene


class MaterialsTask(DetectionTask):
    """Two classes of boxes and a brand for each bundle, learnt from windows of sites."""

    name = "materials"
    output_names = ("BOXES", "SCORES", "CLASSES", "BRANDS")
    brands = len(BRANDS)
    crop_side = 320
    stride = 4

    def draw(self, seed: int, size: tuple[int, int]) -> Scene:
        return sites.draw(seed, size)
