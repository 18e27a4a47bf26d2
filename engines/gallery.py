"""Pictures of scenes with boxes drawn on them, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engines.contract import BRANDS, CLASSES, INPUT_SIZES, SCORE_THRESHOLDS
from engines.export import session
from engines.photos import letterbox
from engines.scenes.scene import Box, Pixels
from engines.scenes.textures import encode_jpeg

_COLOURS = {
    "hail": (60, 220, 255),
    "wind": (255, 214, 40),
    "missing_shingle": (255, 72, 72),
    "shingle": (255, 120, 230),
    "plywood": (90, 255, 120),
}


def annotate(
    pixels: Pixels, boxes: Sequence[Box], *, scores: Sequence[float] = (), caption: str = ""
) -> Image.Image:
    """The photo with labelled boxes, and a caption in its lower left corner."""
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    unit = max(image.size) / 640
    font = ImageFont.load_default(size=max(9.0, 12 * unit))
    for index, box in enumerate(boxes):
        colour = _COLOURS[box.name]
        edges = (box.x_min, box.y_min, box.x_max, box.y_max)
        pen.rectangle(edges, outline=colour, width=max(1, round(2 * unit)))
        words = [box.name.replace("_", " "), box.brand or ""]
        if scores:
            words.append(f"{scores[index]:.2f}")
        _label(pen, (box.x_min, box.y_min), " ".join(filter(None, words)), colour, font)
    if caption:
        _label(pen, (4 * unit, image.height - 4 * unit), caption, (255, 255, 255), font)
    return image


def _label(
    pen: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    words: str,
    colour: tuple[int, int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    left, top, right, bottom = pen.textbbox((0, 0), words, font=font)
    tall = bottom - top + 4
    x, y = corner[0], max(0.0, corner[1] - tall)
    pen.rectangle((x, y, x + right - left + 4, y + tall), fill=(0, 0, 0))
    pen.text((x + 2, y + 2 - top), words, fill=colour, font=font)


def detect(path: Path, engine: str, pixels: Pixels) -> tuple[list[Box], list[float]]:
    """What an exported detector reports on a photo, in the photo's pixels."""
    side = INPUT_SIZES[engine]
    square = letterbox(encode_jpeg(pixels), side)
    runner = session(path)
    names = [output.name for output in runner.get_outputs()]
    values = dict(zip(names, runner.run(names, {"PIXELS": square.pixels[None]}), strict=True))
    boxes: list[Box] = []
    scores: list[float] = []
    for index in np.flatnonzero(values["SCORES"][0] >= SCORE_THRESHOLDS[engine]):
        edges = values["BOXES"][0, index] * (side / square.scale)
        name = CLASSES[engine][int(values["CLASSES"][0, index])]
        is_branded = name == "shingle" and "BRANDS" in values
        brand = BRANDS[int(values["BRANDS"][0, index].argmax())] if is_branded else None
        x_min, y_min, x_max, y_max = (float(edge) for edge in edges)
        boxes.append(Box(name, x_min, y_min, x_max, y_max, brand))
        scores.append(float(values["SCORES"][0, index]))
    return boxes, scores


def contact_sheet(pictures: Sequence[Image.Image], columns: int, width: int) -> Image.Image:
    """Pictures side by side in rows, each ``width`` pixels wide and 3/4 as high."""
    height = width * 3 // 4
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), (255, 255, 255))
    for index, picture in enumerate(pictures):
        small = picture.resize((width - 4, height - 4), Image.Resampling.LANCZOS)
        sheet.paste(small, ((index % columns) * width + 2, (index // columns) * height + 2))
    return sheet
