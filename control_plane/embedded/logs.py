"""Reads a Triton's output line by line and says how loud each line is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from control_plane.embedded.options import LogLevel

LONGEST_LINE = 16 * 1024
LEVELS = {
    "I": LogLevel.INFO,
    "W": LogLevel.WARNING,
    "E": LogLevel.ERROR,
    "F": LogLevel.ERROR,
}
PREFIX = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ \d+ ")
ERROR = re.compile(r"^error: |error while loading shared libraries|^Traceback ")
TABLE = ("|", "+-")
# Seen on every healthy start or load of the wheel's Triton on a machine without a GPU.
HARMLESS = (
    "unable to create stream",
    "CUDA memory pool disabled",
    "Unable to allocate pinned system memory",
    "Failed to set config modification time",
    "Agent model returns error",
    "CUDA driver",
    "CudaDriverHelper has not been initialized",
    "no kernel image is available",
)


def level_of(line: str) -> LogLevel:
    """Triton's own level; known noise and the tables of the start go below, to ``DEBUG``."""
    if any(noise in line for noise in HARMLESS) or line.startswith(TABLE):
        return LogLevel.DEBUG
    match = PREFIX.match(line)
    if match is None:
        # A stub's own output, or how the loader and tritonserver say why they cannot start.
        return LogLevel.ERROR if ERROR.search(line) else LogLevel.INFO
    message = line[match.end() :].partition("]")[2].strip()
    return LEVELS[match.group(1)] if message else LogLevel.DEBUG  # an empty one heads a table


async def lines_of(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Decoded lines without their ends; one longer than 16 KiB comes in pieces, never an error."""
    rest = b""
    while chunk := await stream.read(LONGEST_LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) >= LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            if text := line.decode("utf-8", errors="replace").rstrip():
                yield text
    if rest:
        yield rest.decode("utf-8", errors="replace").rstrip()
