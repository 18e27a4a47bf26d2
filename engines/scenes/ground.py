"""Flat ground in perspective under a sky: the part of a site that lies behind everything else."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from engines.scenes.pinhole import FAR_M, Camera
from engines.scenes.scene import Pixels
from engines.scenes.surfaces import TILE_M, TILE_PX, Field, tile_of, wrapped_noise

_PATCH_M = 26.0


def sampled(kind: str, variant: int, *, x: Field, y: Field, footprint_m: Field) -> Pixels:
    """The surface's colour at points ``x``, ``y`` (m), each blurred to ``footprint_m`` metres."""
    levels = tile_of(kind, variant)
    sides = np.array([level.shape[0] for level in levels], np.int32)
    starts = np.concatenate([[0], np.cumsum(sides.astype(np.int64) ** 2)[:-1]]).astype(np.int32)
    packed = _packed(kind, variant)
    blur = np.log2(np.maximum(footprint_m, 1e-4) * np.float32(TILE_PX / TILE_M))
    level = np.clip(blur + _dither(blur.shape), 0, len(levels) - 1).astype(np.int8)
    side = sides[level]
    per_m = side.astype(np.float32) / np.float32(TILE_M)
    column = np.floor(x * per_m).astype(np.int32) % side
    row = np.floor(y * per_m).astype(np.int32) % side
    colours = packed[starts[level] + row * side + column]
    channels: Pixels = colours.view(np.uint8).reshape(*colours.shape, 4)[..., :3]
    return channels


@lru_cache(maxsize=32)
def _packed(kind: str, variant: int) -> npt.NDArray[np.uint32]:
    """All levels of a tile one after the other, a pixel in one number, so that one look-up does."""
    flat = np.concatenate([level.reshape(-1, 3) for level in tile_of(kind, variant)])
    padded = np.zeros((len(flat), 4), np.uint8)
    padded[:, :3] = flat
    return padded.view(np.uint32)[:, 0]


def _dither(shape: tuple[int, ...]) -> Field:
    """A fixed pattern in 0..1 that hides where one tile level gives way to the next."""
    pattern = np.random.default_rng(0).random(65_521, np.float32)
    repeated: Field = np.resize(pattern, shape)
    return repeated


def footprint(camera: Camera, x: Field, y: Field) -> Field:
    """Metres of ground that one pixel covers, between its breadth and its length."""
    reach = np.sqrt(x * x + y * y + np.float32(camera.height_m**2))
    across = reach / np.float32(camera.focal_px)
    size: Field = across * np.sqrt(reach / np.float32(camera.height_m))
    return size


def ground_and_sky(
    camera: Camera,
    rng: np.random.Generator,
    *,
    kind: str,
    tint: npt.NDArray[np.float32],
    haze: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """The empty site, ``(height, width, 3)`` in 0..255: ground of ``kind`` up to the horizon."""
    x, y, seen = camera.ground()
    turn = rng.uniform(0, 2 * np.pi)
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    shift_x, shift_y = rng.uniform(0, TILE_M, 2).astype(np.float32)
    colours = sampled(
        kind,
        int(rng.integers(4)),
        x=cosine * x - sine * y + shift_x,
        y=sine * x + cosine * y + shift_y,
        footprint_m=footprint(camera, x, y),
    )
    picture = colours.astype(np.float32) * tint
    picture *= _patches(camera, rng)[..., None]
    far = 1 - np.exp(-np.abs(y) / 90.0)
    picture += (haze - picture) * far[..., None]
    if not seen.all():
        picture[~seen] = _sky(camera, rng, haze)[~seen]
    return picture


def _patches(camera: Camera, rng: np.random.Generator) -> Field:
    """Broad lighter and darker areas, so that the repeated tile does not show."""
    step = max(camera.width // 160, 1)
    x, y, _ = camera.ground(step)
    noise = wrapped_noise(rng, 256, (3, 6, 12))
    scale = np.float32(256 / _PATCH_M)
    rows, columns = (np.floor(axis * scale).astype(np.int32) % 256 for axis in (y, x))
    coarse = Image.fromarray(1 + 0.12 * noise[rows, columns])
    return np.asarray(coarse.resize((camera.width, camera.height), Image.Resampling.BICUBIC))


def _sky(
    camera: Camera, rng: np.random.Generator, haze: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Haze at the horizon, blue or grey above, soft clouds."""
    zenith = np.asarray([88, 132, 186], np.float32) * np.float32(rng.uniform(0.8, 1.15))
    zenith += (haze - zenith) * np.float32(rng.choice([0.15, 0.35, 0.8]))
    lift = np.clip(camera.rays()[2] / np.float32(0.45), 0, 1) ** np.float32(0.7)
    sky = haze + (zenith - haze) * lift[..., None]
    noise = wrapped_noise(rng, 128, (2, 4, 8, 16, 32))
    clouds = Image.fromarray(np.clip(noise, 0, 1)).resize(
        (camera.width, camera.height), Image.Resampling.BICUBIC
    )
    cover = np.asarray(clouds)[..., None] * np.float32(rng.uniform(0, 0.9))
    bright: npt.NDArray[np.float32] = sky + (np.float32(246) - sky) * np.clip(cover, 0, 1)
    return bright


def horizon_row(camera: Camera) -> float:
    """The row (may lie outside the frame) where ground meets sky in the middle of the photo."""
    far = np.array([0.0, FAR_M, 0.0])
    return float(camera.project(far)[1])
