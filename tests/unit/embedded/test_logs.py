from __future__ import annotations

import asyncio

import pytest

from control_plane.embedded.logs import LONGEST_LINE, level_of, lines_of
from control_plane.embedded.options import LogLevel

STAMP = "1123 13:03:14.411585 6890 server.cc:241] "


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (f'I{STAMP}"Started HTTPService"', LogLevel.INFO),
        (f'W{STAMP}"something odd"', LogLevel.WARNING),
        (f'E{STAMP}"failed to load"', LogLevel.ERROR),
        (f'F{STAMP}"cannot go on"', LogLevel.ERROR),
        (f'E{STAMP}"CudaDriverHelper has not been initialized."', LogLevel.DEBUG),
        (f'W{STAMP}"Unable to allocate pinned system memory"', LogLevel.DEBUG),
        (
            f"E{STAMP}Failed to set config modification time: model_config_content_name_",
            LogLevel.DEBUG,
        ),
        (f"I{STAMP}", LogLevel.DEBUG),
        ("| Option | Value |", LogLevel.DEBUG),
        ("error: creating server: Internal - failed", LogLevel.ERROR),
        ("+--------+-------+", LogLevel.DEBUG),
        ("tritonserver: error while loading shared libraries: libz.so.1", LogLevel.ERROR),
        ("Traceback (most recent call last):", LogLevel.ERROR),
        ("what a model prints", LogLevel.INFO),
    ],
)
def test_a_line_is_as_loud_as_triton_says_except_known_noise(line: str, level: LogLevel) -> None:
    assert level_of(line) is level


async def lines(*chunks: bytes) -> list[str]:
    stream = asyncio.StreamReader()
    for chunk in chunks:
        stream.feed_data(chunk)
    stream.feed_eof()
    return [line async for line in lines_of(stream)]


async def test_lines_are_whole_whatever_the_chunks() -> None:
    assert await lines(b"one\ntw", b"o\n\nthree") == ["one", "two", "three"]


async def test_bytes_that_are_no_text_are_replaced() -> None:
    assert await lines(b"caf\xff\n") == ["caf\N{REPLACEMENT CHARACTER}"]


async def test_an_endless_line_comes_in_pieces() -> None:
    pieces = await lines(b"x" * (3 * LONGEST_LINE) + b"\nend\n")
    assert "".join(pieces[:-1]) == "x" * (3 * LONGEST_LINE)
    assert pieces[-1] == "end"
    assert max(map(len, pieces)) <= 2 * LONGEST_LINE
