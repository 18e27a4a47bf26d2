"""Which tone a word is shown in: good, warn, bad, hold, info or idle. The word is always there too.

Releases have colours of their own, by their order in the catalogue, so that one release has one
colour wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from control_plane.core.breaker import State as BreakerState
from control_plane.core.health import Fitness
from control_plane.core.health import State as HealthState
from control_plane.core.rollout import State as RolloutState
from control_plane.core.rollout import Verdict
from control_plane.services.status import LOADING, READY, UNPROBED, UNREACHABLE, InstanceView

GOOD, WARN, BAD, HOLD, INFO, IDLE = "good", "warn", "bad", "hold", "info", "idle"

HEALTH: Mapping[str, str] = {
    HealthState.HEALTHY: GOOD,
    HealthState.DEGRADED: WARN,
    HealthState.UNKNOWN: IDLE,
    HealthState.UNHEALTHY: BAD,
    HealthState.DRAINING: HOLD,
    HealthState.ISOLATED: HOLD,
}
FITNESS: Mapping[str, str] = {
    Fitness.FIT: GOOD,
    UNPROBED: IDLE,
    Fitness.PROVING: INFO,
    Fitness.MENDING: WARN,
    Fitness.UNFIT: BAD,
    Fitness.GIVEN_UP: BAD,
}
BREAKER: Mapping[str, str] = {
    BreakerState.CLOSED: GOOD,
    BreakerState.HALF_OPEN: WARN,
    BreakerState.OPEN: BAD,
    BreakerState.ISOLATED: HOLD,
}
SEEN: Mapping[str, str] = {READY: GOOD, LOADING: INFO, UNREACHABLE: BAD}
ROLLOUT: Mapping[str, str] = {
    RolloutState.PENDING: INFO,
    RolloutState.PREPARING: INFO,
    RolloutState.SHADOW: INFO,
    RolloutState.STEP: INFO,
    RolloutState.PROMOTING: INFO,
    RolloutState.PAUSED: WARN,
    RolloutState.COMPLETED: GOOD,
    RolloutState.ROLLING_BACK: WARN,
    RolloutState.ROLLED_BACK: IDLE,
    RolloutState.FAILED: BAD,
}
VERDICT: Mapping[str, str] = {
    Verdict.WORSE: BAD,
    Verdict.NOT_WORSE: GOOD,
    Verdict.UNDECIDED: IDLE,
    Verdict.ERROR: WARN,
}

RELEASES = "abcdef"


def tone_of(word: str) -> str:
    """Of a state of health or a fitness, as changes name them."""
    return HEALTH.get(word) or FITNESS.get(word) or IDLE


def is_silent(view: InstanceView) -> bool:
    """It does not answer as it should: what is known of what is on it is from before."""
    return view.state == UNREACHABLE or view.health == HealthState.UNHEALTHY


def release_tones(releases: Iterable[str]) -> dict[str, str]:
    """releases: of an engine, in their order. After six, the first colour comes again."""
    return {release: RELEASES[index % len(RELEASES)] for index, release in enumerate(releases)}
