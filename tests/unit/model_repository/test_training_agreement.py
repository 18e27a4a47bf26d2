"""What the networks were trained with is what they are served with: pixels and releases."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from engines import recipes
from engines.contract import INPUT_SIZES, PADDING
from engines.photos import letterbox
from tests.unit.model_repository.conftest import REPOSITORY, InferenceRequest

# Levels of 255. Today both are the same to the bit; what is seen must stay the same in any case.
MOST_APART, MEAN_APART = 3, 0.1
ORIENTATION_TAG = 0x0112


def photo(width: int, height: int, orientation: int) -> bytes:
    """Smooth colours, an edge and fine lines: a shift, a swap or another filter would show."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    pixels = np.stack([255 * x, 255 * y, 127 + 127 * np.sin(40 * x + 60 * y)], axis=-1)
    pixels[height // 3 : height // 2, width // 4 :] = (230, 40, 20)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    encoded = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(encoded, "JPEG", quality=92, exif=exif)
    return encoded.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(200, 131), (800, 600), (1024, 1711), (3000, 40)])
def test_training_and_serving_make_the_same_squares(
    model: Callable[..., Any], size: tuple[int, int], orientation: int
) -> None:
    encoded = photo(*size, orientation)
    preprocess = model("preprocess")
    for side in INPUT_SIZES.values():
        column = np.array([[encoded]], dtype=np.object_)
        asked = InferenceRequest({"IMAGE": column}, [f"PIXELS_{side}"])
        (response,) = preprocess.execute([asked])
        served = response.arrays()[f"PIXELS_{side}"][0].astype(int)
        trained = letterbox(encoded, side).pixels.astype(int)
        assert ((served == PADDING).all(axis=-1) == (trained == PADDING).all(axis=-1)).mean() > 0.99
        apart = np.abs(served - trained)
        assert apart.max() <= MOST_APART
        assert apart.mean() <= MEAN_APART


def test_every_trained_model_is_in_the_release_that_its_recipe_names() -> None:
    declared = yaml.safe_load((REPOSITORY / "releases.yaml").read_text())["engines"]
    released = {
        (engine, version, component, pin)
        for engine, one in declared.items()
        for version, pins in one["releases"].items()
        for component, pin in pins.items()
    }
    trained = {
        (engine, version, recipes.COMPONENTS[engine], number)
        for (engine, number), version in recipes.RELEASES.items()
    }
    assert released == trained
    assert set(recipes.RECIPES) == set(recipes.RELEASES)
    for engine, number in recipes.RECIPES:
        assert recipes.model_path(REPOSITORY, engine, number).is_file()
