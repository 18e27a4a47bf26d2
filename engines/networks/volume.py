"""The volume engine: one photo of a pile to cubic metres, by way of a height map.

An encoder reads the square down to one thirty-second; what it pooled over the whole photo
(how large the pole and the cube look, where the horizon lies) is added back at the bottom, so that
every place of the photo knows its scale. A decoder answers, for each cell of 4 x 4 pixels, the
material's height above ground in metres and the ground, in square metres, that the cell stands
for. Their product summed over the cells is a first volume; a small head over the pooled features
corrects it (for the pile's hidden back, above all) and says how sure it is.

The loss is the negative logarithm of a Laplace density over log cubic metres, so that errors count
as shares of the truth and an outlier does not rule the batch, plus the height map's own error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from engines.contract import INPUT_SIZES
from engines.networks.layers import ConvUnit, ResidualUnit, to_input
from engines.scenes import piles
from engines.scenes.scene import Scene

CELL_PX: Final = 4
_HEIGHT_WEIGHT: Final = 1.0
_LEAST_SCALE, _MOST_SCALE = -4.0, 1.0


class VolumeNetwork(nn.Module):
    """FLOAT ``[b, 3, S, S]`` to height, log volume and log scale; see the module's text."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        fine, middle, coarse, deep = (max(8, round(width * c / 8) * 8) for c in (32, 64, 96, 160))
        self.stem = nn.Sequential(
            ConvUnit(3, 16, kernel=5, stride=2),
            ConvUnit(16, fine, stride=2),
            ResidualUnit(fine),
        )
        self.down_8 = nn.Sequential(ConvUnit(fine, middle, stride=2), ResidualUnit(middle))
        self.down_16 = nn.Sequential(
            ConvUnit(middle, coarse, stride=2), ResidualUnit(coarse), ResidualUnit(coarse)
        )
        self.down_32 = nn.Sequential(
            ConvUnit(coarse, deep, stride=2), ResidualUnit(deep), ResidualUnit(deep)
        )
        self.scene = nn.Sequential(nn.Linear(2 * deep, deep), nn.ReLU(), nn.Linear(deep, deep))
        self.across = nn.ModuleList(
            [nn.Conv2d(deep, 48, 1), nn.Conv2d(coarse, 48, 1), nn.Conv2d(middle, 48, 1)]
        )
        self.last_across = nn.Conv2d(fine, 48, 1)
        self.smooth = nn.ModuleList([ConvUnit(48, 48), ConvUnit(48, 48), ConvUnit(48, 32)])
        self.maps = nn.Conv2d(32, 2, 1)
        self.head = nn.Sequential(
            nn.Linear(2 * deep + 32 + 1, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU()
        )
        self.answer = nn.Linear(96, 2)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)
        # Untrained: a decimetre on a fiftieth of a square metre, so that sums start near the truth.
        nn.init.constant_(self.maps.weight, 0.0)
        with torch.no_grad():
            self.maps.bias[:] = torch.tensor([-2.0, -4.0])  # type: ignore[index]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        at_4 = self.stem(images)
        at_8 = self.down_8(at_4)
        at_16 = self.down_16(at_8)
        at_32 = self.down_32(at_16)
        pooled = torch.cat([at_32.mean(dim=(2, 3)), at_32.amax(dim=(2, 3))], dim=1)
        placed = at_32 + self.scene(pooled)[:, :, None, None]
        features = self.across[0](placed)
        for level, (across, smooth) in enumerate(
            ((self.across[1], self.smooth[0]), (self.across[2], self.smooth[1]))
        ):
            features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = smooth(features + across((at_16, at_8)[level]))
        features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
        features = self.smooth[2](features + self.last_across(at_4))
        # Where the layers above ran in sixteen bits, sums and logarithms still need all of theirs.
        features, pooled = features.float(), pooled.float()
        maps = self.maps(features).float()
        height = functional.softplus(maps[:, 0])
        ground = torch.exp(maps[:, 1].clamp(-12.0, 4.0))
        first = torch.log((height * ground).sum(dim=(1, 2)) + 1e-3)[:, None]
        share = height / (height.sum(dim=(1, 2), keepdim=True) + 1e-3)
        of_pile = (features * share[:, None]).sum(dim=(2, 3))
        answer = self.answer(self.head(torch.cat([pooled, of_pile, first], dim=1))).float()
        return {
            "height": height,
            "log_volume": first + answer[:, :1],
            "log_scale": answer[:, 1:].clamp(_LEAST_SCALE, _MOST_SCALE),
        }


class ServableVolume(nn.Module):
    """The exported graph: pixels in, the three outputs of ``VolumeTask.output_names`` out.

    ``LOG_SIGMA`` is the logarithm of the Laplace distribution's scale b over log cubic metres.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = self.network(to_input(pixels))
        return found["height"], found["log_volume"], found["log_scale"]


class VolumeTask:
    """Height map and log volume of piles."""

    name = "volume"
    input_size = INPUT_SIZES["volume"]
    output_names = ("HEIGHT", "LOG_VOLUME", "LOG_SIGMA")
    # Little more than the network reads: larger photos would cost time and teach it nothing.
    photo_sizes = ((320, 240), (384, 288), (448, 336), (288, 384), (400, 225), (512, 384))

    def draw(self, seed: int, size: tuple[int, int]) -> Scene:
        return piles.draw(seed, size)

    def truth(self, scene: Scene, scale: float) -> dict[str, npt.NDArray[Any]]:
        """``height`` FLOAT32 ``[S / 4, S / 4]`` in metres and ``volume_m3`` FLOAT32 ``[1]``."""
        if scene.height_map is None or scene.volume_m3 is None:
            raise ValueError(f"scene {scene.seed} of {scene.engine} has no pile")
        rows, columns = scene.height_map.shape
        cells = self.input_size // CELL_PX
        extent = (
            min(cells, max(1, round(columns * scale / CELL_PX))),
            min(cells, max(1, round(rows * scale / CELL_PX))),
        )
        fitted = Image.fromarray(scene.height_map).resize(extent, Image.Resampling.BOX)
        height = np.zeros((cells, cells), np.float32)
        height[: extent[1], : extent[0]] = np.asarray(fitted)
        return {"height": height, "volume_m3": np.asarray([scene.volume_m3], np.float32)}

    def mirror(
        self, truth: Mapping[str, npt.NDArray[Any]], extent: tuple[int, int]
    ) -> dict[str, npt.NDArray[Any]]:
        wide = max(1, round(extent[0] / CELL_PX))
        height = truth["height"].copy()
        height[:, :wide] = truth["height"][:, :wide][:, ::-1]
        return {"height": height, "volume_m3": truth["volume_m3"]}

    def build(self, width: float) -> nn.Module:
        return VolumeNetwork(width)

    def loss(self, outputs: Any, truth: Mapping[str, Tensor]) -> Tensor:
        wanted = torch.log(truth["volume_m3"])
        off = (outputs["log_volume"] - wanted).abs()
        # A part that does not learn to excuse itself with a large scale keeps early training quick.
        unlikelihood = off * torch.exp(-outputs["log_scale"]) + outputs["log_scale"]
        volume = unlikelihood.mean() + 2 * off.mean()
        tallest = truth["height"].amax(dim=(1, 2), keepdim=True) + 0.1
        gap = ((outputs["height"] - truth["height"]).abs() / tallest).mean(dim=(1, 2))
        covered = (truth["height"] > 0).float().mean(dim=(1, 2)) + 0.02
        total: Tensor = volume + _HEIGHT_WEIGHT * (gap / covered).mean()
        return total

    def servable(self, network: nn.Module) -> nn.Module:
        return ServableVolume(network)
