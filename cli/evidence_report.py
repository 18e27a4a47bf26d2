"""All that is known of a rollout, each test in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cli.fleet_picture import time_of
from cli.history import Entry, history_table
from cli.rollout_picture import rollout_picture
from cli.rollout_words import (
    VERDICT_MARKS,
    Metric,
    Rollout,
    duration,
    evidence_of,
    figure,
    seen_words,
    stays,
    test_of,
    verdict_of,
    words,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

EVIDENCE = (
    "Evidence is what a stake of 1 has become, bet on the claim at odds that are fair if it is "
    "false. It may be looked at at any time: the threshold holds for all looks together."
)

UNITS = (
    "Units are requests that draw their release anew, counted of each release, the fewer of both; "
    "samples are all requests to the target in this step."
)


def show_report(
    rollout: Rollout, entries: Sequence[Entry], now: datetime, *, width: int
) -> RenderableType:
    """The picture, what each test says, the plan, and what was done."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [rollout_picture(rollout, now, width=width)]
    look = rollout.get("assessment")
    if look:
        at = f"at {time_of(look['at'], now)}, in {_step(look['step'])}, {look['samples']} samples"
        parts += ["", Text(f"Tests, {at}", style="bold")]
        parts += [Text(test_words(metric, rollout)) for metric in look["metrics"]]
        if look["reason"].endswith(" units") or " units;" in look["reason"]:
            parts.append(Text(UNITS, style="dim"))
        if any(metric["threshold"] for metric in look["metrics"]):
            parts.append(Text(EVIDENCE, style="dim"))
    parts += ["", Text("Plan", style="bold"), Text(plan_words(rollout))]
    if entries:
        parts += ["", Text("History", style="bold"), history_table(entries, now)]
    return Group(*parts)


def test_words(metric: Metric, rollout: Rollout) -> str:
    """One test, a line for each of its figures."""
    test, verdict = test_of(str(metric["metric"])), verdict_of(metric)
    stable, target = (figure(metric[arm], is_share=test.is_share) for arm in ("stable", "target"))
    both = target if test.is_one else f"{test.of_stable} {stable}, {test.of_target} {target}"
    said = [f"{VERDICT_MARKS.get(verdict, '?')} {test.name}: {words(verdict)}"]
    said.append(f"{seen_words(metric, rollout, rollout['assessment']['step'])}: {both}")
    if metric["threshold"]:
        said.append(_claim(test.worse, metric["evidence"], metric["threshold"]))
    if metric["clear_threshold"]:
        said.append(_claim(test.clear, metric["clear_evidence"], metric["clear_threshold"]))
    return "\n    ".join(said)


def plan_words(rollout: Rollout) -> str:
    """How it was to go, and what did not decide about it."""
    ignored = rollout.get("ignored")
    return f"{_course(rollout)}; ignored: {', '.join(ignored)}" if ignored else _course(rollout)


def _course(rollout: Rollout) -> str:
    kind, shares = str(rollout["kind"]), rollout["steps_percent"]
    if kind == "shadow":
        return f"a copy of {rollout['shadow_percent']} % of the traffic, until told"
    if kind == "experiment":
        return f"{shares[0]} % of the traffic, until told"
    if kind == "direct":
        return "all of the traffic at once"
    steps = " → ".join(f"{share} %" for share in shares)
    first = rollout["shadow_percent"]
    said = f"a shadow of {first} % first, then {steps}" if first else steps
    if stays(rollout):
        return f"{said}, on when told"
    least = f"{duration(rollout['min_step_s'])} and {rollout['min_samples']} samples"
    return f"{said}, each step at least {least}, asks after {duration(rollout['max_step_s'])}"


def _claim(claim: str, log_e: float | None, log_threshold: float | None) -> str:
    is_reached = log_e is not None and log_threshold is not None and log_e >= log_threshold
    needed = f"evidence {evidence_of(log_e)} of {evidence_of(log_threshold)} needed"
    return f"{claim}: {needed}{', so it is' if is_reached else ''}"


def _step(step: int) -> str:
    return f"step {step}" if step else "the shadow"
