"""The volume network: shapes, what its loss rewards, and one graph in torch and in ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from engines.export import difference, export, session
from engines.networks.volume import CELL_PX, HEIGHT_PX, moments
from engines.networks.volume_task import VolumeTask
from engines.scenes import piles
from engines.scenes.scene import Scene

CELLS = VolumeTask.input_size // CELL_PX


def _made_up_truth(cells: int) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    return {
        "height": torch.rand(2, cells, cells, generator=rng),
        "volume_m3": torch.tensor([[2.0], [30.0]]),
        "scale": torch.tensor([[-3.6], [-2.9]]),
        "targets": (torch.rand(2, 2, cells, cells, generator=rng) > 0.9).float(),
        "target_scales": torch.tensor([[-3.6, -3.5], [-3.0, -2.9]]),
    }


@pytest.fixture
def task() -> VolumeTask:
    return VolumeTask()


@pytest.fixture(scope="module")
def scene() -> Scene:
    return piles.draw(3, (320, 240))


def test_the_truth_keeps_the_heights_in_the_photo_s_part_of_the_square(
    task: VolumeTask, scene: Scene
) -> None:
    truth = task.truth(scene, task.input_size / 320)
    assert scene.height_map is not None
    assert truth["height"].shape == (CELLS, CELLS)
    assert truth["height"][48:].max() == 0.0
    assert truth["height"][:48].mean() == pytest.approx(scene.height_map.mean(), rel=0.01)
    assert truth["volume_m3"] == pytest.approx([scene.volume_m3])


def test_the_truth_knows_the_scale_at_the_pile_and_at_the_targets(
    task: VolumeTask, scene: Scene
) -> None:
    truth = task.truth(scene, task.input_size / 320)
    pole, cube = truth["targets"]
    # A pole of 2 m spans as many cells as the scale at its middle says, but for its tilt.
    rows = np.flatnonzero(pole.max(axis=1) > 0.2)
    tall_px = (rows[-1] - rows[0] + 1) * CELL_PX
    assert tall_px * np.exp(truth["target_scales"][0]) == pytest.approx(2.0, rel=0.15)
    assert cube.sum() > 0
    assert not (pole * cube).any()
    assert truth["scale"][0] == pytest.approx(truth["target_scales"].mean(), abs=0.4)


def test_a_scene_without_a_pile_teaches_no_volume(task: VolumeTask) -> None:
    bare = Scene("materials", 9, np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="scene 9 of materials has no pile"):
        task.truth(bare, 1.0)


def test_mirroring_twice_gives_the_truth_back(task: VolumeTask, scene: Scene) -> None:
    truth = task.truth(scene, task.input_size / 320)
    once = task.mirror(truth, (256, 192))
    np.testing.assert_array_equal(once["height"][:48], truth["height"][:48, ::-1])
    again = task.mirror(once, (256, 192))
    assert set(again) == set(truth)
    for name, values in truth.items():
        np.testing.assert_array_equal(again[name], values)
    # A portrait photo fills the left of the square only.
    tall = task.mirror(truth, (192, 256))
    np.testing.assert_array_equal(tall["height"][:, :48], truth["height"][:, :48][:, ::-1])
    np.testing.assert_array_equal(tall["height"][:, 48:], truth["height"][:, 48:])


def test_the_loss_falls_as_the_answer_nears_the_truth(task: VolumeTask) -> None:
    truth = _made_up_truth(CELLS)
    shown = torch.cat([truth["height"][:, None], truth["targets"]], dim=1)

    def loss(off: float, log_spread: float) -> float:
        span = HEIGHT_PX * truth["scale"].exp()[:, :, None]
        outputs = {
            "height_px": truth["height"] / span + off,
            "logits": torch.where(shown > 0, 20.0 - 20 * off, -20.0 + 20 * off),
            "target_scales": truth["target_scales"] + off,
            "scale": truth["scale"] + off,
            "log_volume": torch.log(truth["volume_m3"]) + off,
            "log_spread": torch.full((2, 1), log_spread),
        }
        return float(task.loss(outputs, truth))

    assert loss(0.0, -2.0) < loss(0.1, -2.0) < loss(0.5, -2.0)
    # Being sure pays only where one is right.
    assert loss(0.0, -3.0) < loss(0.0, -1.0)
    assert loss(0.8, -3.0) > loss(0.8, -1.0)


def test_a_few_steps_bring_the_loss_down(task: VolumeTask, scene: Scene) -> None:
    torch.manual_seed(0)
    network = task.build(0.25)
    images = torch.randn(2, 3, 64, 64)
    truth = _made_up_truth(64 // CELL_PX)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        loss = task.loss(network(images), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1.0


def test_the_exported_file_answers_as_the_network_does(task: VolumeTask, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = task.build(0.25).eval()
    path = tmp_path / "model.onnx"
    export(task, network, path, note="untrained")
    assert max(difference(task, network, path).values()) < 1e-3
    runner = session(path)
    for batch in (1, 5):
        pixels = np.full((batch, 256, 256, 3), 90, np.uint8)
        height, log_volume, log_sigma = runner.run(list(task.output_names), {"PIXELS": pixels})
        assert height.shape == (batch, CELLS, CELLS)
        assert log_volume.shape == log_sigma.shape == (batch, 1)
        assert height.min() >= 0.0


def test_moments_tell_where_a_map_lies_and_how_far_it_extends() -> None:
    weights = torch.zeros(1, 1, 41, 41)
    weights[0, 0, 10:31, 30] = 1 / 21
    x, log_wide, y, log_tall = moments(weights)[0, 0].tolist()
    assert (x, y) == pytest.approx((0.5, 0.0), abs=1e-6)
    # 21 of 41 rows span 1.05 of -1..1; an even line's deviation is its length over sqrt(12).
    assert np.exp(log_tall) == pytest.approx(1.05 / np.sqrt(12), rel=0.01)
    assert log_wide < log_tall - 2.0
