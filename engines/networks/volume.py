"""The volume network: one photo of a pile to cubic metres, by way of shape and scale.

A photo shows shape but no scale, and volume grows with the third power of scale; so the two are
kept apart. A decoder answers for each cell of 4 x 4 pixels whether it shows the pile, the pole or
the cube, how high the pile stands there in pixels, how much volume a cell of such height stands
for, and how many metres a pixel spans at the pole and at the cube. Where the three lie and how far
they extend (the moments of their maps) goes to a small head, which settles the one scale of the
pile, corrects for the pile's hidden back, and says how sure it is. Then

    log volume = log(sum of the cells) + 3 log(metres per pixel) + correction.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.layers import ConvUnit, ResidualUnit, to_input

CELL_PX: Final = 4
# One unit of the height map in pixels, so that its values are around 1.
HEIGHT_PX: Final = 16.0
# The logarithms of a common scale (4 cm a pixel) and of a common pile's volume in cell units.
_USUAL_SCALE, _USUAL_FORM = -3.2, 6.7
_LEAST_SPREAD, _MOST_SPREAD = -4.0, 1.0
# What a cell may show, in the order of the first maps.
THINGS: Final = ("pile", "pole", "cube")


class VolumeNetwork(nn.Module):
    """FLOAT ``[b, 3, S, S]`` to what ``VolumeTask.loss`` takes; see the module's text."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        fine, middle, coarse, deep = (max(8, round(width * c / 8) * 8) for c in (32, 64, 96, 160))
        self.stem = nn.Sequential(
            ConvUnit(3, 16, kernel=5, stride=2), ConvUnit(16, fine, stride=2), ResidualUnit(fine)
        )
        self.down_8 = nn.Sequential(ConvUnit(fine, middle, stride=2), ResidualUnit(middle))
        self.down_16 = nn.Sequential(
            ConvUnit(middle, coarse, stride=2), ResidualUnit(coarse), ResidualUnit(coarse)
        )
        self.down_32 = nn.Sequential(
            ConvUnit(coarse, deep, stride=2), ResidualUnit(deep), ResidualUnit(deep)
        )
        self.across = nn.ModuleList(
            [nn.Conv2d(channels, 48, 1) for channels in (deep, coarse, middle, fine)]
        )
        self.smooth = nn.ModuleList([ConvUnit(48, 48), ConvUnit(48, 48), ConvUnit(48, 32)])
        # Pile, pole, cube; height, share of volume; the scales at the pole and the cube.
        self.maps = nn.Conv2d(32, 7, 1)
        self.head = nn.Sequential(
            nn.Linear(2 * deep + 3 * 32 + 3 * 4 + 3, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU()
        )
        self.answer = nn.Linear(96, 3)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)
        # Untrained maps are nearly flat: no target anywhere, a low pile, the usual scale.
        with torch.no_grad():
            self.maps.weight.mul_(0.1)
        self.maps.bias = nn.Parameter(torch.tensor([-3.0, -4.0, -4.0, 1.0, 0.0, 0.0, 0.0]))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        at_4 = self.stem(images)
        at_8 = self.down_8(at_4)
        at_16 = self.down_16(at_8)
        at_32 = self.down_32(at_16)
        features = self.across[0](at_32)
        for across, smooth, skipped in zip(
            self.across[1:], self.smooth, (at_16, at_8, at_4), strict=True
        ):
            features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = smooth(features + across(skipped))
        pooled = torch.cat([at_32.mean(dim=(2, 3)), at_32.amax(dim=(2, 3))], dim=1)
        # Logarithms and moments need all their bits, whatever the layers above ran in.
        with torch.autocast(images.device.type, enabled=False):
            return self._measured(features.float(), pooled.float())

    def _measured(self, features: Tensor, pooled: Tensor) -> dict[str, Tensor]:
        maps = self.maps(features)
        logits, height = maps[:, :3], functional.softplus(maps[:, 3])
        seen = torch.sigmoid(logits)
        cells = seen[:, 0] * height * maps[:, 4].clamp(-4.0, 4.0).exp()
        form = torch.log(cells.sum(dim=(1, 2)) + 1e-3)
        weights = seen.square()
        weights = weights / (weights.sum(dim=(2, 3), keepdim=True) + 1e-4)
        # [b, 3, 32]: the features at the pile, at the pole and at the cube.
        there = torch.einsum("bkhw,bchw->bkc", weights, features).flatten(1)
        local = _USUAL_SCALE + (maps[:, 5:7] * weights[:, 1:]).sum(dim=(2, 3))
        known = [pooled, there, moments(weights).flatten(1), local + 3.2, form[:, None]]
        settled = self.answer(self.head(torch.cat(known, dim=1)))
        scale = local.mean(dim=1, keepdim=True) + settled[:, :1]
        return {
            "height_px": height,
            "logits": logits,
            "target_scales": local,
            "scale": scale,
            "log_volume": _USUAL_FORM + form[:, None] + 3.0 * scale + settled[:, 1:2],
            "log_spread": settled[:, 2:3].clamp(_LEAST_SPREAD, _MOST_SPREAD),
        }


def moments(weights: Tensor) -> Tensor:
    """Middle and log extent along x, then along y, of maps ``[b, k, h, w]`` that sum to one.

    ``[b, k, 4]``, in units of half the side.
    """
    rows, columns = weights.shape[2:]
    x = torch.linspace(-1.0, 1.0, columns, device=weights.device)
    y = torch.linspace(-1.0, 1.0, rows, device=weights.device)
    answers: list[Tensor] = []
    for share, axis in ((weights.sum(dim=2), x), (weights.sum(dim=3), y)):
        middle = (share * axis).sum(dim=2, keepdim=True)
        spread = (share * (axis - middle).square()).sum(dim=2)
        answers += [middle[..., 0], 0.5 * torch.log(spread + 1e-4)]
    return torch.stack(answers, dim=2)


class ServableVolume(nn.Module):
    """The exported graph: pixels to height map (m), log volume (m^3) and log spread.

    The spread is the scale b of a Laplace distribution over log cubic metres.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = self.network(to_input(pixels))
        unit = HEIGHT_PX * found["scale"].exp()
        height = torch.sigmoid(found["logits"][:, 0]) * found["height_px"] * unit[:, :, None]
        return height, found["log_volume"], found["log_spread"]
