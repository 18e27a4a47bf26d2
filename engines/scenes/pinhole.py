"""Where a point of the world lands in the photo, and where a pixel's ray meets the ground.

A pinhole without distortion. World coordinates are metres: x to the right, y away from the camera
along the ground, z up; the camera stands at ``(0, 0, height_m)``, looks along y and is pitched
down. Pixels run from the top left corner, x to the right and y down. (``camera.py`` looks at a
roof's plane instead and knows no metres.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]

NEAR_M = 0.05
FAR_M = 400.0


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera over flat ground; angles in radians, pitch positive when looking down."""

    width: int
    height: int
    focal_px: float
    height_m: float
    pitch: float
    roll: float = 0.0

    @property
    def axes(self) -> Points:
        """Rows: the image's right, the image's down, and forward, as unit vectors of the world."""
        right = np.array([1.0, 0.0, 0.0])
        down = np.array([0.0, -np.sin(self.pitch), -np.cos(self.pitch)])
        forward = np.array([0.0, np.cos(self.pitch), -np.sin(self.pitch)])
        cosine, sine = np.cos(self.roll), np.sin(self.roll)
        return np.stack([cosine * right + sine * down, cosine * down - sine * right, forward])

    def project(self, points: Points) -> Points:
        """``[..., 3]`` world to ``[..., 2]`` pixels; points must lie in front of the camera."""
        seen = (points - np.array([0.0, 0.0, self.height_m])) @ self.axes.T
        depth = np.maximum(seen[..., 2:], NEAR_M)
        centre = np.array([self.width, self.height]) / 2.0
        pixels: Points = seen[..., :2] / depth * self.focal_px + centre
        return pixels

    def depth(self, points: Points) -> Points:
        """Metres along the optical axis."""
        along: Points = (points - np.array([0.0, 0.0, self.height_m])) @ self.axes[2]
        return along

    def rays(self, step: int = 1) -> tuple[Plane, Plane, Plane]:
        """Ray directions (x, y, z) through the centres of every ``step``-th pixel, not unit."""
        columns = np.arange(0, self.width, step, dtype=np.float32) + step / 2 - self.width / 2
        rows = np.arange(0, self.height, step, dtype=np.float32) + step / 2 - self.height / 2
        across = columns[None, :] / np.float32(self.focal_px)
        along = rows[:, None] / np.float32(self.focal_px)
        right, down, forward = self.axes.astype(np.float32)
        x, y, z = (right[i] * across + down[i] * along + forward[i] for i in range(3))
        return x, y, z

    def ground(self, step: int = 1) -> tuple[Plane, Plane, npt.NDArray[np.bool_]]:
        """Ground coordinates x and y (m) seen by every ``step``-th pixel, and which see ground.

        Pixels at or above the horizon get a point at ``FAR_M``.
        """
        x, y, z = self.rays(step)
        distance = np.float32(self.height_m) / np.maximum(-z, np.float32(self.height_m / FAR_M))
        return x * distance, y * distance, z < -self.height_m / FAR_M


def rotated(points: Points, yaw: float) -> Points:
    """Points turned about the z axis by ``yaw`` radians, counter-clockwise from above."""
    cosine, sine = np.cos(yaw), np.sin(yaw)
    turned = points.copy()
    turned[..., 0] = cosine * points[..., 0] - sine * points[..., 1]
    turned[..., 1] = sine * points[..., 0] + cosine * points[..., 1]
    return turned
