"""Layers that the networks share. Plain convolutions: a CPU runs them fast and ONNX knows them."""

from __future__ import annotations

from torch import Tensor, nn


def to_input(pixels: Tensor) -> Tensor:
    """UINT8 ``[batch, S, S, 3]`` to FLOAT ``[batch, 3, S, S]`` in -2..2; part of every graph."""
    return pixels.permute(0, 3, 1, 2).float() * (1.0 / 64.0) - (114.0 / 64.0)


class ConvUnit(nn.Sequential):
    """Convolution, batch norm, ReLU; export folds the norm into the convolution."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(
                inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
            ),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class ResidualUnit(nn.Module):
    """A narrow bottleneck beside a shortcut: 1x1 to half the channels, 3x3 back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = ConvUnit(channels, channels // 2, kernel=1)
        self.widen = ConvUnit(channels // 2, channels)

    def forward(self, features: Tensor) -> Tensor:
        widened: Tensor = self.widen(self.narrow(features))
        return features + widened
