"""What the volume network learns from a pile, and how its answers are judged.

The loss is the negative logarithm of a Laplace density over log cubic metres, so that errors count
as shares of the truth and an outlier does not rule the batch; beside it stand the errors of what
leads there: the height map, where the pole and the cube are, and the scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional

from engines.contract import INPUT_SIZES
from engines.networks.volume import CELL_PX, HEIGHT_PX, ServableVolume, VolumeNetwork
from engines.scenes import piles
from engines.scenes.scene import Scene
from engines.scenes.solids import hull

Field = npt.NDArray[np.float32]


class VolumeTask:
    """Height map, scale and log volume of piles."""

    name = "volume"
    input_size = INPUT_SIZES["volume"]
    output_names = ("HEIGHT", "LOG_VOLUME", "LOG_SIGMA")
    # Little more than the network reads: larger photos would cost time and teach it nothing.
    photo_sizes = ((320, 240), (384, 288), (448, 336), (288, 384), (400, 225), (512, 384))

    def draw(self, seed: int, size: tuple[int, int]) -> Scene:
        return piles.draw(seed, size)

    def truth(self, scene: Scene, scale: float) -> dict[str, npt.NDArray[Any]]:
        """FLOAT32 arrays, where C = S / 4 cells of the square's side:

        ``height`` ``[C, C]`` metres; ``volume_m3`` ``[1]``; ``scale`` ``[1]``, the logarithm of
        metres per input pixel at the pile; ``targets`` ``[2, C, C]``, the share of each cell that
        the pole and the cube cover; ``target_scales`` ``[2]``, as ``scale`` but at the targets.
        """
        if scene.height_map is None or scene.volume_m3 is None:
            raise ValueError(f"scene {scene.seed} of {scene.engine} has no pile")
        rows, columns = scene.height_map.shape
        cells = self.input_size // CELL_PX
        heap, camera, targets = piles.setting(scene.seed, (columns, rows))
        extent = _cells(columns * scale, cells), _cells(rows * scale, cells)
        fitted = Image.fromarray(scene.height_map).resize(extent, Image.Resampling.BOX)
        height = np.zeros((cells, cells), np.float32)
        height[: extent[1], : extent[0]] = np.asarray(fitted)
        middles = [np.array([*heap.centre, 0.3 * float(heap.heights.max())])]
        middles += [cuboid.corners.mean(axis=0) for cuboid in targets]
        spans = np.log(camera.depth(np.stack(middles)) / (camera.focal_px * scale))
        outlines = [hull(camera.project(cuboid.corners)) * scale for cuboid in targets]
        return {
            "height": height,
            "volume_m3": np.asarray([scene.volume_m3], np.float32),
            "scale": spans[:1].astype(np.float32),
            "targets": np.stack([_covered(outline, self.input_size) for outline in outlines]),
            "target_scales": spans[1:].astype(np.float32),
        }

    def mirror(
        self, truth: Mapping[str, npt.NDArray[Any]], extent: tuple[int, int]
    ) -> dict[str, npt.NDArray[Any]]:
        wide = _cells(extent[0], self.input_size // CELL_PX)
        turned = dict(truth)
        for name in ("height", "targets"):
            turned[name] = truth[name].copy()
            turned[name][..., :wide] = truth[name][..., :wide][..., ::-1]
        return turned

    def build(self, width: float) -> nn.Module:
        return VolumeNetwork(width)

    def loss(self, outputs: Any, truth: Mapping[str, Tensor]) -> Tensor:
        off = (outputs["log_volume"] - torch.log(truth["volume_m3"])).abs()
        spread = outputs["log_spread"]
        # The second part keeps the network from excusing itself with a wide spread early on.
        volume = (off * torch.exp(-spread) + spread).mean() + off.mean()
        span = HEIGHT_PX * truth["scale"].exp()[:, :, None]
        pile = (truth["height"] > 0.0).float()
        gap = (outputs["height_px"] - truth["height"] / span).abs() * pile
        height = gap.sum() / (pile.sum() + 1.0)
        shown = torch.cat([pile[:, None], truth["targets"]], dim=1)
        unclear = functional.binary_cross_entropy_with_logits(
            outputs["logits"], shown, reduction="none"
        )
        # Each kind weighs the same, however few cells it covers.
        places = (unclear.sum(dim=(0, 2, 3)) / (shown.sum(dim=(0, 2, 3)) + 1.0)).mean()
        scale = (outputs["scale"] - truth["scale"]).abs().mean()
        target_scales = (outputs["target_scales"] - truth["target_scales"]).abs().mean()
        total: Tensor = volume + height + places + 3.0 * scale + 2.0 * target_scales
        return total

    def servable(self, network: nn.Module) -> nn.Module:
        return ServableVolume(network)


def _cells(pixels: float, most: int) -> int:
    return min(most, max(1, round(pixels / CELL_PX)))


def _covered(outline: npt.NDArray[np.float64], side: int) -> Field:
    """The share of each cell that an outline in input pixels covers."""
    zoom = 4
    mask = Image.new("L", (side * zoom, side * zoom))
    ImageDraw.Draw(mask).polygon([(float(x) * zoom, float(y) * zoom) for x, y in outline], fill=255)
    shares: Field = np.asarray(mask.reduce(CELL_PX * zoom), np.float32) / np.float32(255)
    return shares
