"""How a rollout is to go: its kind, its steps and its limits. Checked here and nowhere else.

A plan is what a person asks for, so what is wrong with it names the field and the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from control_plane.core.accuracy.comparing import AccuracyGate
from control_plane.errors import InvalidArgument

MOST_STEPS = 20
MOST_SAMPLES = 10_000_000
LONGEST_S = 30 * 24 * 3600.0
"""The longest time that a step or the preparing may be given: 30 days."""

DEFAULT_STEPS_PERCENT = (1, 5, 25, 50, 100)
IGNORABLE = ("confidence", "latency")
"""What need not decide. Errors always do, and so does a split that is not what the route says."""

BP_PER_PERCENT = 100


class Kind(StrEnum):
    """CANARY: step by step. EXPERIMENT: a split that stays until a person ends it.

    SHADOW: a copy of the traffic, until a person ends it. DIRECT: all at once, after the proof.
    """

    CANARY = "canary"
    EXPERIMENT = "experiment"
    SHADOW = "shadow"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted of a rollout.

    steps_percent: the target's share in each step. At 100 there is nothing to compare with:
        that step only waits for its time and samples, on the verdict of those before it.
    shadow_percent: how much of the traffic is copied to the target before the first step, 0 for
        none; of a shadow, how much at all.
    min_step_s, min_samples: a step is not over before; samples are requests to the target.
    max_step_s: a step that is not decided by then is paused, and a person is asked.
    max_prepare_s: a target that is not proved by then has failed.
    is_manual: whether a person says when each step is over. WORSE still takes it back.
    ignored: metrics of the analysis in which the target is meant to differ, so that they do not
        decide about this rollout; of IGNORABLE, sorted.
    accuracy: what feedback must say of a canary before it goes on; None where it is not asked.

    Raises InvalidArgument.
    """

    kind: Kind = Kind.CANARY
    steps_percent: tuple[int, ...] = DEFAULT_STEPS_PERCENT
    shadow_percent: int = 0
    min_step_s: float = 60.0
    max_step_s: float = 3600.0
    min_samples: int = 100
    max_prepare_s: float = 600.0
    is_manual: bool = False
    ignored: tuple[str, ...] = ()
    accuracy: AccuracyGate | None = None

    def __post_init__(self) -> None:
        _check_steps(self.kind, self.steps_percent)
        least, most = _SHADOW_PERCENT[self.kind]
        _check_range("shadow_percent", self.shadow_percent, least, most)
        _check_range("min_step_s", self.min_step_s, 0, LONGEST_S)
        _check_longest(self.min_step_s, self.max_step_s)
        # At least one, because no data is never success.
        _check_range("min_samples", self.min_samples, 1, MOST_SAMPLES)
        _check_range("max_prepare_s", self.max_prepare_s, 1, LONGEST_S)
        _check_ignored(self.kind, self.ignored)
        if self.accuracy is not None and self.kind is not Kind.CANARY:
            raise InvalidArgument(
                f"accuracy means nothing to a rollout of kind {self.kind}", field="accuracy"
            )
        # Equal plans are to be equal, in whatever order they were said.
        object.__setattr__(self, "ignored", tuple(sorted(self.ignored)))

    @property
    def steps(self) -> int:
        return len(self.steps_percent)

    @property
    def shadow_bp(self) -> int:
        return self.shadow_percent * BP_PER_PERCENT

    @property
    def stays(self) -> bool:
        """Whether it never goes on by itself, nor asks a person to say something."""
        return self.is_manual or self.kind in (Kind.EXPERIMENT, Kind.SHADOW)

    def weight_bp(self, step: int) -> int:
        """The target's weight in a step, which counts from 1."""
        return self.steps_percent[step - 1] * BP_PER_PERCENT

    @classmethod
    def direct(cls, *, max_prepare_s: float = 600.0) -> Plan:
        return cls(Kind.DIRECT, (), max_prepare_s=max_prepare_s)

    @classmethod
    def shadow(cls, percent: int) -> Plan:
        return cls(Kind.SHADOW, (), percent)

    @classmethod
    def experiment(cls, percent: int, *, ignored: tuple[str, ...] = ()) -> Plan:
        """percent: the target's share."""
        return cls(Kind.EXPERIMENT, (percent,), ignored=ignored)


_SHADOW_PERCENT: Mapping[Kind, tuple[int, int]] = {
    Kind.CANARY: (0, 100),
    Kind.EXPERIMENT: (0, 0),
    Kind.SHADOW: (1, 100),
    Kind.DIRECT: (0, 0),
}

_STEPS: Mapping[Kind, tuple[int, int]] = {
    Kind.CANARY: (1, MOST_STEPS),
    Kind.EXPERIMENT: (1, 1),
    Kind.SHADOW: (0, 0),
    Kind.DIRECT: (0, 0),
}


def read_split(split: Mapping[str, int], stable: str) -> tuple[str, int]:
    """The target of an experiment and its share in percent, from shares by release.

    Two releases, because the analysis compares two; one is stable, because that is where the
    traffic goes back to. Raises InvalidArgument.
    """
    if len(split) != 2 or stable not in split:
        raise InvalidArgument(
            f"split must name two releases, the stable {stable} and another one; "
            f"it names {', '.join(split) or 'none'}",
            field="split",
        )
    for release, percent in split.items():
        _check_range(f"split[{release}]", percent, 1, 99)
    if sum(split.values()) != 100:
        raise InvalidArgument(
            f"split must sum to 100 percent; it sums to {sum(split.values())}", field="split"
        )
    return next((release, share) for release, share in split.items() if release != stable)


def _check_steps(kind: Kind, steps_percent: tuple[int, ...]) -> None:
    least, most = _STEPS[kind]
    if not least <= len(steps_percent) <= most:
        limit = f"{least} to {most}" if least < most else f"{most}"
        raise InvalidArgument(
            f"steps_percent has {len(steps_percent)} steps; a plan of kind {kind} has {limit}",
            field="steps_percent",
        )
    highest = 99 if kind is Kind.EXPERIMENT else 100
    before = 0
    for number, percent in enumerate(steps_percent):
        field = f"steps_percent[{number}]"
        _check_range(field, percent, 1, highest)
        if percent <= before:
            raise InvalidArgument(
                f"{field} is {percent}, after {before}; steps must rise", field=field
            )
        before = percent


def _check_ignored(kind: Kind, ignored: tuple[str, ...]) -> None:
    if ignored and kind is Kind.DIRECT:
        raise InvalidArgument(
            f"ignore means nothing to a rollout of kind {kind}: nothing is compared",
            field="ignore",
        )
    for number, metric in enumerate(ignored):
        if metric not in IGNORABLE:
            raise InvalidArgument(
                f"ignore names {metric[:80]!r}; what may be ignored: {', '.join(IGNORABLE)}",
                field="ignore",
            )
        if metric in ignored[:number]:
            raise InvalidArgument(f"ignore names {metric} twice", field="ignore")


def _check_longest(min_step_s: float, max_step_s: float) -> None:
    _check_range("max_step_s", max_step_s, 1, LONGEST_S)
    if max_step_s < min_step_s:
        raise InvalidArgument(
            f"max_step_s is {max_step_s:.12g}; it must be at least min_step_s, which is "
            f"{min_step_s:.12g}",
            field="max_step_s",
        )


def _check_range(field: str, value: float, least: float, most: float) -> None:
    if not (isfinite(value) and least <= value <= most):
        raise InvalidArgument(
            f"{field} is {value:.12g}; it must be {least:.12g} to {most:.12g}", field=field
        )
