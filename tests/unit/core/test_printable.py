"""No text of others commands a terminal, and what is text stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.printable import printable


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("INTERNAL: \x1b[2J boom", "INTERNAL: ?[2J boom"),
        ("\x1b]0;owned\x07", "?]0;owned?"),
        ("\x9b31m", "?31m"),  # a whole escape sequence in one character
        ("all is well\rdead", "all is well?dead"),
        ("\x00\x08\x0b\x1f\x7f", "?????"),
        ("abc\u202edef\u2069", "abc?def?"),
        ("Dächer, 屋根: ½ m³ → ok\u00a0😀", "Dächer, 屋根: ½ m³ → ok\u00a0😀"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_what_a_terminal_would_obey_is_replaced(said: str, shown: str) -> None:
    assert printable(said) == shown


@given(st.text())
def test_nothing_is_lost_but_what_is_replaced(said: str) -> None:
    shown = printable(said)
    assert len(shown) == len(said)
    assert not any(ord(one) < 0x20 and one not in "\n\t" for one in shown)
    assert printable(shown) == shown
