"""A task so small that a network trains on it within a second."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from engines.dataset import Dataset
from engines.networks.damage import DamageTask
from engines.scenes.scene import Box, Scene


class TinyTask(DamageTask):
    """Dark squares on grey, in photos of 128 pixels, learnt from windows of 96."""

    crop_side = 96

    @property
    def input_size(self) -> int:
        return 128

    def draw(self, seed: int, size: tuple[int, int]) -> Scene:
        rng = np.random.default_rng(seed)
        width, height = size
        pixels = rng.integers(110, 150, (height, width, 3), np.uint8)
        side = max(size) // 5
        x, y = (int(rng.integers(2, length - side - 2)) for length in size)
        pixels[y : y + side, x : x + side] = 20
        return Scene("damage", seed, pixels, (Box("hail", x, y, x + side, y + side),))


@pytest.fixture
def tiny_task() -> TinyTask:
    return TinyTask()


@pytest.fixture
def tiny_dataset(tiny_task: TinyTask) -> Dataset:
    scenes = [tiny_task.draw(seed, (128, 96)) for seed in range(16)]
    pixels = np.full((16, 128, 128, 3), 114, np.uint8)
    for index, scene in enumerate(scenes):
        pixels[index, :96] = scene.pixels
    rows = [tiny_task.truth(scene, 1.0) for scene in scenes]
    truth = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return Dataset(pixels, np.tile(np.array([128, 96]), (16, 1)), truth)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """One core: small tensors are slower on more, and other tests run beside these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
