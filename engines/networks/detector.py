"""A small anchor-free detector: a heat map of object centres, and a box at each of its cells.

After CenterNet (Zhou, Wang and Krähenbühl, "Objects as Points", 2019) for the centres and FCOS
(Tian et al., 2019) for the boxes, which are four distances to the edges. One output level, fed by
all coarser ones, so that a hail mark and a whole stack are both in view: at stride 8, or at
stride 4 where objects stand so close that their centres would share a cell. What
the network is to learn and how its answer is exported are ``detection_loss.py`` and ``tasks.py``'s
protocol; this file holds the layers and the graph that is served.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.contract import MAX_DETECTIONS
from engines.networks.layers import ConvUnit, ResidualUnit, to_input

_SAME_OBJECT = 0.65  # boxes that overlap more are two answers for one object
_PRIOR = -4.0  # a cell's heat before training: about 2 %, so that the first steps do not explode


class Detector(nn.Module):
    """FLOAT ``[batch, 3, S, S]`` to maps of heat, distances and, if wanted, brands."""

    def __init__(
        self, *, classes: int, brands: int = 0, width: float = 1.0, stride: int = 8
    ) -> None:
        super().__init__()
        self.stride = stride
        first, second, third, fourth, fifth = (
            max(8, round(channels * width / 8) * 8) for channels in (16, 32, 64, 96, 128)
        )
        self.stem = nn.Sequential(ConvUnit(3, first, stride=2), ConvUnit(first, second, stride=2))
        self.fine = nn.Sequential(
            ConvUnit(second, third, stride=2),
            ResidualUnit(third),
            ResidualUnit(third),
        )
        self.middle = nn.Sequential(
            ConvUnit(third, fourth, stride=2), ResidualUnit(fourth), ResidualUnit(fourth)
        )
        self.coarse = nn.Sequential(
            ConvUnit(fourth, fifth, stride=2), ResidualUnit(fifth), ResidualUnit(fifth)
        )
        self.fifth_to_fourth = ConvUnit(fifth, fourth, kernel=1)
        self.fourth_to_third = ConvUnit(fourth, third, kernel=1)
        last = third if stride == 8 else second
        self.third_to_second = ConvUnit(third, second, kernel=1) if stride == 4 else None
        self.neck = ResidualUnit(last)
        self.trunk = ConvUnit(last, third)
        self.heat = nn.Conv2d(third, classes, 1)
        self.distances = nn.Conv2d(third, 4, 1)
        self.brands = nn.Conv2d(third, brands, 1) if brands else None
        nn.init.constant_(cast(Tensor, self.heat.bias), _PRIOR)
        nn.init.normal_(self.heat.weight, std=0.01)
        nn.init.constant_(cast(Tensor, self.distances.bias), 0.7)
        nn.init.normal_(self.distances.weight, std=0.01)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """heat: logits ``[b, classes, ...]``; distances: logs of cells, ``[b, 4, ...]``."""
        finest = self.stem(pixels)
        fine = self.fine(finest)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = middle + functional.interpolate(self.fifth_to_fourth(coarse), scale_factor=2.0)
        fine = fine + functional.interpolate(self.fourth_to_third(middle), scale_factor=2.0)
        if self.third_to_second is not None:
            fine = finest + functional.interpolate(self.third_to_second(fine), scale_factor=2.0)
        trunk = self.trunk(self.neck(fine))
        maps: dict[str, Tensor] = {
            "heat": self.heat(trunk),
            "distances": self.distances(trunk).clamp(-4.0, 5.0),
        }
        if self.brands is not None:
            maps["brands"] = self.brands(trunk)
        return maps


class ServableDetector(nn.Module):
    """The exported graph: UINT8 photos in, the ``MAX_DETECTIONS`` best boxes out.

    A cell is kept when no neighbour's best class is hotter. Of the boxes found there, one that a
    better box covers is set to score 0, all in one step (Fast NMS of YOLACT, Bolya et al., 2019):
    the usual suppression goes box by box and would be slow and not batched in ONNX Runtime.
    """

    def __init__(self, network: Detector, size: int) -> None:
        super().__init__()
        self.network = network
        self.side = size // network.stride
        steps = (torch.arange(self.side, dtype=torch.float32) + 0.5) / self.side
        rows, columns = torch.meshgrid(steps, steps, indexing="ij")
        self.register_buffer("centres", torch.stack([columns, rows]).reshape(1, 2, -1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """BOXES, SCORES, CLASSES and, for a network with brands, BRANDS; see the contract."""
        maps = self.network(to_input(pixels))
        score, chosen = torch.max(torch.sigmoid(maps["heat"]), dim=1, keepdim=True)
        peak = functional.max_pool2d(score, 3, stride=1, padding=1)
        kept = torch.where(score == peak, score, torch.zeros_like(score)).flatten(1)
        scores, cells = torch.topk(kept, MAX_DETECTIONS, dim=1)
        reach = torch.exp(maps["distances"]).flatten(2) / self.side
        centres = cast(Tensor, self.centres)
        corners = torch.cat([centres - reach[:, :2], centres + reach[:, 2:]], dim=1)
        boxes = _pick(corners, cells).clamp(0.0, 1.0)
        repeats = _covered_by_better(boxes) > _SAME_OBJECT
        scores, order = torch.topk(scores.masked_fill(repeats, 0.0), MAX_DETECTIONS, dim=1)
        boxes = torch.gather(boxes, 1, order.unsqueeze(2).expand(-1, -1, 4))
        cells = torch.gather(cells, 1, order)
        classes = torch.gather(chosen.flatten(1), 1, cells)
        if "brands" not in maps:
            return boxes, scores, classes
        brands = torch.softmax(_pick(maps["brands"].flatten(2), cells), dim=2)
        return boxes, scores, classes, brands


def _covered_by_better(boxes: Tensor) -> Tensor:
    """Of boxes ``[b, k, 4]`` from best to worst, how much a better one covers each, ``[b, k]``."""
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    sides = (high - low).clamp(min=0.0)
    shared = sides[..., 0] * sides[..., 1]
    areas = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    overlap = shared / (areas[:, :, None] + areas[:, None, :] - shared).clamp(min=1e-9)
    is_better = torch.ones((boxes.shape[1], boxes.shape[1])).tril(-1)
    return (overlap * is_better).amax(dim=2)


def _pick(maps: Tensor, cells: Tensor) -> Tensor:
    """Maps ``[b, c, cells]`` read at ``[b, k]`` cells: ``[b, k, c]``."""
    rows = maps.transpose(1, 2)
    return torch.gather(rows, 1, cells.unsqueeze(2).expand(-1, -1, maps.shape[1]))
