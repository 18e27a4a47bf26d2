"""What ``tidegate doctor`` says of jobs: whether their queue answers, and what waits for a person.

It looks at the control plane's own figures, changes nothing, and says what mends what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from cli.checks import Check, Level
from cli.client import ControlPlane
from cli.failure import Refused
from cli.job_options import JOBS
from cli.job_words import figures_line

FIGURES_TIMEOUT_S = 15.0
"""The control plane itself waits some seconds for a store that does not answer."""


def check_jobs(control_plane: ControlPlane) -> Iterator[Check]:
    """Nothing of a control plane that does not tell: that it is away is said elsewhere."""
    try:
        figures = control_plane.get(f"{JOBS}/figures", timeout_s=FIGURES_TIMEOUT_S)
    except Refused:
        return
    if figures["queue"] is None:
        yield Check(
            Level.FAIL,
            "queue",
            "it does not answer the control plane: no job is accepted or worked on",
            "bring it back; what was accepted goes on then",
        )
    dead, undelivered = sum(figures["dead"].values()), figures["undelivered"]
    if dead:
        yield Check(Level.WARN, "jobs", f"{dead} failed for good", "tidegate jobs dead")
    if undelivered:
        detail = f"the results of {undelivered} were given up on their way"
        yield Check(Level.WARN, "jobs", detail, "tidegate jobs list --undelivered")
    if not dead and not undelivered:
        yield Check(Level.OK, "jobs", figures_line(figures))
