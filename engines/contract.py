"""What the models promise to whoever serves them: sizes, names and thresholds, in one place.

Every exported model reads ``PIXELS``, UINT8 ``[batch, size, size, 3]`` RGB: the photo, EXIF
orientation applied, scaled with its aspect ratio kept so that its long side is ``size``, put at
the top left of the square, the rest filled with ``PADDING``. Normalisation, transposition and, for
the detectors, peak picking and TopK are inside the graph.

The detectors answer ``BOXES`` FP32 ``[batch, MAX_DETECTIONS, 4]`` (x_min, y_min, x_max, y_max as
shares of the square's side), ``SCORES`` FP32 ``[batch, MAX_DETECTIONS]`` in falling order and
``CLASSES`` INT64 ``[batch, MAX_DETECTIONS]``; the materials detector also ``BRANDS`` FP32
``[batch, MAX_DETECTIONS, len(BRANDS)]``, probabilities that mean something for the class
``shingle`` only.

This module imports nothing, so that a serving process could read it too.
"""

from __future__ import annotations

from typing import Final

ENGINES: Final = ("damage", "materials", "volume")

INPUT_SIZES: Final = {"damage": 512, "materials": 384, "volume": 256}
PADDING: Final = 114

CLASSES: Final = {
    "damage": ("hail", "wind", "missing_shingle"),
    "materials": ("shingle", "plywood"),
}
BRANDS: Final = ("northgate", "ridgeline", "stormcrest")

MAX_DETECTIONS: Final = 100

# Below these a detection is not reported; calibrated on scenes that no training has seen.
SCORE_THRESHOLDS: Final = {"damage": 0.45, "materials": 0.35}

OPSET: Final = 17
