"""A rollout as an operator looks at it: its steps, each test's evidence, what may be ordered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite

from control_plane.core.rollout import (
    Command,
    Kind,
    MetricFigures,
    Rollout,
    State,
    Verdict,
    words_of,
)
from control_plane.core.stakes import write_stake
from control_plane.rest_api.dashboard import tones, words
from control_plane.rest_api.dashboard.engine_cards import VERDICT_WORDS
from control_plane.services.rollout_views import RolloutView

WIDEST = 1.25
"""A bar is as long as that many thresholds; what is more is cut off there."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the plan. place: ``done``, ``now``, ``ahead``, or ``stopped``: the rollout was
    taken back in it."""

    label: str
    place: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Evidence beside the threshold it must reach, both natural logarithms.

    share: of the threshold, from 0 to WIDEST.
    """

    evidence: float
    threshold: float
    is_reached: bool

    @property
    def share(self) -> float:
        if not isfinite(self.evidence):
            return WIDEST if self.evidence > 0 else 0.0
        return min(max(self.evidence / self.threshold, 0.0), WIDEST)

    @property
    def words(self) -> str:
        """What a stake of 1 has become, of what it must become: as ``tidegate rollout`` says it."""
        return f"{write_stake(self.evidence)} of {write_stake(self.threshold)}"


@dataclass(frozen=True, slots=True)
class Test:
    """One test. worse, clear: that the target is worse, and that it is not; None where that is
    not asked. stable, target: what was seen of each, as it is written."""

    name: str
    measures: str
    verdict: str
    tone: str
    worse: Bar | None
    clear: Bar | None
    stable: str
    target: str


@dataclass(frozen=True, slots=True)
class Button:
    """An order that makes sense now, and what will follow from it."""

    verb: str
    action: str
    title: str
    consequence: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class RolloutPanel:
    """The rollout and everything that is said of it. place: as ``place_of`` has it."""

    view: RolloutView
    place: str
    where: str
    tone: str
    steps: tuple[Step, ...]
    verdict: str
    verdict_tone: str
    reason: str
    samples: int
    tests: tuple[Test, ...]
    buttons: tuple[Button, ...]


def make_panel(view: RolloutView) -> RolloutPanel:
    rollout, look = view.rollout, view.step_assessment
    if look is None and rollout.is_finished:
        look = view.assessment  # what it ended by
    verdict = look.verdict if look is not None else None
    metrics = look.metrics if look is not None else ()
    return RolloutPanel(
        view=view,
        place=place_of(rollout),
        where=words_of(rollout.state, rollout.paused_in),
        tone=tones.ROLLOUT[rollout.state],
        steps=tuple(_steps(rollout)),
        verdict=VERDICT_WORDS[verdict] if verdict else "",
        verdict_tone=tones.VERDICT[verdict] if verdict else tones.IDLE,
        reason=look.reason if look is not None else "",
        samples=look.samples if look is not None else 0,
        tests=tuple(_test(one, view.slow_s, rollout.plan.ignored) for one in metrics),
        buttons=tuple(_buttons(rollout)),
    )


def place_of(rollout: Rollout) -> str:
    """Where it is, paused or not, in a word that changes when it moves."""
    return f"{rollout.place.value} {rollout.step}"


def _steps(rollout: Rollout) -> list[Step]:
    plan, place = rollout.plan, rollout.place
    stages: list[tuple[str, bool]] = [("prepare", place in (State.PENDING, State.PREPARING))]
    if plan.shadow_percent:
        stages.append((f"shadow {plan.shadow_percent} %", place is State.SHADOW))
    stages += [
        (f"{share} %", place is State.STEP and rollout.step == number)
        for number, share in enumerate(plan.steps_percent, start=1)
    ]
    if plan.kind is not Kind.SHADOW:
        stages.append(("promote", place is State.PROMOTING))
    now = next((index for index, (_, is_now) in enumerate(stages) if is_now), None)
    here = "now"
    if now is None and rollout.state is State.COMPLETED:
        now = len(stages)
    elif now is None:
        now, here = _stopped_in(rollout), "stopped"
    return [
        Step(label, "done" if index < now else here if index == now else "ahead")
        for index, (label, _) in enumerate(stages)
    ]


def _stopped_in(rollout: Rollout) -> int:
    """The stage that one that was taken back had got to, as far as its record tells: where it
    was promoted already, its last step; without a step, the first stage that it may have been in.
    """
    if rollout.step:
        return bool(rollout.plan.shadow_percent) + rollout.step
    had_shadow = rollout.state is not State.FAILED and rollout.plan.shadow_percent
    return 1 if had_shadow else 0


_MEASURES = {
    "errors": "requests that this release failed itself, before a retry or fallback",
    "latency": "share of slow requests",
    "confidence": "mean confidence",
    "sample_ratio": "target's share of the split",
    "detections": "what was found, shadow against answer",
}
_SHARES = ("errors", "latency", "sample_ratio")


def _test(one: MetricFigures, slow_s: float | None, ignored: Collection[str]) -> Test:
    measures = _MEASURES.get(one.metric, "figure of the query")
    if one.metric == "latency" and slow_s is not None:
        measures = f"share of requests slower than {words.span(slow_s)}"
    write = words.percent if one.metric in _SHARES else words.decimal
    worse = clear = None
    if one.log_threshold > 0:
        worse = Bar(one.log_e, one.log_threshold, one.verdict is Verdict.WORSE)
    if one.clear_log_e is not None and one.clear_log_threshold:
        reached = one.clear_log_e >= one.clear_log_threshold
        clear = Bar(one.clear_log_e, one.clear_log_threshold, reached)
    is_ignored = one.metric in ignored
    return Test(
        name=one.metric.replace("_", " ").replace("query:", "query "),
        measures=measures,
        verdict="ignored" if is_ignored else VERDICT_WORDS[one.verdict],
        tone=tones.IDLE if is_ignored else tones.VERDICT[one.verdict],
        worse=worse,
        clear=clear,
        stable=write(one.stable),
        target=write(one.target),
    )


def _buttons(rollout: Rollout) -> list[Button]:
    """What the rollout's state knows; whether it is still in it is decided when it is done."""
    if rollout.is_finished or rollout.state is State.ROLLING_BACK:
        return []
    found = []
    of = f"the {rollout.plan.kind.value} of {rollout.engine} to {rollout.target}"
    if rollout.state is State.PAUSED:
        found.append(
            Button(
                "Resume",
                Command.RESUME,
                f"Resume {of}?",
                "It goes on by itself from where it was paused. The step has all of its time "
                "again; its samples stay counted.",
            )
        )
    else:
        found.append(
            Button(
                "Pause",
                Command.PAUSE,
                f"Pause {of}?",
                "The traffic stays as it is until somebody resumes. A target that is found worse "
                "is taken back all the same.",
            )
        )
    is_stuck = rollout.state is State.PAUSED and rollout.place is State.PROMOTING
    if rollout.place in (State.SHADOW, State.STEP) or is_stuck:
        found.append(Button("Advance", Command.ADVANCE, f"Advance {of}?", _next_step(rollout)))
    found.append(
        Button(
            "Abort",
            Command.ABORT,
            f"Abort {of}?",
            f"All traffic goes back to {rollout.stable} at once; then {rollout.target} is "
            "unloaded. This rollout cannot be taken up again.",
            "danger",
        )
    )
    return found


def _next_step(rollout: Rollout) -> str:
    plan = rollout.plan
    if plan.kind is Kind.SHADOW:
        return "The shadow ends here: nothing more is copied, and no traffic moves."
    if rollout.place is State.PROMOTING:
        return "It is completed without the instances where the target is not ready."
    if rollout.step < plan.steps:
        share = plan.steps_percent[rollout.step]
        return (
            f"Step {rollout.step + 1} of {plan.steps} begins now, whatever the verdict: "
            f"{rollout.target} gets {share} % of the traffic."
        )
    return (
        f"{rollout.target} is promoted now, whatever the verdict: it gets all traffic and becomes "
        "the stable release."
    )


def roll_back_button(engine: str, last: Rollout | None) -> Button | None:
    """All traffic back, in whatever state the rollout is; None where nothing is to take back."""
    if last is None or last.is_reversal:
        return None
    if last.state in (State.FAILED, State.ROLLED_BACK, State.ROLLING_BACK):
        return None
    if last.state is State.COMPLETED:
        if last.stable_now == last.stable:
            return None  # a shadow that ended moved nothing
        consequence = (
            f"{last.stable} is loaded and proved first, since it may be gone; then all traffic "
            f"moves from {last.target} to it at once."
        )
    else:
        consequence = (
            f"All traffic goes back to {last.stable} at once; then {last.target} is unloaded."
        )
    return Button(
        "Roll back", "rollback", f"Roll {engine} back to {last.stable}?", consequence, "danger"
    )
