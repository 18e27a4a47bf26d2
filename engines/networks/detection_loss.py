"""What a detector is to learn from boxes: heat at their centres, edges, brands."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

_SPREAD = 0.14  # deviation of a centre's heat, in shares of the box's sides
_SHARE_OF_BOX = 0.35  # cells as hot as this also learn the box and the brand


def detection_loss(maps: Mapping[str, Tensor], truth: Mapping[str, Tensor], stride: int) -> Tensor:
    """Focal loss of the heat, GIoU of the boxes and cross-entropy of the brands, summed.

    ``truth["boxes"]``: FLOAT ``[b, n, 4]`` in input pixels, ``truth["labels"]`` and
    ``truth["brands"]``: INT64 ``[b, n]``, -1 where there is none.
    """
    heat = maps["heat"]
    boxes = truth["boxes"] / stride
    labels = truth["labels"]
    present = labels >= 0
    warmth = _warmth(boxes, present, heat.shape[2], heat.shape[3])
    centres = _centre_cells(boxes, present, heat.shape[2], heat.shape[3])
    is_class = functional.one_hot(labels.clamp(min=0), heat.shape[1]).permute(0, 2, 1)
    wanted = torch.stack(
        [
            (warmth * is_class[:, index, :, None, None]).amax(dim=1)
            for index in range(heat.shape[1])
        ],
        dim=1,
    )
    hit = torch.stack(
        [
            (centres * is_class[:, index, :, None, None]).amax(dim=1)
            for index in range(heat.shape[1])
        ],
        dim=1,
    )
    count = present.sum().clamp(min=1).float()
    loss = _focal(heat, wanted, hit) / count

    strongest, owner = warmth.amax(dim=1), warmth.argmax(dim=1)
    learns = (strongest > _SHARE_OF_BOX) | (centres.amax(dim=1) > 0)
    if bool(learns.any()):
        sample, row, column = torch.nonzero(learns, as_tuple=True)
        box = boxes[sample, owner[sample, row, column]]
        weight = strongest[sample, row, column].clamp(min=_SHARE_OF_BOX)
        reach = torch.exp(maps["distances"][sample, :, row, column])
        centre = torch.stack([column, row], dim=1).float() + 0.5
        guess = torch.cat([centre - reach[:, :2], centre + reach[:, 2:]], dim=1)
        loss = loss + 2.0 * ((1.0 - _giou(guess, box)) * weight).sum() / weight.sum()
        if "brands" in maps:
            brand = truth["brands"][sample, owner[sample, row, column]]
            logits = maps["brands"][sample, :, row, column]
            loss = loss + 0.5 * _brand_loss(logits, brand)
    return loss


def _warmth(boxes: Tensor, present: Tensor, rows: int, columns: int) -> Tensor:
    """A bell over each box's centre, ``[b, n, rows, columns]``."""
    centre_x = (boxes[:, :, 0] + boxes[:, :, 2]) / 2
    centre_y = (boxes[:, :, 1] + boxes[:, :, 3]) / 2
    spread_x = ((boxes[:, :, 2] - boxes[:, :, 0]) * _SPREAD).clamp(min=0.45)
    spread_y = ((boxes[:, :, 3] - boxes[:, :, 1]) * _SPREAD).clamp(min=0.45)
    xs = torch.arange(columns, device=boxes.device).float() + 0.5
    ys = torch.arange(rows, device=boxes.device).float() + 0.5
    across = torch.exp(-0.5 * ((xs - centre_x[..., None]) / spread_x[..., None]) ** 2)
    down = torch.exp(-0.5 * ((ys - centre_y[..., None]) / spread_y[..., None]) ** 2)
    return down[..., :, None] * across[..., None, :] * present[..., None, None].float()


def _centre_cells(boxes: Tensor, present: Tensor, rows: int, columns: int) -> Tensor:
    """1 in the one cell that holds each box's centre, ``[b, n, rows, columns]``."""
    column = ((boxes[:, :, 0] + boxes[:, :, 2]) / 2).long().clamp(0, columns - 1)
    row = ((boxes[:, :, 1] + boxes[:, :, 3]) / 2).long().clamp(0, rows - 1)
    across = functional.one_hot(column, columns).float()
    down = functional.one_hot(row, rows).float()
    return down[..., :, None] * across[..., None, :] * present[..., None, None].float()


def _focal(heat: Tensor, wanted: Tensor, hit: Tensor) -> Tensor:
    """CenterNet's penalty-reduced focal loss (alpha 2, beta 4), summed."""
    probability = torch.sigmoid(heat)
    found = functional.logsigmoid(heat) * (1 - probability) ** 2 * hit
    empty = functional.logsigmoid(-heat) * probability**2 * (1 - wanted) ** 4 * (1 - hit)
    return -(found + empty).sum()


def _giou(first: Tensor, second: Tensor) -> Tensor:
    """Generalised overlap of boxes ``[n, 4]`` (Rezatofighi et al., 2019), -1..1."""
    low = torch.maximum(first[:, :2], second[:, :2])
    high = torch.minimum(first[:, 2:], second[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    areas = (first[:, 2:] - first[:, :2]).prod(dim=1) + (second[:, 2:] - second[:, :2]).prod(dim=1)
    union = (areas - shared).clamp(min=1e-6)
    hull = torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])
    around = hull.prod(dim=1).clamp(min=1e-6)
    return shared / union - (around - union) / around


def _brand_loss(logits: Tensor, brand: Tensor) -> Tensor:
    branded = brand >= 0
    if not bool(branded.any()):
        return logits.sum() * 0.0
    return functional.cross_entropy(logits[branded], brand[branded])
