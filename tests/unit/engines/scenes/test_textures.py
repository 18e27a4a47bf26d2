"""Noise, soft shapes and the camera's faults."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from engines.scenes import textures


def grey(height: int = 60, width: int = 80, level: float = 100.0) -> textures.Canvas:
    return np.full((height, width, 3), level, np.float32)


def test_value_noise_is_smooth_and_centred() -> None:
    noise = textures.value_noise(np.random.default_rng(1), (200, 300), 20.0, octaves=2)

    assert noise.shape == (200, 300)
    assert abs(float(noise.mean())) < 0.15
    assert float(np.abs(np.diff(noise, axis=1)).mean()) < 0.1


def test_streaks_run_along_the_longer_side_of_their_cell() -> None:
    noise = textures.value_noise(np.random.default_rng(1), (100, 100), (50.0, 2.0))

    assert np.abs(np.diff(noise, axis=0)).mean() < np.abs(np.diff(noise, axis=1)).mean() / 4


def test_grain_has_deviation_one() -> None:
    grain = textures.grain(np.random.default_rng(1), (600, 50))

    assert grain.shape == (600, 50)
    assert abs(float(grain.std()) - 1.0) < 0.05


def test_fill_paints_the_inside_only() -> None:
    canvas = grey()
    textures.fill(canvas, textures.rectangle(10, 20, 30, 40), (200.0, 0.0, 0.0))

    assert canvas[30, 20].tolist() == [200.0, 0.0, 0.0]
    assert canvas[30, 50].tolist() == [100.0, 100.0, 100.0]
    assert canvas[10, 20].tolist() == [100.0, 100.0, 100.0]


def test_fill_takes_a_picture() -> None:
    canvas = grey()
    textures.fill(canvas, textures.rectangle(10, 20, 30, 40), grey(level=7.0))

    assert canvas[30, 20].tolist() == [7.0, 7.0, 7.0]


def test_shapes_outside_the_canvas_change_nothing() -> None:
    canvas = grey()
    textures.fill(canvas, textures.rectangle(-50, -50, -20, -20), (0.0, 0.0, 0.0))
    textures.shade(canvas, textures.rectangle(500, 0, 600, 10), 0.0)

    assert (canvas == 100.0).all()


def test_shade_multiplies() -> None:
    canvas = grey()
    textures.shade(canvas, textures.ellipse((40, 30), (15, 15)), 0.5)

    assert abs(float(canvas[30, 40, 0]) - 50.0) < 0.5


def test_a_torn_outline_stays_near_the_whole_one() -> None:
    whole = textures.rectangle(0, 0, 100, 50)
    torn = textures.ragged(np.random.default_rng(1), whole, 2.0, 5.0)

    assert len(torn) == 60
    assert (torn >= -2.0).all()
    assert (torn.max(axis=0) <= [102.0, 52.0]).all()


def test_exposure_keeps_the_shape_and_adds_noise() -> None:
    photo = textures.expose(grey(240, 320), np.random.default_rng(4), noise=3.0)

    assert photo.shape == (240, 320, 3)
    assert 1.0 < float(photo[100:140, 140:180, 1].std()) < 5.0


def test_a_jpeg_carries_its_orientation() -> None:
    photo = textures.expose(grey(), np.random.default_rng(4))

    assert Image.open(io.BytesIO(textures.encode_jpeg(photo))).size == (80, 60)
    turned = Image.open(io.BytesIO(textures.encode_jpeg(photo, orientation=6)))
    assert turned.getexif()[0x0112] == 6


def test_mix_goes_from_one_colour_to_the_other() -> None:
    assert textures.mix((0, 0, 0), (100, 50, 10), 0.5) == (50, 25, 5)


def test_light_falls_off_in_one_direction() -> None:
    light = textures.light_gradient(np.random.default_rng(1), (40, 60), 0.2)

    assert abs(float(light.mean()) - 1.0) < 0.01
    assert light.max() <= 1.3
