"""The names under which callers pass ids along."""

from __future__ import annotations

CORRELATION_ID = "x-correlation-id"
