"""Scenes as arrays: drawn by several processes, sent through JPEG, kept under ``runs/``.

A data set is named by its engine and its seeds, so nothing but this machine's cache is ever
stored. Training, calibration and held-out seeds are far apart and never meet.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.photos import Square, letterbox
from engines.scenes.scene import Pixels, Scene
from engines.scenes.textures import encode_jpeg
from engines.task_registry import task_named
from engines.tasks import Task

TRAINING_SEEDS = 1_000_000
CALIBRATION_SEEDS = 8_000_000
# The seeds from 9,000,000 on were looked at while damage 1.0.0's size was chosen.
HELD_OUT_SEEDS = 9_500_000

_PHOTO_SIZES = ((800, 600), (960, 720), (1024, 768), (720, 960), (640, 480), (1280, 960))

_LISTING = "truth.json"

Tick = Callable[[int], None]

# One photo in its square, and its truth.
Row = tuple[Square, dict[str, npt.NDArray[Any]]]

# The least and the most pixels of a photo's long side.
LongSide = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Dataset:
    """pixels: UINT8 ``[n, S, S, 3]``; extents: INT64 ``[n, 2]``; truth: arrays of ``n`` rows."""

    pixels: Pixels
    extents: npt.NDArray[np.int64]
    truth: dict[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.pixels)


def sized(seed: int, long_side: LongSide) -> tuple[int, int]:
    """(width, height) of a seed's photo, 4:3, upright or across, its long side within bounds."""
    rng = np.random.default_rng([seed, 0x51])
    longer = int(rng.integers(long_side[0], long_side[1] + 1))
    shorter = round(longer * 0.75)
    return (longer, shorter) if rng.random() < 0.5 else (shorter, longer)


def photo_of(task: Task, seed: int, size: tuple[int, int] | None = None) -> tuple[Scene, bytes]:
    """The scene of a seed and its JPEG; size and quality follow from the seed when not given."""
    rng = np.random.default_rng([seed, 0xCA])
    sizes = getattr(task, "photo_sizes", _PHOTO_SIZES)
    drawn_size = sizes[rng.integers(len(sizes))]
    quality = int(rng.integers(62, 96))
    scene = task.draw(seed, size or drawn_size)
    return scene, encode_jpeg(scene.pixels, quality)


def sample(name: str, seed: int, *, long_side: LongSide | None = None) -> Row:
    """One row of a data set; runs in a worker process."""
    task = task_named(name)
    scene, photo = photo_of(task, seed, None if long_side is None else sized(seed, long_side))
    square = letterbox(photo, task.input_size)
    return square, task.truth(scene, square.scale)


def samples(
    task: Task, seeds: range, workers: int, long_side: LongSide | None = None
) -> Iterator[Row]:
    """The rows of these seeds in order, drawn by ``workers`` processes (0: by this one)."""
    draw = partial(sample, task.name, long_side=long_side)
    if workers == 0:
        yield from map(draw, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(draw, seeds, chunksize=8)


def load(
    task: Task,
    seeds: range,
    cache: Path,
    *,
    workers: int,
    tick: Tick,
    long_side: LongSide | None = None,
    redraw: bool = False,
) -> Dataset:
    """The data set of these seeds, from ``cache`` or drawn now; ``tick`` counts drawn scenes.

    Photos have the sizes that training uses, or a long side within ``long_side``. A larger data
    set that starts with the same seed is used too.
    """
    count = len(seeds)
    sizes = "" if long_side is None else f"{long_side[0]}to{long_side[1]}-"
    series = f"{task.name}-{task.input_size}-{sizes}{seeds.start}"
    folder = None if redraw else _cached(series, count, cache)
    if folder is None:
        folder = cache / f"{series}-{count}"
        rows = samples(task, seeds, workers, long_side)
        _write(rows, folder, count=count, side=task.input_size, tick=tick)
    names = json.loads((folder / _LISTING).read_text())
    return Dataset(
        np.load(folder / "pixels.npy", mmap_mode="r")[:count],
        np.load(folder / "extents.npy")[:count],
        {name: np.load(folder / f"truth-{name}.npy", mmap_mode="r")[:count] for name in names},
    )


def _cached(series: str, count: int, cache: Path) -> Path | None:
    """A finished folder that holds at least these scenes."""
    for listing in sorted(cache.glob(f"{series}-*/{_LISTING}")):
        if int(listing.parent.name.rsplit("-", 1)[1]) >= count:
            return listing.parent
    return None


def _write(drawn: Iterator[Row], folder: Path, *, count: int, side: int, tick: Tick) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
        folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=(count, side, side, 3)
    )
    extents = np.zeros((count, 2), np.int64)
    rows: dict[str, list[npt.NDArray[Any]]] = {}
    for index, (square, truth) in enumerate(drawn):
        pixels[index] = square.pixels
        extents[index] = square.extent
        for name, values in truth.items():
            rows.setdefault(name, []).append(np.asarray(values))
        tick(1)
    pixels.flush()
    np.save(folder / "extents.npy", extents)
    for name, column in rows.items():
        np.save(folder / f"truth-{name}.npy", np.stack(column))
    # Written last: a cache without it was cut off and is drawn again.
    (folder / _LISTING).write_text(json.dumps(sorted(rows)))
