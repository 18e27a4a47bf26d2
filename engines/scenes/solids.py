"""Boxes of the real world: cuboids with a skin, drawn in perspective, lit and with a shadow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from engines.scenes.pinhole import Camera, Points, rotated

# Each face as corner numbers: the texture's top left, top right, bottom right, bottom left.
# Corners 0-3 are the bottom, counter-clockwise from (-x, -y); 4-7 the top above them.
FACES: dict[str, tuple[int, int, int, int]] = {
    "top": (7, 6, 5, 4),
    "front": (4, 5, 1, 0),
    "back": (6, 7, 3, 2),
    "right": (5, 6, 2, 1),
    "left": (7, 4, 0, 3),
}
_MASK_SCALE = 3


@dataclass(frozen=True, slots=True)
class Sun:
    """Where light comes from: ``towards`` is the unit vector to the sun; colours are gains."""

    towards: npt.NDArray[np.float64]
    direct: npt.NDArray[np.float64]
    ambient: npt.NDArray[np.float64]
    shadow_softness: float

    def on(self, normal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The gain per channel of a surface with this normal."""
        facing = max(float(normal @ self.towards), 0.0)
        upness = 0.75 + 0.25 * float(normal[2])
        gain: npt.NDArray[np.float64] = self.ambient * upness + self.direct * facing
        return gain


@dataclass(frozen=True, slots=True)
class Skin:
    """What a cuboid's faces look like, in even light: top, long sides (x), ends (y)."""

    top: Image.Image
    side: Image.Image
    end: Image.Image

    def of(self, face: str) -> Image.Image:
        if face == "top":
            return self.top
        return self.side if face in ("front", "back") else self.end


@dataclass(frozen=True, slots=True)
class Cuboid:
    """A box: centre of its underside, its sizes along its own x, y and z, its yaw."""

    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float
    skin: Skin = field(repr=False)
    # Which labelled object this is a part of; -1 for clutter.
    part_of: int = -1

    @property
    def corners(self) -> Points:
        """``(8, 3)`` in metres, in the order that ``FACES`` counts them."""
        length, width, height = self.size
        ring = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]) * (length / 2, width / 2)
        low = np.column_stack([ring, np.zeros(4)])
        high = np.column_stack([ring, np.full(4, height)])
        turned: Points = rotated(np.concatenate([low, high]), self.yaw) + np.asarray(self.centre)
        return turned

    def planes(self) -> tuple[Points, Points]:
        """Outward normals ``(5, 3)`` and a point on each face ``(5, 3)``, in ``FACES`` order."""
        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        normals = np.array(
            [
                [0, 0, 1],
                [sine, -cosine, 0],
                [-sine, cosine, 0],
                [cosine, sine, 0],
                [-cosine, -sine, 0],
            ]
        )
        return normals, self.corners[[face[0] for face in FACES.values()]]


def hull(points: Points) -> Points:
    """Convex hull of ``[n, 2]`` points, in order round it (Andrew's monotone chain)."""
    ordered = sorted({(float(x), float(y)) for x, y in points})
    if len(ordered) < 3:
        return np.asarray(ordered)
    chains: list[list[tuple[float, float]]] = []
    for sequence in (ordered, ordered[::-1]):
        chain: list[tuple[float, float]] = []
        for point in sequence:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        chains.append(chain[:-1])
    return np.asarray(chains[0] + chains[1])


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def area(polygon: Points) -> float:
    """Area of a polygon given in order (the shoelace formula)."""
    x, y = polygon[:, 0], polygon[:, 1]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def back_to_front(cuboids: Sequence[Cuboid], camera: Camera) -> list[int]:
    """An order in which each cuboid may be drawn over those before it.

    Two cuboids that do not intersect are parted by the plane of a face of one of them; the one on
    the camera's side of that plane is in front.
    """
    eye = np.array([0.0, 0.0, camera.height_m])
    count = len(cuboids)
    if count == 0:
        return []
    corners = np.stack([cuboid.corners for cuboid in cuboids])
    normals, anchors = (
        np.stack(planes) for planes in zip(*(c.planes() for c in cuboids), strict=True)
    )
    offsets = np.einsum("afk,afk->af", normals, anchors)
    beyond = np.einsum("afk,bck->afbc", normals, corners) - offsets[:, :, None, None]
    outside = beyond.min(axis=3) > -1e-6
    faces_eye = np.einsum("afk,k->af", normals, eye) > offsets
    # never_over[a, b]: some plane parts the two with b on the camera's side, so a cannot hide b.
    never_over = (outside & faces_eye[:, :, None]).any(axis=1)
    never_over |= (outside & ~faces_eye[:, :, None]).any(axis=1).T
    in_front = never_over & ~never_over.T
    np.fill_diagonal(in_front, val=False)
    distance = np.linalg.norm(corners.mean(axis=1) - eye, axis=1)
    order: list[int] = []
    waiting = np.ones(count, bool)
    while waiting.any():
        blocked = (in_front & waiting[:, None]).any(axis=0)
        free = np.flatnonzero(waiting & ~blocked)
        choice = free if free.size else np.flatnonzero(waiting)
        furthest = int(choice[np.argmax(distance[choice])])
        order.append(furthest)
        waiting[furthest] = False
    return order


def paint(canvas: Image.Image, cuboid: Cuboid, camera: Camera, sun: Sun) -> None:
    """Draws the faces that the camera sees onto the canvas."""
    eye = np.array([0.0, 0.0, camera.height_m])
    pixels = camera.project(cuboid.corners)
    normals, anchors = cuboid.planes()
    for (name, numbers), normal, anchor in zip(FACES.items(), normals, anchors, strict=True):
        if float(normal @ (eye - anchor)) > 0:
            _paint_face(canvas, pixels[list(numbers)], cuboid.skin.of(name), sun.on(normal))


def _paint_face(
    canvas: Image.Image, quad: Points, texture: Image.Image, gain: npt.NDArray[np.float64]
) -> None:
    low = np.maximum(np.floor(quad.min(axis=0)) - 1, 0).astype(int)
    high = np.minimum(np.ceil(quad.max(axis=0)) + 1, canvas.size).astype(int)
    if (high <= low).any():
        return
    edges = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
    wide = int(np.clip(max(edges[0], edges[2]), 2, texture.width * 2))
    tall = int(np.clip(max(edges[1], edges[3]), 2, texture.height * 2))
    fitted = texture.resize((wide, tall), Image.Resampling.BILINEAR)
    curve = np.minimum(np.arange(256) * gain[:, None], 255).astype(int)
    lit = fitted.point(curve.ravel().tolist())
    extent = (int(high[0] - low[0]), int(high[1] - low[1]))
    warped = lit.transform(
        extent,
        Image.Transform.PERSPECTIVE,
        _warp(quad - low, wide, tall),
        Image.Resampling.BILINEAR,
    )
    canvas.paste(warped, (int(low[0]), int(low[1])), smooth_mask(extent, quad - low))


def smooth_mask(extent: tuple[int, int], polygon: Points) -> Image.Image:
    """A polygon with soft edges, 255 inside."""
    mask = Image.new("L", (extent[0] * _MASK_SCALE, extent[1] * _MASK_SCALE))
    outline = [(float(x), float(y)) for x, y in polygon * _MASK_SCALE]
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    return mask.reduce(_MASK_SCALE)


def _warp(quad: Points, wide: int, tall: int) -> list[float]:
    """Coefficients that take a pixel of the photo to one of the texture.

    The texture is read half a pixel inside its edge, so that its border does not bleed black.
    """
    inset = 0.5
    target = [
        (inset, inset),
        (wide - inset, inset),
        (wide - inset, tall - inset),
        (inset, tall - inset),
    ]
    rows, values = [], []
    for (x, y), (u, v) in zip(quad, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        values += [u, v]
    solved: list[float] = np.linalg.lstsq(np.asarray(rows), np.asarray(values), rcond=None)[
        0
    ].tolist()
    return solved


def ground_light(
    cuboids: Sequence[Cuboid], camera: Camera, sun: Sun, *, reach_m: float = 12.0
) -> npt.NDArray[np.float32]:
    """What of the light reaches the ground, ``(height, width, 3)`` in 0..1.

    The sun is kept off by the cuboids' cast shadows, the sky close around where they stand.
    """
    coarse = 2
    size = (camera.width // coarse, camera.height // coarse)
    cast, contact = Image.new("L", size), Image.new("L", size)
    for cuboid in cuboids:
        corners = cuboid.corners
        lean = corners[:, 2:] * sun.towards[:2] / max(float(sun.towards[2]), 0.15)
        fallen = corners.copy()
        fallen[:, :2] -= np.clip(lean, -reach_m, reach_m)
        fallen[:, 2] = 0.0
        _fill(cast, camera, fallen, coarse)
        if cuboid.centre[2] < 0.3:
            centre = corners.mean(axis=0)
            away = corners - centre
            around = centre + away * (1 + 0.08 / np.linalg.norm(away[:, :2], axis=1))[:, None]
            around[:, 2] = 0.0
            _fill(contact, camera, around, coarse)
    blur = max(size) * 0.0015
    cast = cast.filter(ImageFilter.GaussianBlur(blur * sun.shadow_softness))
    contact = contact.filter(ImageFilter.GaussianBlur(blur * 4))
    whole = (camera.width, camera.height)
    sunless, skyless = (
        np.asarray(mask.resize(whole, Image.Resampling.BILINEAR), np.float32)[..., None] / 255
        for mask in (cast, contact)
    )
    unlit = (sun.ambient / sun.on(np.array([0.0, 0.0, 1.0]))).astype(np.float32)
    light: npt.NDArray[np.float32] = (1 - sunless * (1 - unlit)) * (1 - np.float32(0.6) * skyless)
    return light


def _fill(mask: Image.Image, camera: Camera, points: Points, coarse: int) -> None:
    if (camera.depth(points) < 0.3).any():
        return
    outline = hull(camera.project(points)) / coarse
    if len(outline) > 2:
        ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in outline], fill=255)
