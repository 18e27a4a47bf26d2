"""The machine's clock."""

from __future__ import annotations

import time


class MonotonicClock:
    """Seconds that only go forward; their origin means nothing."""

    def now_s(self) -> float:
        return time.monotonic()
