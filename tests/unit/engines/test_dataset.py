"""Scenes become squares the way the serving path makes them, and are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines import dataset as datasets
from engines.contract import PADDING
from engines.photos import letterbox
from engines.scenes.scene import Scene
from engines.scenes.textures import encode_jpeg
from engines.task_registry import task_named
from engines.tasks import Task


def halves(width: int, height: int) -> np.ndarray:
    """Left half dark, right half bright."""
    pixels = np.full((height, width, 3), 30, np.uint8)
    pixels[:, width // 2 :] = 220
    return pixels


def test_letterbox_puts_the_photo_at_the_top_left() -> None:
    square = letterbox(encode_jpeg(halves(800, 400)), 128)

    assert square.extent == (128, 64)
    assert square.scale == pytest.approx(0.16)
    assert (square.pixels[70:] == PADDING).all()
    assert square.pixels[10, 10, 0] < 50
    assert square.pixels[10, 120, 0] > 200


def test_letterbox_turns_the_photo_upright() -> None:
    square = letterbox(encode_jpeg(halves(800, 400), orientation=6), 128)

    assert square.extent == (64, 128)
    assert square.pixels[10, 10, 0] < 50
    assert square.pixels[120, 10, 0] > 200
    assert (square.pixels[:, 70:] == PADDING).all()


def test_a_small_photo_is_enlarged() -> None:
    assert letterbox(encode_jpeg(halves(64, 32)), 128).extent == (128, 64)


def test_a_photo_follows_from_its_seed(tiny_task: Task) -> None:
    first, second = datasets.photo_of(tiny_task, 5), datasets.photo_of(tiny_task, 5)

    assert first[1] == second[1]
    assert datasets.photo_of(tiny_task, 5, (96, 64))[0].pixels.shape == (64, 96, 3)


def test_sizes_follow_from_seeds_within_the_bounds() -> None:
    sizes = [datasets.sized(seed, (640, 1600)) for seed in range(200)]

    assert sizes == [datasets.sized(seed, (640, 1600)) for seed in range(200)]
    assert all(640 <= max(size) <= 1600 for size in sizes)
    assert min(map(max, sizes)) < 700
    assert max(map(max, sizes)) > 1540
    upright = sum(height > width for width, height in sizes)
    assert 60 < upright < 140
    assert all(min(size) == round(max(size) * 0.75) for size in sizes)


@pytest.fixture
def _tiny_by_name(tiny_task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "task_named", lambda _: tiny_task)


@pytest.mark.usefixtures("_tiny_by_name")
def test_a_data_set_is_drawn_once_and_serves_smaller_ones(tiny_task: Task, tmp_path: Path) -> None:
    drawn: list[int] = []
    four = datasets.load(tiny_task, range(4), tmp_path, workers=0, tick=drawn.append)
    again = datasets.load(tiny_task, range(3), tmp_path, workers=0, tick=drawn.append)

    assert len(drawn) == 4
    assert (len(four), len(again)) == (4, 3)
    assert np.array_equal(four.pixels[:3], again.pixels)
    assert four.pixels.shape == (4, 128, 128, 3)
    assert four.truth["boxes"].shape == (4, 64, 4)
    for row in range(4):
        x_min, y_min, x_max, y_max = four.truth["boxes"][row][0].astype(int)
        assert four.pixels[row, y_min + 2 : y_max - 2, x_min + 2 : x_max - 2].mean() < 40


@pytest.mark.usefixtures("_tiny_by_name")
def test_a_data_set_can_be_drawn_anew(tiny_task: Task, tmp_path: Path) -> None:
    drawn: list[int] = []
    for redraw in (False, True):
        datasets.load(tiny_task, range(2), tmp_path, workers=0, tick=drawn.append, redraw=redraw)

    assert len(drawn) == 4


@pytest.mark.usefixtures("_tiny_by_name")
def test_other_sizes_are_another_data_set(tiny_task: Task, tmp_path: Path) -> None:
    drawn: list[int] = []
    for long_side in (None, (96, 96), (96, 128), (96, 96)):
        found = datasets.load(
            tiny_task, range(3), tmp_path, workers=0, tick=drawn.append, long_side=long_side
        )
        if long_side == (96, 96):
            assert sorted(found.extents[0]) == [96, 128]  # 96 x 72, enlarged to the square's 128

    assert len(drawn) == 9


def test_workers_draw_what_this_process_draws(tmp_path: Path) -> None:
    task = task_named("damage")
    (square, truth), *_ = datasets.samples(task, range(3, 5), workers=1)
    here, expected = datasets.sample("damage", 3)

    assert np.array_equal(square.pixels, here.pixels)
    assert np.array_equal(truth["boxes"], expected["boxes"])


def test_seeds_of_the_sets_never_meet() -> None:
    starts = sorted((datasets.TRAINING_SEEDS, datasets.CALIBRATION_SEEDS, datasets.HELD_OUT_SEEDS))

    assert starts[0] >= 1_000_000
    assert min(np.diff(starts)) >= 1_000_000


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(ValueError, match="no engine 'roof'"):
        task_named("roof")


def test_scenes_name_their_engine(tiny_task: Task) -> None:
    scene = task_named("materials").draw(3, (640, 480))

    assert isinstance(scene, Scene)
    assert scene.engine == "materials"
