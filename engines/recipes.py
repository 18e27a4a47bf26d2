"""How each served model was trained: the arguments that its weights follow from."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from engines.training import Recipe

# damage 1 is kept as it is: an honest earlier release, trained on few scenes, that later ones beat.
RECIPES: Final = {
    ("damage", 1): Recipe("damage", 1, scenes=128, epochs=14, width=0.5),
    ("damage", 2): Recipe("damage", 2, scenes=2400, epochs=6),
    ("materials", 1): Recipe("materials", 1, scenes=1600, epochs=9),
    ("volume", 1): Recipe("volume", 1, scenes=2000, epochs=16),
}

COMPONENTS: Final = {
    "damage": "damage_detector",
    "materials": "materials_detector",
    "volume": "volume_estimator",
}
RELEASES: Final = {
    ("damage", 1): "1.0.0",
    ("damage", 2): "1.1.0",
    ("materials", 1): "1.0.0",
    ("volume", 1): "1.0.0",
}


def model_path(repository: Path, engine: str, version: int) -> Path:
    """Where Triton looks for a model's weights."""
    return repository / COMPONENTS[engine] / str(version) / "model.onnx"
