"""The roofs' camera: there and back again."""

from __future__ import annotations

import numpy as np
import pytest

from engines.scenes.roof_camera import Camera, Sheet, warp

SIZE = (320, 240)


def test_straight_down_one_unit_is_the_long_side() -> None:
    camera = Camera.over_plane(SIZE, pitch=0.0)

    assert camera.project([(0, 0), (0.5, 0)]) == pytest.approx(np.array([(160, 120), (320, 120)]))


def test_back_projection_undoes_projection() -> None:
    camera = Camera.over_plane(SIZE, pitch=-0.5, yaw=0.2, roll=0.1)
    points = np.array([(0.1, 0.2), (-0.3, 0.05)])

    assert camera.back_project(camera.project(points)) == pytest.approx(points)


def test_a_slope_seen_from_below_its_ridge_narrows_upwards() -> None:
    camera = Camera.over_plane(SIZE, pitch=-0.5)
    seen = camera.project([(-0.2, -0.2), (0.2, -0.2), (-0.2, 0.2), (0.2, 0.2)])

    assert seen[1, 0] - seen[0, 0] < seen[3, 0] - seen[2, 0]


def test_a_mark_on_the_sheet_is_seen_where_it_projects_to() -> None:
    camera = Camera.over_plane(SIZE, pitch=-0.3, roll=0.1)
    sheet = Sheet((-0.5, -0.5), 400.0, (400, 400))
    canvas = np.zeros((400, 400, 3), np.float32)
    canvas[96:105, 196:205] = 255.0
    seen, cover = warp(canvas, sheet, camera)
    rows, columns = np.nonzero(seen[:, :, 0] > 128)
    expected = camera.project(sheet.to_plane([(200.5, 100.5)]))[0]

    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx(tuple(expected), abs=0.7)
    assert cover[120, 160] == 1.0
    assert sheet.to_pixels(sheet.to_plane([(3, 4)])) == pytest.approx(np.array([(3, 4)]))
