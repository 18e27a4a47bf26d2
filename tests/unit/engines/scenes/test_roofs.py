"""Roof scenes: the same from the same seed, and boxes that tell the truth about the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from engines.contract import CLASSES
from engines.scenes.roofs import draw

SIZE = (640, 480)
SEEDS = range(8)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_seed_is_a_scene(seed: int) -> None:
    first, second = draw(seed, SIZE), draw(seed, SIZE)

    assert np.array_equal(first.pixels, second.pixels)
    assert first.boxes == second.boxes
    assert first.pixels.shape == (480, 640, 3)
    assert first.pixels.dtype == np.uint8


def test_seeds_differ() -> None:
    assert not np.array_equal(draw(1, SIZE).pixels, draw(2, SIZE).pixels)


def test_boxes_lie_in_the_frame_and_are_large_enough() -> None:
    boxes = [box for seed in SEEDS for box in draw(seed, SIZE).boxes]

    assert {box.name for box in boxes} == set(CLASSES["damage"])
    for box in boxes:
        assert 0 <= box.x_min < box.x_max <= SIZE[0]
        assert 0 <= box.y_min < box.y_max <= SIZE[1]
        assert min(box.x_max - box.x_min, box.y_max - box.y_min) >= 0.018 * max(SIZE)


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_cover_what_damage_changed_and_nothing_else(seed: int) -> None:
    hit, sound = draw(seed, SIZE), draw(seed, SIZE, damaged=False)
    change = np.abs(hit.pixels.astype(int) - sound.pixels.astype(int)).max(axis=2)
    inside = np.zeros(change.shape, bool)
    for box in hit.boxes:
        # Two pixels of soft edge may lie outside.
        rows = slice(max(0, int(box.y_min) - 2), int(box.y_max) + 3)
        columns = slice(max(0, int(box.x_min) - 2), int(box.x_max) + 3)
        inside[rows, columns] = True
        touched = change[rows, columns] > 7
        for axis in (0, 1):
            reached = np.flatnonzero(touched.any(axis=axis))
            assert reached[-1] - reached[0] > 0.6 * touched.shape[1 - axis]

    assert not (change[~inside] > 24).any()
    assert sound.boxes == ()


def test_some_roofs_are_sound() -> None:
    assert any(not draw(seed, SIZE).boxes for seed in range(40))


@pytest.mark.parametrize("size", [(480, 640), (1600, 1200)])
def test_other_sizes_show_the_same_kind_of_roof(size: tuple[int, int]) -> None:
    scene = draw(5, size)

    assert scene.pixels.shape == (size[1], size[0], 3)
    assert 40 < scene.pixels.mean() < 215
