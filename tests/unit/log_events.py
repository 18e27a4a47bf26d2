"""Every line that the control plane may log, found in its code.

A line is a call as ``log.info("event", field=…)``, also by ``self._log``, by a logger that was
bound to more (``doing = log.bind(…)``) and by a method that was picked before
(``write = log.info if …``). An event that is no constant stands in ``SPOKEN``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CODE = Path(__file__).parents[2] / "control_plane"
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error",
          "exception": "error"}  # fmt: skip
LOGGERS = frozenset({"log", "_log", "triton_log", "doing", "mending"})
# What is passed on, by file and expression. None: it is no event of ours.
SPOKEN: dict[tuple[str, str], str | None] = {
    ("bootstrap/life.py", "line.text"): None,  # a line of a Triton, as it is
    ("loops/registry.py", "words"): "the registry is away; it is asked again",
}


@dataclass(frozen=True, slots=True)
class Logged:
    """levels: more than one where the code picks. fields: those that are named at the call."""

    event: str
    levels: frozenset[str]
    fields: frozenset[str]
    file: str


def logged() -> Iterator[Logged]:
    for path in sorted(CODE.rglob("*.py")):
        name = path.relative_to(CODE).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _in(function, name)


def _in(function: ast.FunctionDef | ast.AsyncFunctionDef, file: str) -> Iterator[Logged]:
    picked = _picked(function)
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        levels = _levels(node.func, picked)
        if not levels:
            continue
        event = node.args[-1] if _method(node.func) == "log" else node.args[0]
        fields = {word.arg for word in node.keywords if word.arg} - {"exc_info"}
        for text in _texts(event, file):
            yield Logged(text, levels, frozenset(fields), file)


def _picked(function: ast.AST) -> dict[str, frozenset[str]]:
    """Local names that stand for a method of a logger, with its levels."""
    found = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            methods = {
                LEVELS[one.attr]
                for one in ast.walk(node.value)
                if isinstance(one, ast.Attribute) and one.attr in LEVELS and _is_logger(one.value)
            }
            if methods and not isinstance(node.value, ast.Call):
                found[node.targets[0].id] = frozenset(methods)
    return found


def _levels(called: ast.expr, picked: dict[str, frozenset[str]]) -> frozenset[str]:
    if isinstance(called, ast.Name):
        return picked.get(called.id, frozenset())
    if isinstance(called, ast.Attribute) and _is_logger(called.value):
        if called.attr in LEVELS:
            return frozenset({LEVELS[called.attr]})
        if called.attr == "log":
            return frozenset(LEVELS.values())
    return frozenset()


def _method(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else ""


def _is_logger(value: ast.expr) -> bool:
    name = value.id if isinstance(value, ast.Name) else getattr(value, "attr", "")
    return name in LOGGERS


def _texts(event: ast.expr, file: str) -> list[str]:
    if isinstance(event, ast.Constant) and isinstance(event.value, str):
        return [event.value]
    if isinstance(event, ast.IfExp):
        return [*_texts(event.body, file), *_texts(event.orelse, file)]
    spoken = SPOKEN[(file, ast.unparse(event))]
    return [] if spoken is None else [spoken]
