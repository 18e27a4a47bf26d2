"""Draws an answer on its photo: boxes, labels, and a strip that says the rest.

The photo is turned upright first, as the boxes are in pixels of the upright photo.
Sizes follow the photo's, so that a picture reads the same at 640 and at 4,000 pixels.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from cli.labels import Placed, Rectangle, Wording, leader_of, place_labels
from cli.legend import Font, describe, draw_legend
from cli.palette import INK, Colour, colour_of_class, ink_on
from cli.wording import boxes_of, name_of

FORMATS = ("JPEG", "PNG", "WEBP")
SMALLEST_TEXT = 13
TEXT_PER_PHOTO = 0.0165
# A stamp-sized photo is set on a wider sheet, or its strip would be one word a line.
NARROWEST_IN_TEXT = 30
MOST_BOXES = 1000
# Beyond this, labels hide the photo; the surest findings keep theirs.
MOST_LABELS = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """One box with what its label says. box: pixels of the upright photo."""

    box: Rectangle
    class_name: str
    brand: str | None
    confidence: float | None

    def wordings(self) -> list[str]:
        """The label's texts, the fullest first; the legend gives the class to the last."""
        sure = "" if self.confidence is None else f"{self.confidence:.2f}"
        name = name_of(self.class_name)
        full = " ".join(part for part in (name, self.brand, sure) if part)
        shorter = [" ".join(p for p in (self.brand, sure) if p)] if self.brand else []
        return list(dict.fromkeys([full, *shorter, sure or name]))


def annotate(photo: bytes, answer: Mapping[str, Any], picture: Path) -> None:
    """Writes ``picture``, a JPEG. Raises OSError when it cannot, or the photo is none."""
    drawn = draw(photo, answer)
    picture.parent.mkdir(parents=True, exist_ok=True)
    # Whoever watches the folder never sees half a picture.
    unfinished = picture.with_name(f".{picture.name}.{os.getpid()}.part")
    try:
        drawn.save(unfinished, format="JPEG", quality=92, subsampling=0)
        unfinished.replace(picture)
    finally:
        unfinished.unlink(missing_ok=True)


def draw(photo: bytes, answer: Mapping[str, Any]) -> Image.Image:
    """The annotated picture: the legend above, the photo below it at the left edge."""
    upright = _open_upright(photo)
    size = max(SMALLEST_TEXT, round(TEXT_PER_PHOTO * max(upright.size)))
    font = _font(size)
    _draw_marks(upright, marks_of(answer, upright.size), size)
    width = max(upright.width, NARROWEST_IN_TEXT * size)
    strip = draw_legend(describe(answer), width, font, size)
    sheet = Image.new("RGB", (width, strip.height + upright.height), INK)
    sheet.paste(strip, (0, 0))
    sheet.paste(upright, (0, strip.height))
    return sheet


def marks_of(answer: Mapping[str, Any], size: tuple[int, int]) -> list[Mark]:
    """Every box of every engine, cut to the photo; what is no box is left out."""
    marks = []
    for findings in (answer.get("results") or {}).values():
        for found in boxes_of(findings):
            box = _rectangle(found.get("box"), size)
            if box is None:
                continue
            confidence = found.get("confidence")
            marks.append(
                Mark(
                    box=box,
                    class_name=str(found.get("class", "?")),
                    brand=str(found["brand"]) if found.get("brand") else None,
                    confidence=confidence if isinstance(confidence, (int, float)) else None,
                )
            )
    return marks[:MOST_BOXES]


def _rectangle(box: Any, size: tuple[int, int]) -> Rectangle | None:
    try:
        edges = [float(box[name]) for name in ("x_min", "y_min", "x_max", "y_max")]
    except (KeyError, TypeError, ValueError):
        return None
    if not all(math.isfinite(edge) for edge in edges):
        return None
    left, right = sorted(min(max(edge, 0), size[0]) for edge in edges[0::2])
    top, bottom = sorted(min(max(edge, 0), size[1]) for edge in edges[1::2])
    return Rectangle(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))


def _open_upright(photo: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(photo), formats=FORMATS) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except Image.DecompressionBombError as error:
        raise OSError(str(error)) from None


def _draw_marks(photo: Image.Image, marks: list[Mark], size: int) -> None:
    canvas = ImageDraw.Draw(photo)
    frame = Rectangle(0, 0, photo.width, photo.height)
    line = _line_width(size)
    for mark in marks:
        outline = _outline(mark.box, line, frame)
        _draw_outline(canvas, outline, line, colour_of_class(mark.class_name))
    _draw_labels(canvas, marks, frame, size)


def _draw_labels(
    canvas: ImageDraw.ImageDraw, marks: list[Mark], frame: Rectangle, size: int
) -> None:
    line = _line_width(size)
    marks = sorted(marks, key=lambda mark: -(mark.confidence or 0))[:MOST_LABELS]
    outlines = [_outline(mark.box, line, frame) for mark in marks]
    wordings = [[_measure(text, size) for text in mark.wordings()] for mark in marks]
    labels = place_labels(outlines, wordings, frame)
    for mark, outline, label in zip(marks, outlines, labels, strict=True):
        leader = leader_of(outline, label.plate)
        if leader is not None:
            canvas.line(leader, fill=INK, width=line + 2)
            canvas.line(leader, fill=colour_of_class(mark.class_name), width=max(1, line - 1))
    for mark, label in zip(marks, labels, strict=True):
        _draw_label(canvas, label, size, colour_of_class(mark.class_name))


def _line_width(size: int) -> int:
    return max(2, round(size / 7))


def _outline(box: Rectangle, line: int, frame: Rectangle) -> Rectangle:
    """The outer edge of a line drawn around the box, not over what is in it."""
    return Rectangle(
        max(frame.left, box.left - line),
        max(frame.top, box.top - line),
        min(frame.right, box.right + line),
        min(frame.bottom, box.bottom + line),
    )


def _draw_outline(
    canvas: ImageDraw.ImageDraw, outline: Rectangle, line: int, colour: Colour
) -> None:
    # A dark hair around the colour: it shows on pale and on dark roofs alike.
    hair = max(1, line // 3)
    inner = (outline.left, outline.top, outline.right - 1, outline.bottom - 1)
    left, top, right, bottom = inner
    canvas.rectangle(
        (left - hair, top - hair, right + hair, bottom + hair), outline=INK, width=hair
    )
    canvas.rectangle(inner, outline=colour, width=min(line, _half(outline)))


def _half(outline: Rectangle) -> int:
    shorter = min(outline.right - outline.left, outline.bottom - outline.top)
    return max(1, shorter // 2)


def _measure(text: str, size: int) -> Wording:
    pad = max(2, size // 5)
    return Wording(text, round(_font(size).getlength(text)) + 2 * pad, size + 2 * pad)


def _draw_label(canvas: ImageDraw.ImageDraw, label: Placed, size: int, colour: Colour) -> None:
    plate = label.plate
    edges = (plate.left, plate.top, plate.right - 1, plate.bottom - 1)
    canvas.rectangle(edges, fill=colour, outline=INK, width=max(1, size // 20))
    middle = ((plate.left + plate.right) // 2, (plate.top + plate.bottom) // 2)
    text = label.wording.text
    canvas.text(middle, text, fill=ink_on(colour), font=_font(size), anchor="mm")


@lru_cache(maxsize=8)
def _font(size: int) -> Font:
    return ImageFont.load_default(size)
