"""Sites: the same seed gives the same photo, and what the truth says is what the photo shows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from engines.contract import BRANDS, CLASSES
from engines.scenes import sites
from engines.scenes.scene import Scene

SIZE = (320, 240)
SEEDS = range(500, 524)


@pytest.fixture(scope="module")
def drawn() -> list[Scene]:
    return [sites.draw(seed, SIZE) for seed in SEEDS]


def test_a_seed_names_one_photo(drawn: list[Scene]) -> None:
    again = sites.draw(SEEDS[3], SIZE)
    np.testing.assert_array_equal(again.pixels, drawn[3].pixels)
    assert again.boxes == drawn[3].boxes
    assert not np.array_equal(drawn[3].pixels, drawn[4].pixels)


@pytest.mark.parametrize("size", [(640, 480), (300, 400)])
def test_a_photo_has_the_size_asked_for(size: tuple[int, int]) -> None:
    scene = sites.draw(1, size)
    assert scene.engine == "materials"
    assert scene.pixels.shape == (size[1], size[0], 3)
    assert scene.pixels.dtype == np.uint8


def test_boxes_lie_in_the_frame_and_are_large_enough_to_see(drawn: list[Scene]) -> None:
    for scene in drawn:
        assert len(scene.boxes) <= sites.MOST_OBJECTS
        for box in scene.boxes:
            assert 0 <= box.x_min < box.x_max <= SIZE[0]
            assert 0 <= box.y_min < box.y_max <= SIZE[1]
            assert max(box.x_max - box.x_min, box.y_max - box.y_min) >= 0.04 * max(SIZE)


def test_only_bundles_have_a_brand(drawn: list[Scene]) -> None:
    for box in (box for scene in drawn for box in scene.boxes):
        assert box.name in CLASSES["materials"]
        assert (box.brand in BRANDS) if box.name == "shingle" else box.brand is None


def test_every_kind_and_brand_turns_up_and_some_sites_are_bare(drawn: list[Scene]) -> None:
    boxes = Counter(box.brand or box.name for scene in drawn for box in scene.boxes)
    assert set(boxes) == {*BRANDS, "plywood"}
    assert any(not sites.draw(seed, (160, 120)).boxes for seed in range(60))


def test_a_bundle_is_drawn_where_its_box_is(drawn: list[Scene]) -> None:
    # Wrappers are the most colourful thing on a site: their boxes stand out from all the rest.
    inside, outside = [], []
    for scene in drawn:
        colour = np.ptp(scene.pixels.astype(np.int16), axis=2)
        of_bundle = np.zeros(colour.shape, bool)
        for box in scene.boxes:
            if box.name == "shingle":
                rows = slice(int(box.y_min), int(np.ceil(box.y_max)))
                of_bundle[rows, int(box.x_min) : int(np.ceil(box.x_max))] = True
        if of_bundle.any():
            inside.append(float((colour[of_bundle] > 110).mean()))
            outside.append(float((colour[~of_bundle] > 110).mean()))
    assert len(inside) > 10
    assert np.mean(inside) > 10 * np.mean(outside)
