"""A pinhole camera over a plane: plane to picture and back, and warping a drawn plane into it.

The plane is z = 0 with x to the right and y down the roof; lengths are in shares of the photo's
long side as seen straight on from the camera's distance, so a scene's measures do not depend on
its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from engines.scenes.textures import Canvas, Field, Points

Matrix = npt.NDArray[np.float64]

FOCAL = 1.15  # in long sides of the photo: about a phone's main camera


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the camera looks: ``matrix`` takes plane points to photo pixels."""

    matrix: Matrix
    size: tuple[int, int]

    @classmethod
    def over_plane(
        cls,
        size: tuple[int, int],
        *,
        pitch: float,
        yaw: float = 0.0,
        roll: float = 0.0,
    ) -> Camera:
        """Looks at the plane's origin; the angles are radians away from straight down on it."""
        width, height = size
        long_side = max(size)
        tilt = _turn(2, roll) @ _turn(0, pitch) @ _turn(1, yaw)
        focal = FOCAL * long_side
        lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], np.float64)
        view = np.stack([tilt[:, 0], tilt[:, 1], np.array([0.0, 0.0, FOCAL])], axis=1)
        return cls(lens @ view, size)

    def project(self, points: npt.ArrayLike) -> Points:
        """Plane points ``(n, 2)`` to photo pixels."""
        return _apply(self.matrix, points)

    def back_project(self, points: npt.ArrayLike) -> Points:
        """Photo pixels ``(n, 2)`` to plane points."""
        return _apply(np.linalg.inv(self.matrix), points)

    def frame(self) -> Points:
        """The photo's four corners in pixels."""
        width, height = self.size
        return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A drawn rectangle of the plane: where its pixel (0, 0) lies and its pixels for one unit."""

    origin: tuple[float, float]
    density: float
    shape: tuple[int, int]

    def to_plane(self, pixels: npt.ArrayLike) -> Points:
        """Sheet pixels ``(n, 2)`` to plane points."""
        return np.asarray(pixels, np.float64) / self.density + self.origin

    def to_pixels(self, points: npt.ArrayLike) -> Points:
        """Plane points ``(n, 2)`` to sheet pixels."""
        return (np.asarray(points, np.float64) - self.origin) * self.density


def warp(sheet_canvas: Canvas, sheet: Sheet, camera: Camera) -> tuple[Canvas, Field]:
    """What the camera sees of a drawn sheet, and the share (0..1) of each photo pixel it covers."""
    scale = np.diag([sheet.density, sheet.density, 1.0])
    shift = np.array([[1, 0, -sheet.origin[0]], [0, 1, -sheet.origin[1]], [0, 0, 1]], np.float64)
    matrix = scale @ shift @ np.linalg.inv(camera.matrix)
    matrix /= matrix[2, 2]
    picture = Image.fromarray(np.clip(sheet_canvas, 0, 255).astype(np.uint8)).convert("RGBA")
    seen = picture.transform(
        camera.size,
        Image.Transform.PERSPECTIVE,
        matrix.ravel()[:8].tolist(),
        resample=Image.Resampling.BILINEAR,
    )
    pixels = np.asarray(seen, np.float32)
    return pixels[:, :, :3].copy(), pixels[:, :, 3] * np.float32(1.0 / 255.0)


def _apply(matrix: Matrix, points: npt.ArrayLike) -> Points:
    given = np.asarray(points, np.float64)
    mapped = np.concatenate([given, np.ones((len(given), 1))], axis=1) @ matrix.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:], np.float64)


def _turn(axis: int, angle: float) -> Matrix:
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = [index for index in range(3) if index != axis]
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = cos
    turn[first, second], turn[second, first] = -sin, sin
    return turn
