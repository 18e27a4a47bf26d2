"""Hail, wind and missing shingles, painted onto a sheet of roof.

A painter changes the canvas around one place and returns the outline of what it drew, in sheet
pixels, of which the box in the photo is made: the damage with the shadow that belongs to it.
"""

from __future__ import annotations

import numpy as np

from engines.scenes.shingles import Course, Roofing
from engines.scenes.textures import Canvas, Points, ellipse, fill, grain, ragged, rectangle, shade

Patch = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max in sheet pixels


def hail_patch(rng: np.random.Generator, unit: float, at: tuple[float, float]) -> Patch:
    """Where a hit, or a compact cluster of hits, may be: 3 to 11 % of the photo's long side."""
    if rng.random() < 0.4:
        half = unit * rng.uniform(0.015, 0.028)
        return (at[0] - half, at[1] - half, at[0] + half, at[1] + half)
    wide, tall = unit * rng.uniform(0.028, 0.055, 2)
    return (at[0] - wide, at[1] - tall, at[0] + wide, at[1] + tall)


def tab_patch(
    rng: np.random.Generator, roofing: Roofing, courses: tuple[Course, ...], unit: float,
    at: tuple[float, float],
) -> Patch | None:  # fmt: skip
    """Whole tabs of one course near a place, at least 3 % of the photo's long side wide."""
    inside = [course for course in courses[1:-2] if course.top <= at[1] < course.bottom]
    if not inside:
        return None
    slits = np.array(inside[0].slits)
    start = int(np.searchsorted(slits, at[0])) - 1
    needed = unit * rng.uniform(0.034, 0.06)
    end = start + 1
    while start >= 0 and end < len(slits) - 1 and slits[end] - slits[start] < needed:
        end += 1
    if start < 0 or end >= len(slits) or slits[end] - slits[start] < unit * 0.025:
        return None
    if slits[end] - slits[start] > unit * 0.16:
        return None
    overhang = roofing.course * 0.5
    return (float(slits[start]), inside[0].top, float(slits[end]), inside[0].bottom + overhang)


def paint_hail(rng: np.random.Generator, canvas: Canvas, patch: Patch, unit: float) -> list[Points]:
    """Round bruises: granules knocked off a dark dent, with a bright rim on the far side."""
    x_min, y_min, x_max, y_max = patch
    width, height = x_max - x_min, y_max - y_min
    middle = ((x_min + x_max) / 2, (y_min + y_max) / 2)
    dark = float(canvas[int(middle[1]), int(middle[0])].mean())
    bare = 24.0 if dark > 60 else 150.0
    if max(width, height) < unit * 0.0561:
        return [_dent(rng, canvas, middle, min(width, height) / 2.15, bare)]
    radius = unit * rng.uniform(0.0072, 0.0105)
    spots: list[tuple[float, float]] = []
    for _ in range(60):
        spot = (
            rng.uniform(x_min + radius * 1.15, x_max - radius * 1.15),
            rng.uniform(y_min + radius * 1.15, y_max - radius * 1.15),
        )
        if all(np.hypot(spot[0] - x, spot[1] - y) > radius * 2.4 for x, y in spots):
            spots.append(spot)
    hits = spots[: max(4, int(width * height / (radius * radius * 13)))]
    return [_dent(rng, canvas, spot, radius * rng.uniform(0.75, 1.0), bare) for spot in hits]


def _dent(
    rng: np.random.Generator, canvas: Canvas, at: tuple[float, float], radius: float, bare: float
) -> Points:
    x, y = at
    round_ish = (radius, radius * rng.uniform(0.86, 1.0))
    angle = rng.uniform(0, np.pi)
    outline = ellipse(at, round_ish, angle=angle)
    soft = radius * 0.1
    fill(canvas, ellipse((x + radius * 0.1, y + radius * 0.14), round_ish, angle=angle),
         (238, 234, 226), opacity=rng.uniform(0.3, 0.6), blur=soft)  # fmt: skip
    inner = ellipse((x - radius * 0.05, y - radius * 0.07), (radius * 0.9, round_ish[1] * 0.9),
                    angle=angle)  # fmt: skip
    fill(canvas, ragged(rng, inner, radius * 0.06, radius * 0.3), (bare, bare, bare * 1.03),
         opacity=rng.uniform(0.6, 0.9), blur=soft)  # fmt: skip
    pit = ellipse((x + radius * 0.12, y + radius * 0.16), (radius * 0.5, radius * 0.45))
    shade(canvas, pit, 1.65, blur=radius * 0.16)
    if radius > 9:
        for _ in range(int(rng.integers(2, 5))):
            turn = rng.uniform(0, 2 * np.pi)
            tip = np.array([np.cos(turn), np.sin(turn)]) * radius * 0.95
            side = np.array([-tip[1], tip[0]]) * 0.06
            crack = np.array([x, y]) + np.stack([side, tip, -side])
            fill(canvas, crack, (14, 14, 15), opacity=0.8)
    return outline


def paint_missing(
    rng: np.random.Generator, canvas: Canvas, patch: Patch, unit: float
) -> list[Points]:
    """The felt or the boards under shingles that are gone, with torn edges and nails."""
    x_min, y_min, x_max, y_max = patch
    tall = (y_max - y_min) / 1.5
    y_max = y_min + tall
    outline = ragged(rng, rectangle(x_min, y_min, x_max, y_max), tall * 0.045, tall * 0.22)
    shape = canvas.shape[:2]
    around = canvas[_span(y_min, y_max, shape[0]), _span(x_min, x_max, shape[1])].mean()
    boards = rng.random() < (0.75 if around < 85 else 0.3)
    base = np.array((186, 148, 102) if boards else (30, 30, 33), np.float32)
    rows, columns = _span(y_min - 6, y_max + 6, shape[0]), _span(x_min - 6, x_max + 6, shape[1])
    window = canvas[rows, columns]
    bare = np.broadcast_to(base, window.shape).copy()
    bare *= (1.0 + 0.06 * grain(rng, (window.shape[0], window.shape[1])))[:, :, None]
    if boards:
        seam = np.abs((np.arange(bare.shape[0]) % max(6.0, tall * 0.55)) - 1.0) < tall * 0.03
        bare[seam] *= 0.5
    local = outline - (columns.start, rows.start)
    fill(window, local, bare)
    light = rectangle(x_min, y_min, x_max, y_min + tall * 0.16)
    shade(canvas, light, 0.35, blur=tall * 0.03)
    shade(canvas, rectangle(x_min, y_min, x_min + tall * 0.09, y_max), 0.45, blur=tall * 0.03)
    edge = rectangle(x_min, y_max - tall * 0.05, x_max, y_max + tall * 0.02)
    shade(canvas, edge, 1.5, blur=tall * 0.02)
    for share in np.arange(0.15, 1.0, max(0.18, 0.5 * tall / (x_max - x_min))):
        nail = (x_min + share * (x_max - x_min), y_min + tall * rng.uniform(0.35, 0.6))
        radius = max(1.0, unit * 0.0011)
        fill(canvas, ellipse(nail, (radius, radius)), (176, 174, 170))
    return [outline]


def paint_wind(
    rng: np.random.Generator, canvas: Canvas, patch: Patch, roofing: Roofing
) -> list[Points]:
    """A tab bent up by the wind: a crease across it, light on it, a deep shadow under its edge."""
    x_min, y_min, x_max, low = patch
    tall = (low - y_min) / 1.5
    colour = np.array(roofing.colour, np.float32)
    left, right = rng.uniform(0.0, 0.5, 2) * tall
    lean = rng.uniform(-0.12, 0.12) * tall
    inset = tall * 0.06
    bend = y_min + tall * rng.uniform(0.12, 0.3)
    raised = [
        (x_min + inset, bend),
        (x_max - inset, bend),
        (x_max - inset * 0.5 + lean, y_min + tall - right),
        ((x_min + x_max) / 2 + lean, y_min + tall * rng.uniform(0.84, 0.98) - (left + right) / 2),
        (x_min + inset * 0.5 + lean, y_min + tall - left),
    ]
    shadow = [
        (x_min, bend + tall * 0.2),
        (x_max - inset * 0.5, bend + tall * 0.1),
        (x_max, y_min + tall * 1.22),
        ((x_min + x_max) / 2, y_min + tall * 1.42),
        (x_min + inset, y_min + tall * 1.28),
    ]
    outline = np.array(raised + shadow)
    rows, columns = _span(y_min, low, canvas.shape[0]), _span(x_min, x_max, canvas.shape[1])
    flap = canvas[rows, columns].copy()
    fill(canvas, shadow, (15, 15, 18), opacity=rng.uniform(0.72, 0.92), blur=tall * 0.035)
    lit = flap.mean(axis=(0, 1)) + 0.6 * (flap - flap.mean(axis=(0, 1)))
    lit = np.clip(lit * rng.uniform(1.2, 1.5) + rng.uniform(8, 26), 0, 245)
    fill(canvas[rows, columns], np.array(raised) - (columns.start, rows.start), lit)
    window = np.array(raised)
    for share in (0.22, 0.45, 0.68):
        band = window.copy()
        band[[0, 1], 1] += share * (band[[4, 2], 1] - band[[0, 1], 1])
        shade(canvas, band, 1.07)
    crease = rectangle(x_min + inset, bend - tall * 0.05, x_max - inset, bend + tall * 0.05)
    fill(canvas, crease, (22, 22, 24), opacity=0.85, blur=tall * 0.012)
    gleam = rectangle(x_min + inset, bend + tall * 0.06, x_max - inset, bend + tall * 0.13)
    shade(canvas, gleam, 1.35, blur=tall * 0.015)
    lip = np.array([window[2], window[3], window[4]])
    thick = lip[::-1] + np.array([0.0, tall * 0.05])
    fill(canvas, np.concatenate([lip, thick]), colour * 0.45)
    return [outline]


def _span(low: float, high: float, limit: int) -> slice:
    return slice(max(0, int(low)), max(1, min(limit, int(high) + 1)))
