"""Gates: what an operator wants to be true of a release, asked of a Prometheus.

A gate has a query and a condition on its result. Unlike the tests on counted requests it gives
no guarantee: its threshold is the operator's, and it is asked again and again. So one failing
measure says little; the release is worse after so many in a row. A measure that brought no
single number is neither: it does not count as failing, it ends no row of failing ones, and
nothing goes on while it is the last.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from control_plane.core.rollout import MetricFigures, Rollout, Verdict

_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

_CONDITION = re.compile(r"\s*result\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*")

PLACEHOLDERS = ("engine", "release", "stable")
"""What a query may name in braces; all other braces are PromQL's own."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a result must be: ``result < 0.05``."""

    relation: str
    threshold: float

    @classmethod
    def read(cls, text: str) -> Condition:
        """Raises ValueError."""
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is no condition; write `result < 0.05`, with one of "
                f"{', '.join(_RELATIONS)}"
            )
        try:
            threshold = float(found[2])
        except ValueError:
            raise ValueError(f"{found[2]!r} in {text!r} is no number") from None
        if not isfinite(threshold):
            raise ValueError(f"{found[2]!r} in {text!r} is no finite number")
        return cls(found[1], threshold)

    def __str__(self) -> str:
        return f"result {self.relation} {self.threshold:g}"

    def holds(self, value: float) -> bool:
        return _RELATIONS[self.relation](value, self.threshold)


@dataclass(frozen=True, slots=True)
class Gate:
    """name: shown as ``query:NAME``. query: PromQL with PLACEHOLDERS. interval_s: between two
    measures. failures: so many failing measures in a row are a worse release."""

    name: str
    query: str
    condition: Condition
    interval_s: float = 30.0
    failures: int = 2

    def expression(self, rollout: Rollout) -> str:
        """The query about a rollout's target."""
        values = (rollout.engine, rollout.target, rollout.stable)
        expression = self.query
        for name, value in zip(PLACEHOLDERS, values, strict=True):
            expression = expression.replace(f"{{{name}}}", value)
        return expression


@dataclass(frozen=True, slots=True)
class Measures:
    """What a gate's measures have come to.

    value: the last one; None if it brought none. failing: so many in a row.
    problem: why the last one brought no value, "" if it did.
    """

    value: float | None = None
    failing: int = 0
    problem: str = "not asked yet"

    def after(self, gate: Gate, values: Sequence[float]) -> Measures:
        """values: of the series that the query has found."""
        if len(values) != 1:
            found = f"{len(values)} series instead of one" if values else "no data"
            return self.after_failure(found)
        if not isfinite(values[0]):
            return self.after_failure(f"the result is {values[0]}")
        failing = 0 if gate.condition.holds(values[0]) else self.failing + 1
        return Measures(values[0], failing, "")

    def after_failure(self, problem: str) -> Measures:
        return replace(self, value=None, problem=problem)

    def figures(self, gate: Gate) -> MetricFigures:
        return MetricFigures(f"query:{gate.name}", self._verdict(gate), target=self.value)

    def words(self, gate: Gate) -> str:
        """For a person."""
        if self.value is None:
            return f"query:{gate.name}: {self.problem}"
        return f"query:{gate.name} is {self.value:g}, asked is {gate.condition}"

    def _verdict(self, gate: Gate) -> Verdict:
        if self.value is None:
            return Verdict.ERROR
        if not self.failing:
            return Verdict.NOT_WORSE
        return Verdict.WORSE if self.failing >= gate.failures else Verdict.UNDECIDED
