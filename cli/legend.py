"""The strip above the picture: status, and for each engine its release and what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from cli.palette import (
    INK,
    MUTED,
    PAPER,
    VERMILLION,
    Colour,
    colour_of_class,
    colour_of_status,
    ink_on,
)
from cli.wording import boxes_of, failure_of, findings_of, name_of

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# A message as long as a page must not become a strip as tall as the photo.
LONGEST_TEXT = 300
WORD_GAP = 0.28
RAISED_SCALE = 0.65


@dataclass(frozen=True, slots=True)
class Piece:
    """A few words that stay together.

    swatch: a small square of this colour before them. plate: the colour they stand on.
    raised: a superscript after them, as Pillow's own font has none. gap: the space that
    follows, in text sizes.
    """

    text: str
    colour: Colour = PAPER
    swatch: Colour | None = None
    plate: Colour | None = None
    raised: str = ""
    gap: float = 0.7


def describe(answer: Mapping[str, Any]) -> list[list[Piece]]:
    """The strip's rows: first the status, then one row for each engine, failed ones too."""
    status = str(answer.get("status", "unknown"))
    plate = colour_of_status(status)
    rows = [[Piece(status.upper(), ink_on(plate), plate=plate), Piece("Tidegate", MUTED)]]
    elapsed_ms = answer.get("processing_time_ms")
    if isinstance(elapsed_ms, (int, float)):
        rows[0].append(Piece(f"{elapsed_ms:.0f} ms", MUTED))
    versions = answer.get("model_versions") or {}
    for engine, findings in (answer.get("results") or {}).items():
        head = [Piece(str(engine)), Piece(str(versions.get(engine, "")), MUTED)]
        rows.append([piece for piece in head if piece.text] + _found(str(engine), findings))
    for engine, failure in (answer.get("errors") or {}).items():
        why = failure_of(failure)[:LONGEST_TEXT]
        plate = VERMILLION
        rows.append([Piece(str(engine)), Piece("FAILED", ink_on(plate), plate=plate), *_words(why)])
    return rows


def draw_legend(rows: Sequence[Sequence[Piece]], width: int, font: Font, size: int) -> Image.Image:
    """The strip as a picture ``width`` pixels wide and as tall as its rows need."""
    pad, line = round(size * 0.6), round(size * 1.6)
    places: list[tuple[int, int, Piece]] = []
    y = pad
    for row in rows:
        x = pad
        for piece in row:
            needed = _width_of(piece, font, size)
            if x > pad and x + needed > width - pad:
                x, y = pad + size, y + line
            places.append((x, y, piece))
            x += needed + round(size * piece.gap)
        y += line
    strip = Image.new("RGB", (width, y + pad - round(size * 0.3)), INK)
    draw = ImageDraw.Draw(strip)
    for x, top, piece in places:
        _draw_piece(draw, piece, (x, top), font=font, size=size)
    return strip


def _found(engine: str, findings: Mapping[str, Any]) -> list[Piece]:
    boxes = boxes_of(findings)
    if not boxes:
        return _words(findings_of(engine, findings)[:LONGEST_TEXT])
    pieces = []
    for class_name, count in sorted(Counter(str(one.get("class")) for one in boxes).items()):
        text = f"{count} {name_of(class_name)}"
        of_class = [one for one in boxes if str(one.get("class")) == class_name]
        brands = Counter(str(one["brand"]) for one in of_class if one.get("brand"))
        by_brand = ", ".join(f"{number} {brand}" for brand, number in sorted(brands.items()))
        pieces.append(
            Piece(text, swatch=colour_of_class(class_name), gap=WORD_GAP if by_brand else 0.7)
        )
        pieces += [Piece(f"({by_brand})", MUTED)] if by_brand else []
    return pieces


def _words(text: str) -> list[Piece]:
    return [
        Piece(word.rstrip("³"), raised="3" if word.endswith("³") else "", gap=WORD_GAP)
        for word in text.split()
    ]


def _width_of(piece: Piece, font: Font, size: int) -> int:
    extra = round(size * 0.8) if piece.plate else 0
    extra += round(size * 1.1) if piece.swatch else 0
    extra += round(font.getlength(piece.raised) * RAISED_SCALE)
    return round(font.getlength(piece.text)) + extra


def _draw_piece(
    draw: ImageDraw.ImageDraw, piece: Piece, at: tuple[int, int], *, font: Font, size: int
) -> None:
    x, top = at
    line = round(size * 1.3)
    middle = top + line // 2
    if piece.plate is not None:
        box = (x, top, x + _width_of(piece, font, size), top + line)
        draw.rounded_rectangle(box, radius=size // 4, fill=piece.plate)
        x += round(size * 0.4)
    if piece.swatch is not None:
        half = round(size * 0.4)
        draw.rectangle((x, middle - half, x + 2 * half, middle + half), fill=piece.swatch)
        x += round(size * 1.1)
    draw.text((x, middle), piece.text, fill=piece.colour, font=font, anchor="lm")
    if piece.raised:
        x += round(font.getlength(piece.text))
        raised = ImageFont.load_default(max(8, round(size * RAISED_SCALE)))
        draw.text((x, top), piece.raised, fill=piece.colour, font=raised, anchor="lt")
