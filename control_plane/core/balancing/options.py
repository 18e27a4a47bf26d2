"""The numbers of a pool, and what each is for. They are checked here and nowhere else."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from control_plane.core.balancing.member import LoadOptions
from control_plane.core.balancing.policies import PolicyName
from control_plane.core.breaker import BreakerOptions


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How one release's members are chosen among, ejected and brought back.

    most_ejected_share: the share of the members that their breakers may keep out; but one may
        always be. Beyond it the breakers are overruled. Envoy's max_ejection_percent is 10 and
        its panic threshold 50 %; with two to four members only the latter leaves room for one.
    panic_choices: how many members a pick in panic compares. Four see the whole of a small
        fleet, so that whoever still answers is found.
    bench_trust_s: how long the answer to a call speaks for a member that health checks have
        benched.
    probe_share, probe_floor_per_s: the share of first tries, and the number per second on top,
        that may be spent on probing members whose open time is over; it bounds what callers
        pay when half of a large fleet comes due at once.
    """

    policy: PolicyName = PolicyName.P2C_EWMA
    load: LoadOptions = field(default_factory=LoadOptions)
    breaker: BreakerOptions = field(default_factory=BreakerOptions)
    most_ejected_share: float = 0.5
    panic_choices: int = 4
    bench_trust_s: float = 5.0
    probe_share: float = 0.1
    probe_floor_per_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.most_ejected_share <= 1:
            raise ValueError(f"most_ejected_share must be in [0, 1], not {self.most_ejected_share}")
        if self.panic_choices < 1:
            raise ValueError(f"panic_choices must be at least 1, not {self.panic_choices}")
        if self.bench_trust_s < 0:
            raise ValueError(f"bench_trust_s must not be negative: {self.bench_trust_s}")
        if not 0 <= self.probe_share <= 1:
            raise ValueError(f"probe_share must be in [0, 1], not {self.probe_share}")
        if not 0 < self.probe_floor_per_s < math.inf:
            raise ValueError(
                f"probe_floor_per_s must be positive and finite, not {self.probe_floor_per_s}"
            )

    def most_ejected(self, members: int) -> int:
        """How many of so many members may be out by their breakers."""
        # A hair more, so that 0.29 of 100 are 29 in binary too.
        return max(1, math.floor(self.most_ejected_share * members + 1e-9))
