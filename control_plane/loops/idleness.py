"""Says that nothing can be worked on, once, and once that it can again.

A worker that cannot reach its Tritons would otherwise be silent, and look as if all were done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from control_plane.ports import Clock

log = structlog.get_logger(__name__)


class Idleness:
    """unserved: what is wrong with each instance while no engine serves; None while one does.

    patience_s: nothing is told of what is over sooner, as a start or a restart is.
    """

    def __init__(
        self,
        unserved: Callable[[], Sequence[str] | None],
        *,
        clock: Clock,
        patience_s: float = 5.0,
    ) -> None:
        self._unserved = unserved
        self._clock = clock
        self._patience_s = patience_s
        self._since_s: float | None = None
        self._told: Sequence[str] | None = None

    def look(self) -> None:
        """Tells what is new."""
        unserved = self._unserved()
        if unserved is None:
            if self._told is not None:
                log.info("an engine serves, jobs are taken again")
            self._told = self._since_s = None
            return
        now_s = self._clock.now_s()
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= self._patience_s and unserved != self._told:
            self._told = unserved
            log.warning("no engine serves, nothing is taken", instances=list(unserved))
