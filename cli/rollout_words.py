"""A rollout in words and figures, the same on a line, on the terminal and on the picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from control_plane.core.stakes import write_stake

Rollout = Mapping[str, Any]
Metric = Mapping[str, Any]

ALL_BP, BP_PER_PERCENT = 10_000, 100

FINISHED_WELL = "completed"
MARKS = {
    "pending": "○",
    "preparing": "…",
    "shadow": "◌",
    "step": "▶",
    "promoting": "▶",
    "paused": "‖",
    "completed": "✓",
    "rolling_back": "◀",
    "rolled_back": "✗",
    "failed": "✗",
}
VERDICT_MARKS = {
    "not_worse": "✓",
    "worse": "✗",
    "undecided": "…",
    "error": "?",
    "ignored": "·",
    "no_verdict": "·",
    "waiting": "…",
}
NO_REQUESTS = re.compile(r"no request(?: of (?P<arm>canary|stable))? has been counted")
IGNORABLE = ("confidence", "latency")
EXPLAINED = frozenset({"paused", "rolling_back", "rolled_back", "failed"})
"""States that are not understood without their reason."""


@dataclass(frozen=True, slots=True)
class Test:
    """How the figures of one test are read.

    name: a person's word for it. seen: what its figures are. is_share: whether they are shares,
    shown in percent. axis: what stands beside them on a plot where they are none. is_one: whether
    there is one figure only, the target's. of_stable, of_target: whose each figure is. worse,
    clear: what its two kinds of evidence are for.
    """

    name: str
    seen: str
    is_share: bool = True
    axis: str = ""
    is_one: bool = False
    of_stable: str = "stable"
    of_target: str = "target"
    worse: str = "that it is worse"
    clear: str = "that it is not worse by the margin"


TESTS = {
    "errors": Test("errors", "requests that failed"),
    "latency": Test("latency", "slow requests"),
    "confidence": Test(
        "confidence",
        "mean confidence",
        is_share=False,
        axis="confidence",
        worse="that it has moved",
        clear="that it has not moved by the margin",
    ),
    "sample_ratio": Test(
        "sample ratio",
        "the target's share of the requests",
        of_stable="expected",
        of_target="seen",
        worse="that the split is not what the route says",
    ),
    "detections": Test("detections", "boxes that both releases have found", is_one=True),
}


def test_of(metric: str) -> Test:
    """query:NAME is an operator's own; what is not known here is shown by its name."""
    known = TESTS.get(metric)
    if known is not None:
        return known
    score = metric.removeprefix("accuracy:")
    if score != metric:
        return Test(f"accuracy ({score})", f"mean {score} of judged photos", is_share=False)
    name = metric.removeprefix("query:")
    if name != metric:
        return Test(name, "the query's result", is_share=False, axis="result", is_one=True)
    return Test(words(name), words(name), is_share=False)


def seen_words(metric: Metric, rollout: Rollout, step: int) -> str:
    """What its figures are. Which requests are slow is fixed anew in each step."""
    seen = test_of(str(metric["metric"])).seen
    if metric["metric"] != "latency":
        return seen
    slow_s = rollout.get("slow_s") if step == rollout["step"] else None
    if slow_s is None:
        return f"{seen} (slower than the step's limit)"
    return (
        f"{seen} (over {slow_s:.3g} s)" if slow_s >= 1 else f"{seen} (over {slow_s * 1e3:.3g} ms)"
    )


def verdict_of(metric: Metric) -> str:
    """Its verdict; of what has figures and decides nothing, that: its mark must not approve."""
    if metric["metric"] == "detections":
        return "no_verdict"
    is_ignored = metric["metric"] in IGNORABLE and not metric.get("threshold")
    return "ignored" if is_ignored else str(metric["verdict"])


def conclusion_of(look: Mapping[str, Any], rollout: Rollout) -> tuple[str, str]:
    """The verdict of a look and why, in words for a person.

    That no request has come yet is an error to a program, which must not go on by it; to who has
    just begun it is the usual beginning.
    """
    verdict, reason = str(look["verdict"]), str(look["reason"])
    if verdict != "error" or not (found := NO_REQUESTS.match(reason)):
        return verdict, reason
    release = {"canary": rollout["target"], "stable": rollout["stable"]}.get(found["arm"])
    what = f"no request of {release}" if release else "no request"
    said, _, more = reason.partition(";")
    place = " in this step" if said.endswith(" in this step") else ""
    return "waiting", f"{what} counted{place} yet" + (f";{more}" if more else "")


def if_meant(rollout: Rollout) -> str:
    """What to say if all that it was taken back for is meant; "" where that would not help."""
    look = rollout.get("assessment") or {}
    if (
        rollout["state"] != "rolled_back"
        or rollout["is_reversal"]
        or look.get("verdict") != "worse"
    ):
        return ""
    guilty = [one for one in look["metrics"] if one["verdict"] in ("worse", "error")]
    named = {str(one["metric"]) for one in guilty}
    if not named or named - set(IGNORABLE):
        return ""
    differs = " and ".join(_difference(one) for one in guilty)
    ignored = ",".join(sorted(named | set(rollout.get("ignored") or ())))
    return (
        f"if {rollout['target']} is meant to be {differs}: {_command(rollout)} --ignore {ignored}"
    )


def seen_of(metric: Metric) -> str:
    """What was seen of both releases, ``0.40 % → 0.60 %``; a dash where nothing was."""
    test = test_of(str(metric["metric"]))
    target = figure(metric.get("target"), is_share=test.is_share)
    if test.is_one:
        return target
    return f"{figure(metric.get('stable'), is_share=test.is_share)} → {target}"


def figure(value: float | None, *, is_share: bool) -> str:
    if value is None:
        return "-"
    return f"{value * 100:.2f} %" if is_share else f"{value:.4g}"


def evidence_of(log_e: float | None) -> str:
    """An e-value from its logarithm: how many times likelier what was seen has become."""
    return "none" if log_e is None else write_stake(log_e)


def reached(log_e: float | None, log_threshold: float | None) -> float:
    """How far evidence has got towards its threshold, from 0 to 1."""
    if log_e is None or not log_threshold:
        return 0.0
    return min(1.0, max(0.0, log_e / log_threshold))


def place_of(rollout: Rollout, *, with_share: bool = True) -> str:
    """Where it is, in a few words."""
    state = str(rollout["state"])
    if state == "paused":
        inner = str(rollout.get("paused_in") or "step")
        return f"paused in {_place(inner, rollout, with_share=with_share)}"
    return _place(state, rollout, with_share=with_share)


def stays(rollout: Rollout) -> bool:
    """Whether it never goes on by itself."""
    return bool(rollout["is_manual"] or rollout["kind"] in ("shadow", "experiment"))


def line_of(rollout: Rollout, *, is_news: bool = True) -> str:
    """All of it on one line, for where no picture can be drawn.

    is_news: whether its reason has not been said before.
    """
    look = rollout.get("assessment") or {}
    parts = [
        f"{rollout['id']}  {rollout['engine']} {moved(rollout)}",
        f"{place_of(rollout)}, {percent(weight_of(rollout))} of the traffic",
    ]
    if rollout.get("verdict"):
        verdict, reason = conclusion_of(look, rollout)
        parts.append(f"{rollout['samples']} samples, {words(verdict)}: {reason}")
    is_said = is_news or rollout["state"] in EXPLAINED
    if is_said and rollout.get("reason") and rollout["reason"] != look.get("reason"):
        parts.append(str(rollout["reason"]))
    if meant := if_meant(rollout):
        parts.append(meant)
    return "  ·  ".join(parts)


def moved(rollout: Rollout) -> str:
    return f"{rollout['stable']} → {rollout['target']}"


def weight_of(rollout: Rollout) -> int:
    """The target's share in basis points; what was promoted has all, as the stable one."""
    is_promoted = rollout["state"] == FINISHED_WELL and rollout["kind"] != "shadow"
    return ALL_BP if is_promoted else int(rollout["weight_bp"])


def percent(bp: float) -> str:
    return f"{bp / BP_PER_PERCENT:g} %"


def duration(seconds: float) -> str:
    """In the two largest units that say something."""
    whole = int(seconds)
    parts = [
        (whole // 86_400, "d"),
        (whole % 86_400 // 3600, "h"),
        (whole % 3600 // 60, "min"),
        (whole % 60, "s"),
    ]
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    said = [f"{count} {unit}" for count, unit in parts[first : first + 2] if count]
    return " ".join(said) or "0 s"


def elapsed_s(rollout: Rollout, now: datetime) -> float:
    """Since the state or step began. The clocks of two machines may differ."""
    return max(0.0, (now - datetime.fromisoformat(rollout["since"])).total_seconds())


def words(word: str) -> str:
    return word.replace("_", " ")


def _difference(metric: Metric) -> str:
    if metric["metric"] == "latency":
        return "slower"
    stable, target = metric.get("stable"), metric.get("target")
    if stable is None or target is None:
        return "surer or less sure of itself"
    return f"{'surer' if target > stable else 'less sure'} of itself"


def _command(rollout: Rollout) -> str:
    """What begins such a rollout anew; its steps and times are the person's to say again."""
    engine, stable, target = rollout["engine"], rollout["stable"], rollout["target"]
    if rollout["kind"] == "experiment":
        share = rollout["steps_percent"][0]
        return f"tidegate experiment {engine} --split {stable}={100 - share},{target}={share}"
    if rollout["kind"] == "shadow":
        return f"tidegate shadow {engine} {target} --percent {rollout['shadow_percent']}"
    return f"tidegate promote {engine} {target}"


def _place(state: str, rollout: Rollout, *, with_share: bool) -> str:
    if state == "step":
        step, steps = rollout["step"], rollout["steps_percent"]
        share = f" ({steps[step - 1]} %)" if with_share and 0 < step <= len(steps) else ""
        return f"step {step} of {len(steps)}{share}"
    if state == "shadow" and with_share:
        return f"shadow of {rollout.get('shadow_percent', 0)} %"
    return words(state)
