"""Whether an engine's answer to its golden input is the answer that was stored.

Readiness lies (TRITON.md), and an instance can also answer quickly and wrongly: after a CUDA
fault, with the wrong weights, or with its inputs mixed up. So answers are compared value by
value, within what different hardware may make of the same network.

For detectors that is not enough: a box whose score lies at the threshold comes and goes with
the last bit of a float, the rows are sorted by score, and so every row after it moves. There
rows are matched as a set, and only rows whose score is at least ``sure_score`` *must* have
their like on the other side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from control_plane.core.answers import Tensors

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class RowRule:
    """How a detector's fixed-size, zero-padded rows are compared.

    scores: the tensor ``(n,)`` whose values say how sure a row is.
    count: the tensor ``(1,)`` that says how many rows are real.
    rows: the tensors whose first dimension is the row, scores among them. Of those, an answer
        has the ones that its release makes.
    sure_score: from here up a row must be found again; well above the reporting threshold.
    """

    sure_score: float
    scores: str = "SCORES"
    count: str = "COUNT"
    rows: tuple[str, ...] = ("BOXES", "SCORES", "CLASSES")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """One engine's: floats agree when ``|answer - golden| <= atol + rtol * |golden|``.

    atol_of: other absolute tolerances, by tensor; pixels are not scores.
    """

    atol: float
    rtol: float
    row_rule: RowRule | None = None
    atol_of: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Golden:
    """What an engine is asked to prove itself, and what it should answer.

    photo: an encoded photo, for engines that take one; else inputs: the tensors by name.
    answers: by release, the outputs in full, batch dimension included. A release without one
        proves only that it answers.
    """

    tolerance: Tolerance
    photo: bytes | None = None
    inputs: Tensors = field(default_factory=dict)
    answers: Mapping[str, Tensors] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Matches:
    """The answer is the golden one, within tolerance."""


@dataclass(frozen=True, slots=True)
class Differs:
    """The answer is another one. reason: the first difference, for a person."""

    reason: str


def compare_answer(answer: Tensors, golden: Tensors, tolerance: Tolerance) -> Matches | Differs:
    """Compare an answer with the stored one.

    answer, golden: output tensors by name, batch dimension removed; strings as objects.
    Total: whatever an engine answers, this does not raise, as long as golden fits its rule.
    """
    reason = _shape_difference(answer, golden)
    rule = _rule_for(golden, tolerance.row_rule)
    if not reason and rule is not None:
        reason = _row_difference(answer, golden, tolerance, rule)
    if not reason:
        by_row = () if rule is None else (*rule.rows, rule.count)
        for name in golden:
            if name not in by_row and not reason:
                reason = _value_difference(name, answer[name], golden[name], tolerance)
    return Differs(reason) if reason else Matches()


def _rule_for(golden: Tensors, rule: RowRule | None) -> RowRule | None:
    """The rule by the rows that golden has; None for an answer that is no list of rows."""
    if rule is None or not {rule.scores, rule.count} <= golden.keys():
        return None
    return replace(rule, rows=tuple(name for name in rule.rows if name in golden))


def _shape_difference(answer: Tensors, golden: Tensors) -> str:
    """Names, dtypes and shapes; "" when they are equal."""
    if answer.keys() != golden.keys():
        return f"outputs are {_names(answer)}; golden has {_names(golden)}"
    for name, stored in golden.items():
        given = answer[name]
        if given.dtype != stored.dtype:
            return f"{name} is of {given.dtype}; golden is of {stored.dtype}"
        if given.shape != stored.shape:
            return f"{name} has shape {given.shape}; golden has {stored.shape}"
    return ""


def _names(tensors: Tensors) -> str:
    return ", ".join(sorted(tensors)) or "none"


def _value_difference(name: str, given: Array, stored: Array, tolerance: Tolerance) -> str:
    """The first element that differs; "" when there is none."""
    is_far = ~_agree(name, given, stored, tolerance)
    if not is_far.any():
        return ""
    place = np.unravel_index(int(is_far.argmax()), is_far.shape)
    where = ", ".join(str(int(index)) for index in place)
    return f"{name}[{where}] is {given[place]!s:.80}; golden is {stored[place]!s:.80}"


def _agree(name: str, given: Array, stored: Array, tolerance: Tolerance) -> npt.NDArray[np.bool_]:
    """Element by element, broadcast; a float that is not a number agrees with nothing."""
    if np.issubdtype(stored.dtype, np.floating):
        with np.errstate(all="ignore"):
            atol = tolerance.atol_of.get(name, tolerance.atol)
            return np.isclose(given, stored, rtol=tolerance.rtol, atol=atol)
    return np.asarray(given == stored, dtype=np.bool_)


def _row_difference(answer: Tensors, golden: Tensors, tolerance: Tolerance, rule: RowRule) -> str:
    count = int(answer[rule.count].flat[0])
    if not 0 <= count <= len(answer[rule.scores]):
        return f"{rule.count} is {count} of {len(answer[rule.scores])} rows"
    stored_count = int(golden[rule.count].flat[0])
    given = {name: answer[name][:count] for name in rule.rows}
    stored = {name: golden[name][:stored_count] for name in rule.rows}
    agreement = np.ones((count, stored_count), dtype=np.bool_)
    for name in rule.rows:
        pairs = _agree(name, given[name][:, None], stored[name][None, :], tolerance)
        agreement &= pairs.all(axis=tuple(range(2, pairs.ndim)))
    lost = _unmatched(agreement.T, stored[rule.scores] >= rule.sure_score)
    if lost is not None:
        return f"golden row {lost} is not found: {_shown(stored, rule.rows, lost)}"
    # Not "below the sure score": a score that is no number is not below it, and is at fault.
    extra = _unmatched(agreement, ~(given[rule.scores] < rule.sure_score))
    if extra is not None:
        return f"row {extra} is not in golden: {_shown(given, rule.rows, extra)}"
    return ""


def _unmatched(agreement: npt.NDArray[np.bool_], is_sure: Array) -> int | None:
    """The first sure row that no unused row of the other side agrees with."""
    is_free = np.ones(agreement.shape[1], dtype=np.bool_)
    for row in np.flatnonzero(is_sure):
        candidates = np.flatnonzero(agreement[row] & is_free)
        if not len(candidates):
            return int(row)
        is_free[candidates[0]] = False
    return None


def _shown(rows: Tensors, names: Sequence[str], row: int) -> str:
    return ", ".join(f"{name} {rows[name][row]!s:.80}" for name in names)
