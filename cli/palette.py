"""The colours of a picture: told apart by everyone, and readable on what they stand on.

Okabe and Ito's palette (Color Universal Design, 2008) keeps its hues apart for the common
kinds of colour blindness. Pure values and arithmetic; nothing is drawn here.
"""

from __future__ import annotations

import zlib

Colour = tuple[int, int, int]

YELLOW: Colour = (240, 228, 66)
SKY_BLUE: Colour = (86, 180, 233)
VERMILLION: Colour = (213, 94, 0)
ORANGE: Colour = (230, 159, 0)
GREEN: Colour = (0, 158, 115)
PURPLE: Colour = (204, 121, 167)
BLUE: Colour = (0, 114, 178)

INK: Colour = (16, 18, 22)
PAPER: Colour = (245, 246, 248)
MUTED: Colour = (168, 174, 184)

CLASSES: dict[str, Colour] = {
    "hail": YELLOW,
    "wind": SKY_BLUE,
    "missing_shingle": VERMILLION,
    "shingle": ORANGE,
    "plywood": GREEN,
}
# For classes of engines that are not known here.
SPARE = (PURPLE, BLUE, SKY_BLUE, ORANGE, GREEN, YELLOW)
STATUSES: dict[str, Colour] = {"completed": GREEN, "partial": YELLOW, "failed": VERMILLION}


def colour_of_class(class_name: str) -> Colour:
    """The same colour for the same class, in every picture."""
    known = CLASSES.get(class_name)
    return known or SPARE[zlib.crc32(class_name.encode()) % len(SPARE)]


def colour_of_status(status: str) -> Colour:
    return STATUSES.get(status, MUTED)


def ink_on(plate: Colour) -> Colour:
    """Dark or light, whichever contrasts more with the plate (WCAG 2 relative luminance)."""
    light = (_luminance(PAPER) + 0.05) / (_luminance(plate) + 0.05)
    dark = (_luminance(plate) + 0.05) / (_luminance(INK) + 0.05)
    return PAPER if light > dark else INK


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
