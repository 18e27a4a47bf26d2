"""One training loop for every network: seeded, resumable, the same on every run.

The order of the scenes and each scene's augmentation follow from (seed, epoch) alone, so a run
that was cut off and resumed ends with the weights of one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engines.dataset import Dataset
from engines.networks.layers import to_input
from engines.scenes.scene import Pixels
from engines.tasks import Croppable, Task

Report = Callable[[int, int, float], None]  # epoch, scenes done in it, mean loss so far


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a network's weights beside the code."""

    engine: str
    version: int
    scenes: int
    epochs: int
    width: float = 1.0
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    seed: int = 7


class Trainer:
    """A network on its way through its recipe; ``epoch`` counts the epochs done."""

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        dataset: Dataset,
        *,
        device: str = "cpu",
        bf16: bool = False,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.bf16 = bf16
        self.task = task
        self.recipe = recipe
        self.dataset = dataset
        self.device = torch.device(device)
        network = task.build(recipe.width).to(self.device)
        # Channels last is a third faster on a CPU and never slower on a GPU.
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.epoch = 0
        self.losses: list[float] = []

    def run_epoch(self, report: Report | None = None) -> float:
        """One pass over the data set; its mean loss."""
        self.network.train()
        rng = np.random.default_rng([self.recipe.seed, self.epoch])
        order = rng.permutation(len(self.dataset))
        steps = max(1, len(order) // self.recipe.batch)
        total = 0.0
        for step in range(steps):
            rows = order[step * self.recipe.batch : (step + 1) * self.recipe.batch]
            self._set_rate(self.epoch * steps + step, steps)
            total += self._learn(rows, rng)
            if report is not None:
                report(self.epoch, (step + 1) * self.recipe.batch, total / (step + 1))
        self.epoch += 1
        self.losses.append(total / steps)
        return self.losses[-1]

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one stays whole until the new one is."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(
            {
                "recipe": asdict(self.recipe),
                "epoch": self.epoch,
                "losses": self.losses,
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            },
            partial,
        )
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Take up a checkpoint. Raises ValueError when another recipe wrote it."""
        saved = torch.load(path, map_location=self.device, weights_only=True)
        if Recipe(**saved["recipe"]) != self.recipe:
            raise ValueError(f"{path} was trained by another recipe: {saved['recipe']}")
        self.network.load_state_dict(saved["network"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.epoch = int(saved["epoch"])
        self.losses = list(saved["losses"])

    def _set_rate(self, step: int, steps: int) -> None:
        """A short warm-up, then a half cosine to nothing."""
        length = steps * self.recipe.epochs
        warm = min(100, length // 10)
        share = (step - warm) / max(1, length - warm)
        factor = (step + 1) / (warm + 1) if step < warm else 0.5 + 0.5 * math.cos(math.pi * share)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * max(factor, 0.002)

    def _learn(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> float:
        pixels, truth = batch(self.task, self.dataset, rows, rng)
        images = to_input(torch.from_numpy(pixels).to(self.device))
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            outputs = self.network(images)
        # Logarithms and boxes need all their bits; only the layers run in sixteen.
        outputs = {name: value.float() for name, value in outputs.items()}
        loss = self.task.loss(outputs, {key: value.to(self.device) for key, value in truth.items()})
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimiser.step()
        return float(loss.detach())


def batch(
    task: Task, dataset: Dataset, rows: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[Pixels, dict[str, Tensor]]:
    """Augmented squares ``[b, S, S, 3]`` and their truth, stacked."""
    squares: list[Pixels] = []
    truths: list[dict[str, npt.NDArray[Any]]] = []
    for row in rows:
        pixels = dataset.pixels[row]
        truth = {name: values[row] for name, values in dataset.truth.items()}
        if rng.random() < 0.5:
            width, height = (int(length) for length in dataset.extents[row])
            turned = pixels.copy()
            turned[:height, :width] = pixels[:height, :width][:, ::-1]
            pixels, truth = turned, task.mirror(truth, (width, height))
        if isinstance(task, Croppable):
            spare = task.input_size - task.crop_side
            x, y = (int(offset) for offset in rng.integers(0, spare + 1, 2))
            pixels = pixels[y : y + task.crop_side, x : x + task.crop_side]
            truth = task.crop(truth, (x, y))
        squares.append(jitter(pixels, rng))
        truths.append(truth)
    stacked = {
        name: torch.from_numpy(np.stack([truth[name] for truth in truths])) for name in truths[0]
    }
    return np.stack(squares), stacked


def jitter(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The same photo under another light: brightness, contrast and tint moved a little."""
    gain = rng.uniform(0.75, 1.3) * rng.uniform(0.94, 1.06, 3)
    lift = rng.uniform(-14.0, 14.0)
    levels = np.arange(256.0)[:, None] * gain + lift
    table = np.clip(levels, 0.0, 255.0).astype(np.uint8)
    return np.stack([table[:, channel][pixels[:, :, channel]] for channel in range(3)], axis=2)
