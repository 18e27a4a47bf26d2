"""What an engine hands to the one training loop: how to draw, what to learn, how to export.

Protocol for a new engine (volume: ``engines/networks/volume_task.py``). Everything is a method of
one small class without state (``VolumeTask`` there), which ``engines/task_registry.py`` lists:

``draw(seed, size) -> Scene``
    The scene of that seed, ``size`` = (width, height).
``truth(scene, scale) -> dict[str, array]``
    What the network is to learn from one scene, as arrays of the same shape for every scene (pad
    them), in the geometry of the letterboxed input: input pixels = photo pixels x ``scale``.
    Runs in a worker process; no torch here.
``mirror(truth, extent) -> dict[str, array]``
    The same truth after the photo was flipped left to right. ``extent`` = (width, height) in input
    pixels of the photo inside the square; the padding stays at the right and the bottom.
``build(width) -> nn.Module``
    The network, ``width`` scaling its channels. ``forward`` takes FLOAT ``[batch, 3, S, S]`` as
    made by ``engines.networks.layers.to_input`` and returns whatever ``loss`` takes (a tensor or a
    dict of tensors).
``loss(outputs, truth) -> Tensor``
    A scalar; ``truth`` is the dict above, stacked into tensors (float32 or int64).
``servable(network) -> nn.Module``
    The exported graph: takes UINT8 ``[batch, S, S, 3]`` (start with ``to_input``), returns a tuple
    in the order of ``output_names``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt
from torch import Tensor, nn

from engines.scenes.scene import Scene

Truth = Mapping[str, npt.NDArray[Any]]


class Task(Protocol):
    """One engine's part of training and export; see the module's text."""

    @property
    def name(self) -> str: ...

    @property
    def input_size(self) -> int: ...

    @property
    def output_names(self) -> tuple[str, ...]: ...

    def draw(self, seed: int, size: tuple[int, int]) -> Scene: ...

    def truth(self, scene: Scene, scale: float) -> dict[str, npt.NDArray[Any]]: ...

    def mirror(self, truth: Truth, extent: tuple[int, int]) -> dict[str, npt.NDArray[Any]]: ...

    def build(self, width: float) -> nn.Module: ...

    def loss(self, outputs: Any, truth: Mapping[str, Tensor]) -> Tensor: ...

    def servable(self, network: nn.Module) -> nn.Module: ...


@runtime_checkable
class Croppable(Protocol):
    """A task that may learn from windows of its photos: more variety, and less to compute.

    ``crop_side`` is the window's side; ``crop`` gives the truth of the window whose top left
    corner lies at ``corner`` = (x, y) of the square.
    """

    crop_side: int

    def crop(self, truth: Truth, corner: tuple[int, int]) -> dict[str, npt.NDArray[Any]]: ...
