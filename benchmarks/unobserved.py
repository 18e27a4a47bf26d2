"""Tidegate without anything seen of it: what ``gateway_overhead.py`` compares it with.

No request is counted, traced, or named in the log; all else is as ever. Usage: as ``tidegate``.
"""

from __future__ import annotations

import os

import structlog

from cli.main import main
from control_plane.core.traffic import RequestCounts


def nothing(*_: object, **__: object) -> None:
    """Instead of what counts, and of what binds names to log lines."""


if __name__ == "__main__":
    os.environ |= {"TIDEGATE_TRACING__ENABLED": "false", "TIDEGATE_LOG__LEVEL": "error"}
    for name in ("ended", "refused", "saw_confidence"):
        setattr(RequestCounts, name, nothing)
    structlog.contextvars.bind_contextvars = nothing  # type: ignore[assignment]
    structlog.contextvars.clear_contextvars = nothing
    main()
