"""How hypothesis searches: no time limit for an example, since the machine may be busy."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

# mutmut asks only whether a test fails; to find the smallest example that does costs it much.
FOR_MUTANTS = [Phase.explicit, Phase.generate, Phase.target]

settings.register_profile(
    "tidegate",
    deadline=None,
    phases=FOR_MUTANTS if "MUTANT_UNDER_TEST" in os.environ else list(Phase),
    # Mutation tests run a test class more than once in a process, on an instance each time.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
    # The same examples on every run of CI; new ones on every run by hand.
    derandomize="CI" in os.environ,
)
settings.load_profile("tidegate")
