"""Golden inputs and answers, from the root of the model repository.

    damage.golden.jpg            the photo the engine is asked about (or .png), or
    echo.golden.json             another engine's tensors, {"inputs": [...]} as KServe v2 has it
    damage--1.0.0.golden.json    what release 1.0.0 answers, {"outputs": [...]}, by KServe v2 too

At the root, because Triton takes every folder for a model, and a file in a model's folder that
is not its own makes the next load reload all of its versions. ``tidegate golden`` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any

import orjson

from control_plane.core.catalogue import TWIN_SEPARATOR, Engine
from control_plane.core.golden import Golden, RowRule, Tolerance
from control_plane.core.tensors import Array, tensors_from_json
from control_plane.errors import ConfigurationError

SUFFIX = ".golden"
PHOTO_KINDS = (".jpg", ".jpeg", ".png")
MAX_BYTES = 32 * 1024 * 1024

RTOL, ATOL, BOX_ATOL_PX, SURE_SCORE = 0.02, 0.02, 2.0, 0.5
"""What the same network may differ by between one machine and another."""

ROW_TENSORS = ("BOXES", "SCORES", "CLASSES", "BRANDS")
TOLERANCES = {"rtol": RTOL, "atol": ATOL, "box_atol_px": BOX_ATOL_PX, "sure_score": SURE_SCORE}
"""What ``golden`` under an engine in releases.yaml may say, and what it says if it does not."""


def read_goldens(
    folder: Path, engines: Mapping[str, Engine], declared: Mapping[str, Mapping[str, Any]]
) -> dict[str, Golden]:
    """The golden input of each engine that has one, with its releases' answers.

    declared: an engine's ``golden`` in releases.yaml. Raises ConfigurationError naming the file.
    """
    goldens = {}
    for name, engine in engines.items():
        path = _input_of(folder, name)
        if path is None:
            continue
        answers = {}
        for version in engine.releases:
            answer = answer_file(folder, name, version)
            if answer.exists():
                answers[version] = _read_tensors(answer, "outputs")
        tolerance = _tolerance(name, declared.get(name, {}), is_photo=path.suffix in PHOTO_KINDS)
        if path.suffix in PHOTO_KINDS:
            goldens[name] = Golden(tolerance, photo=_read(path), answers=answers)
        else:
            inputs = _read_tensors(path, "inputs")
            goldens[name] = Golden(tolerance, inputs=inputs, answers=answers)
    return goldens


def input_file(folder: Path, engine: str, kind: str) -> Path:
    """Where an engine's golden input lies; kind: the end of its name, such as ``.jpg``."""
    return folder / f"{engine}{SUFFIX}{kind}"


def answer_file(folder: Path, engine: str, version: str) -> Path:
    """Where the golden answer of one of its releases lies."""
    return folder / f"{engine}{TWIN_SEPARATOR}{version}{SUFFIX}.json"


def _input_of(folder: Path, engine: str) -> Path | None:
    kinds = (*PHOTO_KINDS, ".json")
    found = [path for kind in kinds if (path := input_file(folder, engine, kind)).exists()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ConfigurationError(
            f"{folder}: engine {engine!r} has more than one golden input: {names}", field=engine
        )
    return found[0] if found else None


def _tolerance(engine: str, declared: Mapping[str, Any], *, is_photo: bool) -> Tolerance:
    """The rows of a detector are those of one photo; other answers are compared as they lie."""
    where = f"engines.{engine}.golden"
    values = dict(TOLERANCES)
    for key, value in declared.items():
        if key not in TOLERANCES or not _is_amount(value):
            raise ConfigurationError(
                f"releases.yaml: {where}.{key} is {value!r}; {', '.join(TOLERANCES)} may be set, "
                f"to numbers of at least 0",
                field=f"{where}.{key}",
            )
        values[key] = float(value)
    rule = RowRule(values["sure_score"], rows=ROW_TENSORS) if is_photo else None
    return Tolerance(
        atol=values["atol"],
        rtol=values["rtol"],
        row_rule=rule,
        atol_of={"BOXES": values["box_atol_px"]},
    )


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < inf


def _read_tensors(path: Path, key: str) -> dict[str, Array]:
    try:
        tensors = tensors_from_json(orjson.loads(_read(path))[key])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path}: no KServe v2 {key}: {error}", field=path.name) from error
    if not tensors:
        raise ConfigurationError(f"{path}: {key} has no tensor", field=path.name)
    return tensors


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigurationError(
                f"{path} has {size} bytes; the limit is {MAX_BYTES}", field=path.name
            )
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", field=path.name
        ) from error
