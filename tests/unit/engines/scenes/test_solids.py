"""Cuboids in perspective: outlines, order of painting, what hides what."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engines.scenes.pinhole import Camera
from engines.scenes.site_items import Group, Label
from engines.scenes.site_layout import Layout, boxes_of, is_plain
from engines.scenes.solids import Cuboid, Skin, area, back_to_front, hull

CAMERA = Camera(width=640, height=480, focal_px=500.0, height_m=2.0, pitch=0.3)
_FACE = Image.new("RGB", (8, 8), (200, 30, 30))
SKIN = Skin(_FACE, _FACE, _FACE)


def _crate(x: float, y: float, z: float = 0.0, *, part_of: int = -1) -> Cuboid:
    return Cuboid((x, y, z), (0.6, 0.4, 0.5), 0.2, SKIN, part_of)


def test_the_ground_point_ahead_lies_below_the_middle_of_the_photo() -> None:
    x, y = CAMERA.project(np.array([0.0, 2.0 / np.tan(0.3), 0.0]))
    np.testing.assert_allclose((x, y), (320, 240), atol=1e-6)


def test_a_pixel_and_the_ground_it_sees_project_onto_each_other() -> None:
    x, y, seen = CAMERA.ground()
    assert seen[400, 100]
    point = np.array([x[400, 100], y[400, 100], 0.0])
    np.testing.assert_allclose(CAMERA.project(point), (100.5, 400.5), atol=1e-2)


def test_the_hull_of_a_square_with_a_point_inside_is_the_square() -> None:
    square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2], [1, 1], [1, 0]])
    assert len(hull(square)) == 4
    assert area(hull(square)) == 4.0


def test_what_is_nearer_or_on_top_is_painted_later() -> None:
    far, near, upper = _crate(0, 6), _crate(0.1, 4), _crate(0.1, 4, 0.5)
    order = back_to_front([upper, near, far], CAMERA)
    assert order == [2, 1, 0]
    assert back_to_front([], CAMERA) == []


def test_an_object_behind_another_makes_a_layout_unclear() -> None:
    camera = Camera(width=640, height=480, focal_px=500.0, height_m=0.6, pitch=0.02)
    hidden = Layout(
        (_crate(0, 4.2, part_of=0), _crate(0, 3.4, part_of=1)), (Label("plywood"), Label("plywood"))
    )
    assert not is_plain(hidden, camera)
    apart = Layout(
        (_crate(-0.8, 4.2, part_of=0), _crate(0.6, 3.4, part_of=1)),
        (Label("plywood"), Label("plywood")),
    )
    assert is_plain(apart, camera)


def test_a_box_is_the_projected_cuboid_cut_by_the_frame() -> None:
    crate = _crate(-1.9, 3.0, part_of=0)
    (box,) = boxes_of(Layout((crate,), (Label("shingle", "northgate"),)), CAMERA)
    pixels = CAMERA.project(crate.corners)
    assert pixels[:, 0].min() < 0 == box.x_min
    np.testing.assert_allclose(
        (box.y_min, box.x_max, box.y_max),
        (pixels[:, 1].min(), pixels[:, 0].max(), pixels[:, 1].max()),
    )
    assert box.brand == "northgate"


def test_a_group_keeps_its_shape_when_it_is_put_down() -> None:
    group = Group((_crate(0, 0, part_of=0), _crate(1, 0, part_of=1)), (Label("plywood"),) * 2)
    first, second = group.placed(3.0, 5.0, np.pi / 2, first_label=4)
    np.testing.assert_allclose(first.centre, (3, 5, 0), atol=1e-9)
    np.testing.assert_allclose(second.centre, (3, 6, 0), atol=1e-9)
    assert (first.part_of, second.part_of) == (4, 5)
