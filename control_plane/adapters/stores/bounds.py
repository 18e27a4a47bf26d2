"""How much is kept of what grows with the traffic and with time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of each rollout, and of how many.

    rollouts: of an engine's latest ones counts and evidence are kept; of those before, the
        rollout itself and what the audit says.
    assessments: at most so many. A further one thins the older half and more: every second of
        them is dropped, except for the first and the newest tenth. So a long rollout is kept
        from its beginning, the coarser the longer ago.
    keyed_units: at most so many; further ones are dropped, as a full tally does.
    """

    rollouts: int = 100
    assessments: int = 5_000
    keyed_units: int = 800_000

    @property
    def newest(self) -> int:
        """How many of the newest assessments are never thinned."""
        return self.assessments // 10


DEFAULT_BOUNDS = Bounds()

MOST_JUDGED = 5_000
"""Of one release's answers, what was said of so many is kept."""
