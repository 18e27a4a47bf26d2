"""The training loop learns, and a resumed run ends where an uninterrupted one does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engines.dataset import Dataset
from engines.tasks import Task
from engines.training import Recipe, Trainer, batch, jitter

RECIPE = Recipe("damage", 1, scenes=16, epochs=6, width=0.25, batch=8, learning_rate=4e-3)


@pytest.mark.parametrize("bf16", [False, True])
def test_training_lowers_the_loss(tiny_task: Task, tiny_dataset: Dataset, *, bf16: bool) -> None:
    trainer = Trainer(tiny_task, RECIPE, tiny_dataset, bf16=bf16)
    seen: list[tuple[int, int]] = []
    for _ in range(RECIPE.epochs):
        trainer.run_epoch(lambda epoch, scenes, loss: seen.append((epoch, scenes)))

    assert trainer.losses[-1] < 0.75 * trainer.losses[0]
    assert seen[:3] == [(0, 8), (0, 16), (1, 8)]


def test_a_resumed_run_ends_with_the_same_weights(
    tiny_task: Task, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, epochs=3)
    whole = Trainer(tiny_task, recipe, tiny_dataset)
    for _ in range(3):
        whole.run_epoch()

    begun = Trainer(tiny_task, recipe, tiny_dataset)
    begun.run_epoch()
    begun.save(tmp_path / "checkpoint.pt")
    resumed = Trainer(tiny_task, recipe, tiny_dataset)
    resumed.resume(tmp_path / "checkpoint.pt")
    for _ in range(2):
        resumed.run_epoch()

    assert resumed.losses == whole.losses
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_another_recipes_checkpoint_is_refused(
    tiny_task: Task, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    Trainer(tiny_task, RECIPE, tiny_dataset).save(tmp_path / "checkpoint.pt")
    other = Trainer(tiny_task, replace(RECIPE, seed=8), tiny_dataset)

    with pytest.raises(ValueError, match="another recipe"):
        other.resume(tmp_path / "checkpoint.pt")
    assert other.epoch == 0


def test_the_rate_warms_up_and_falls_to_almost_nothing(
    tiny_task: Task, tiny_dataset: Dataset
) -> None:
    trainer = Trainer(tiny_task, RECIPE, tiny_dataset)
    rates = []
    for step in range(12):
        trainer._set_rate(step, 2)
        rates.append(trainer.optimiser.param_groups[0]["lr"])

    assert max(rates) == rates[1]
    assert rates[-1] < 0.05 * max(rates)


def test_boxes_follow_mirror_and_window(tiny_task: Task, tiny_dataset: Dataset) -> None:
    pixels, truth = batch(tiny_task, tiny_dataset, np.arange(16), np.random.default_rng(3))
    assert pixels.shape == (16, 96, 96, 3)
    checked = 0
    for image, boxes, labels in zip(pixels, truth["boxes"], truth["labels"], strict=True):
        for box in boxes[labels >= 0]:
            x_min, y_min, x_max, y_max = (int(edge) for edge in box)
            assert image[y_min:y_max, x_min:x_max].mean() < 60
            checked += 1
    assert checked >= 8


def test_jitter_moves_the_light_and_not_the_scene() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    moved = jitter(ramp, np.random.default_rng(5))

    assert not np.array_equal(moved, ramp)
    assert (np.diff(moved.astype(int), axis=1) >= 0).all()
