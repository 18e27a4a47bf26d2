"""docs/troubleshooting.md has an entry for whatever may be met, and names nothing that is not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.main import app
from control_plane.adapters.metrics.catalogue import FAMILIES
from control_plane.errors import RETRYABLE, ErrorCode
from control_plane.grpc_api.status import STATUS
from control_plane.rest_api.problems import STATUS_OF
from control_plane.settings.reference import described
from tests.unit.deploy.monitoring import rules
from tests.unit.log_events import logged

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TEXT = (DOCS / "troubleshooting.md").read_text()
QUOTED = set(re.findall(r"`([^`\n]+)`", TEXT))
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
DOCTOR = ("checks.py", "job_checks.py", "store_checks.py", "outside_checks.py")
# Commands that are not ours, and what callers send.
OTHERS = ("git ", "pip ", "promtool ", "GET ")


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", section(title), re.MULTILINE))


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_has_an_entry_that_is_right(code: ErrorCode) -> None:
    entry = section("By error code").partition(f"\n### `{code}`\n")[2].partition("\n### ")[0]
    again = "yes" if code in RETRYABLE else "no"
    facts = entry.partition("\n")[0].partition(" · ")[2]
    assert facts == f"HTTP {int(STATUS_OF[code])} · gRPC {STATUS[code].name} · again: {again}"
    assert entry.startswith("The caller's ·") == (code in CALLERS)
    assert "- **Client:** " in entry
    assert "- **Operator:** " in entry


CALLERS = {code for code in ErrorCode if re.search(rf"### `{code}`\nThe caller's", TEXT)}


def test_whose_fault_it_is_follows_from_the_code() -> None:
    from control_plane.errors import CALLER_MISTAKES

    assert CALLERS == CALLER_MISTAKES


def test_there_are_symptoms_enough_each_with_something_to_do() -> None:
    symptoms = section("By symptom").split("\n### ")[1:]
    assert len(symptoms) >= 15
    assert [one.partition("\n")[0] for one in symptoms if "`" not in one and "](" not in one] == []


def test_every_alert_has_an_entry_and_every_entry_an_alert() -> None:
    assert rows("By alert") == {rule["alert"] for rule in rules("alert")}


def names_of_checks() -> Iterator[str]:
    """The second argument of each ``Check``, as far as it is written down."""
    for file in DOCTOR:
        tree = ast.parse((ROOT / "cli" / file).read_text())
        for function in [tree, *(one for one in tree.body if isinstance(one, FUNCTIONS))]:
            yield from _named(function, "Check", 1, dict(_assigned(tree)))
    machine = ast.parse((ROOT / "control_plane/embedded/prerequisites.py").read_text())
    yield from _named(machine, "Finding", 0, {})


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _named(function: ast.AST, kind: str, place: int, known: dict[str, str]) -> Iterator[str]:
    known = known | dict(_assigned(function))
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == kind:
            yield from _name(node.args[place], known)


def _assigned(function: ast.AST) -> Iterator[tuple[str, str]]:
    for node in getattr(function, "body", []):
        for assign in ast.walk(node) if isinstance(function, FUNCTIONS) else [node]:
            if not isinstance(assign, ast.Assign):
                continue
            (target,), value = assign.targets, assign.value
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = value.elts if isinstance(value, ast.Tuple) else [value]
            for name, one in zip(names, values, strict=False):
                if isinstance(name, ast.Name):
                    yield from ((name.id, text) for text in _name(one, {}))


def _name(value: ast.expr, known: dict[str, str]) -> Iterator[str]:
    if isinstance(value, ast.Constant):
        yield str(value.value)
    elif isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant):
        # "instance triton-0": the kind is told, not each.
        yield str(value.values[0].value).strip()
    elif isinstance(value, ast.Name) and value.id in known:
        yield known[value.id]


def test_every_check_of_doctor_has_an_entry_and_every_entry_a_check() -> None:
    # Looked at more closely under other names (cli/checks.py).
    found = set(names_of_checks()) - {"model repository", ""}
    assert {"state store", "instance", "webhook", "libpython"} <= found
    assert rows("By what doctor says") == found


def test_every_command_and_flag_exists() -> None:
    named = [text for text in QUOTED if text.startswith("tidegate ")]
    assert len(named) > 20
    for text in named:
        command: Any = get_command(app)
        words = text.split()[1:]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert getattr(command, "invoke_without_command", True), text
        flags = {flag for option in command.params for flag in option.opts}
        assert {word for word in words if word.startswith("--")} <= flags, text


def test_every_metric_exists() -> None:
    named = {text for text in QUOTED if text.startswith("tidegate_")}
    assert named
    assert named - {family.name for family in FAMILIES} == set()


def test_every_setting_exists() -> None:
    sections = {part.path for part in described()}
    known = sections | {one.path for part in described() for one in part.settings}
    first = {path.partition(".")[0] for path in sections if path}
    named = {text for text in QUOTED if text.partition(".")[0] in first and "." in text}
    assert len(named) > 30
    assert {text for text in named if re.fullmatch(r"[a-z0-9_.]+", text)} - known == set()


def test_every_line_of_the_log_exists() -> None:
    events = {one.event for one in logged()}
    named = {
        text
        for text in QUOTED
        if " " in text and text[0].islower() and not text.startswith(("tidegate ", *OTHERS))
    } - rows("By what doctor says")
    assert len(named) > 5
    assert named - events == set()


def test_every_link_leads_somewhere() -> None:
    for file, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", TEXT):
        page = (DOCS / (file or "troubleshooting.md")).read_text()
        titles = {
            re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            for title in HEADING.findall(page)
        }
        assert anchor in titles, f"{file}#{anchor}"
    for file in re.findall(r"\]\(([\w./-]+)\)", TEXT):
        assert (DOCS / file).is_file(), file
