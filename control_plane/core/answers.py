"""From an engine's output tensors to what a caller reads.

The engines' post-processors leave fixed-size, zero-padded tensors (so that Triton can
form batches); COUNT says how many rows are real. Boxes are already in pixels of the
upright photo.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from control_plane.errors import ControlPlaneError, ErrorCode

Tensors = Mapping[str, npt.NDArray[Any]]
Findings = dict[str, object]

MAX_ELEMENTS = 100_000
"""Of another engine's answer, all tensors together: each becomes a Python object, on the event
loop, and a piece of JSON. Who wants more asks over KServe."""

# What reading a tensor of another name, shape, kind of value or encoding raises.
_MISSHAPEN = (LookupError, ValueError, TypeError, AttributeError, OverflowError)


def read_findings(engine: str, tensors: Tensors) -> Findings:
    """The engine's part of an answer.

    tensors: the outputs of one request, batch dimension removed: for detectors BOXES
        ``(n, 4)``, SCORES ``(n,)``, CLASSES ``(n,)`` bytes, COUNT ``(1,)``, and BRANDS
        ``(n,)`` bytes; for volume VOLUME_M3 and CONFIDENCE ``(1,)``.

    Engines other than the three get their tensors as lists, by name, MAX_ELEMENTS at the most.
    Raises ControlPlaneError(BACKEND_FAULT) when an output is missing, misshapen, too large or
    not a finite number.
    """
    reader = _READERS.get(engine, _read_anything)
    try:
        return reader(tensors)
    except _MISSHAPEN as error:
        raise ControlPlaneError(
            ErrorCode.BACKEND_FAULT,
            f"engine {engine!r} answered without what its answer is made of: {error!r}",
        ) from error


def _read_damage(tensors: Tensors) -> Findings:
    found = [_detection(tensors, row) for row in range(_count(tensors))]
    return {"detections": found, "counts": _counts(found)}


def _read_materials(tensors: Tensors) -> Findings:
    found = [
        {**_detection(tensors, row), "brand": tensors["BRANDS"][row].decode() or None}
        for row in range(_count(tensors))
    ]
    return {"items": found, "counts": _counts(found)}


def _read_volume(tensors: Tensors) -> Findings:
    return {
        "volume_m3": round(_number(tensors["VOLUME_M3"][0]), 3),
        "confidence": round(_number(tensors["CONFIDENCE"][0]), 4),
    }


def _read_anything(tensors: Tensors) -> Findings:
    elements = sum(values.size for values in tensors.values())
    if elements > MAX_ELEMENTS:
        raise ValueError(f"{elements} elements; the limit is {MAX_ELEMENTS}")
    return {name: _plain(values) for name, values in tensors.items()}


def _plain(values: npt.NDArray[Any]) -> object:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("a value is no finite number")
    if values.dtype == np.object_:
        return [value.decode(errors="replace") for value in values.ravel().tolist()]
    return values.tolist()


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no finite number")
    return number


def _count(tensors: Tensors) -> int:
    count = int(tensors["COUNT"][0])
    if not 0 <= count <= len(tensors["BOXES"]):
        raise ValueError(f"COUNT is {count} of {len(tensors['BOXES'])} rows")
    return count


def _detection(tensors: Tensors, row: int) -> dict[str, object]:
    x_min, y_min, x_max, y_max = (round(_number(edge), 1) for edge in tensors["BOXES"][row])
    return {
        "class": tensors["CLASSES"][row].decode(),
        "confidence": round(_number(tensors["SCORES"][row]), 4),
        "box": {"x_min": x_min, "y_min": y_min, "x_max": x_max, "y_max": y_max},
    }


def _counts(found: list[dict[str, object]]) -> dict[str, int]:
    return dict(sorted(Counter(str(detection["class"]) for detection in found).items()))


_READERS: Mapping[str, Callable[[Tensors], Findings]] = {
    "damage": _read_damage,
    "materials": _read_materials,
    "volume": _read_volume,
}
