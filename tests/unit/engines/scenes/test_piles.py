"""Piles: cubic metres against school geometry, and the view against the surface itself."""

from __future__ import annotations

import numpy as np
import pytest

from engines.scenes import piles
from engines.scenes.heaps import REPOSE, cone, heap_of, sunlight
from engines.scenes.heightfield_view import view_of
from engines.scenes.pinhole import Camera
from engines.scenes.scene import Scene

SIZE = (320, 240)
SEEDS = range(700, 712)


@pytest.fixture(scope="module")
def drawn() -> list[Scene]:
    return [piles.draw(seed, SIZE) for seed in SEEDS]


@pytest.mark.parametrize(("radius", "height"), [(1.0, 0.7), (3.5, 2.4)])
def test_a_cone_holds_a_third_of_base_times_height(radius: float, height: float) -> None:
    expected = np.pi * radius**2 * height / 3
    assert cone("sand", radius, height).volume_m3 == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("material", sorted(REPOSE))
def test_a_heap_holds_exactly_what_was_asked_for(material: str) -> None:
    rng = np.random.default_rng(5)
    for volume in (0.5, 7.0, 60.0):
        heap = heap_of(rng, material, volume)
        assert heap.volume_m3 == pytest.approx(volume, rel=1e-4)
        edges = (heap.heights[0], heap.heights[-1], heap.heights[:, 0], heap.heights[:, -1])
        assert max(float(edge.max()) for edge in edges) == 0.0


def test_each_pixel_sees_the_surface_where_its_ray_first_meets_it() -> None:
    heap = cone("gravel", 2.0, 1.4).moved(0.3, 6.0)
    camera = Camera(width=320, height=240, focal_px=280.0, height_m=1.8, pitch=0.15)
    view = view_of(heap, camera)
    ray_x, ray_y, ray_z = (np.broadcast_to(part, (240, 320)) for part in camera.rays())
    tops = np.argwhere(view.height > 0.05)[::97]
    assert len(tops) > 30
    for row, column in tops:
        # March along the pixel's own ray in small steps: slow and plain.
        t = np.arange(2.0, 9.0, 0.002)
        x, y = t * ray_x[row, column], t * ray_y[row, column]
        z = camera.height_m + t * ray_z[row, column]
        surface = np.clip(1.4 - 0.7 * np.hypot(x - 0.3, y - 6.0), 0, None)
        first = int(np.argmax(z <= surface))
        assert view.y[row, column] == pytest.approx(y[first], abs=0.06)
        assert view.height[row, column] == pytest.approx(surface[first], abs=0.05)


def test_no_view_with_a_rolled_camera() -> None:
    camera = Camera(width=32, height=24, focal_px=28.0, height_m=1.8, pitch=0.2, roll=0.1)
    with pytest.raises(ValueError, match="roll"):
        view_of(cone("sand", 1.0, 0.6).moved(0.0, 5.0), camera)


def test_the_side_turned_to_the_sun_is_lighter() -> None:
    heap = cone("sand", 1.0, 0.6)
    towards = np.array([-0.8, 0.0, 0.6])
    lit, upness = sunlight(heap, towards)
    middle = heap.heights.shape[0] // 2
    assert lit[middle, middle - 30] > lit[middle, middle + 30] + 0.3
    # Beyond the foot on the far side the ground lies in the cone's shadow; before it, it does not.
    assert lit[2, 2] == pytest.approx(0.6, abs=0.02)
    assert float(upness.max()) <= 1.0


def test_a_seed_names_one_photo(drawn: list[Scene]) -> None:
    again = piles.draw(SEEDS[2], SIZE)
    np.testing.assert_array_equal(again.pixels, drawn[2].pixels)
    assert again.volume_m3 == drawn[2].volume_m3
    assert not np.array_equal(drawn[2].pixels, drawn[3].pixels)


def test_the_truth_fits_the_photo(drawn: list[Scene]) -> None:
    for scene in drawn:
        assert scene.engine == "volume"
        assert scene.height_map is not None
        assert scene.volume_m3 is not None
        assert scene.height_map.shape == scene.pixels.shape[:2] == (SIZE[1], SIZE[0])
        assert piles.LEAST_M3 * 0.99 <= scene.volume_m3 <= piles.MOST_M3 * 1.01
        seen = scene.height_map > 0.05
        # The whole pile is in the photo: none of it touches the frame.
        assert seen.any()
        rim = np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]])
        assert not rim.any()


def test_the_pole_stands_in_each_photo(drawn: list[Scene]) -> None:
    for scene in drawn:
        red, green, blue = scene.pixels.astype(np.int16).transpose(2, 0, 1)
        assert ((red > 2 * green) & (red > 2 * blue) & (red > 60)).sum() >= 4
