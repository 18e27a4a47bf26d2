"""What others say, made fit for a terminal, where control characters are commands.

Triton, its backends and whatever else answers in its place put any text into an error, and that
text is shown in log lines and by the command line. It decides nothing else about the text.
"""

from __future__ import annotations

import re

SHOWN_INSTEAD = "?"

_COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # C0 and C1 (ECMA-48) without tab and line feed, and DEL
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # Unicode's, for the direction of writing
)


def printable(text: str) -> str:
    """The text with a question mark for each character that a terminal would obey.

    Line feeds and tabs stay: they move what is written and hide nothing.
    """
    return _COMMANDS.sub(SHOWN_INSTEAD, text)
