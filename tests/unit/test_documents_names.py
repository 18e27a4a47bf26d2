"""What the documents name is there: settings, commands of the terminal and their options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.main import app
from control_plane.settings import Settings
from control_plane.settings.sources import flatten

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "deploy/README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
# A folder may stand before it; "tidegate" alone, or with a dot, is a name of something else.
CALL = re.compile(r"(?<![\w-])tidegate +([a-z][^\n#|`)]*)")
NAME = re.compile(r"[a-z_]+(\.[a-z_]+)+(?![\w.])")
COMMAND: Any = get_command(app)
OF_ENGINES = {"engines": {"damage": {}}}
SETTINGS = tuple(flatten(Settings(analysis=OF_ENGINES, requests=OF_ENGINES)))
SECTIONS = {name.partition(".")[0] for name in SETTINGS if "." in name}
# Fields of answers that begin like a section.
NO_SETTINGS = {"leader.is_leading", "queue.is_away", "tracing.env"}


def code_of(text: str) -> Iterator[str]:
    yield from CODE.findall(text)


def settings_of(text: str) -> list[str]:
    """Dotted names in single code spans whose first part is a section of the settings."""
    spans = [code.strip("`") for code in code_of(text)]
    names = [
        found[0] for span in spans if (found := re.match(r"[a-z_]+(\.[a-z_]+)+(?![\w.])", span))
    ]
    return [name for name in names if name.partition(".")[0] in SECTIONS]


def is_setting(name: str) -> bool:
    return any(each == name or each.startswith(f"{name}.") for each in SETTINGS)


def calls_of(text: str) -> list[list[str]]:
    return [call.split() for code in code_of(text) for call in CALL.findall(code)]


def missing_of(words: list[str]) -> list[str]:
    """What of a call the command line does not have."""
    command = COMMAND
    rest = list(words)
    while commands := getattr(command, "commands", None):
        if not rest or not re.fullmatch(r"[a-z][a-z-]*", rest[0]):
            break
        name = rest.pop(0)
        if name not in commands:
            return [f"{command.name} {name}"]
        command = commands[name]
    options = {option for parameter in command.params for option in parameter.opts}
    given = [word.partition("=")[0].rstrip(",;:]") for word in rest if word.startswith("--")]
    return [option for option in given if option not in options | {"--help", "--version"}]


def test_settings_and_calls_are_found() -> None:
    text = "`leader.lease_s` (3 s), `no.such`\n`tidegate fleet drain a --force`\n"
    text += "```\nbin/tidegate up\n```"
    assert settings_of(text) == ["leader.lease_s"]
    assert calls_of(text) == [["fleet", "drain", "a", "--force"], ["up"]]


def test_what_is_not_there_is_told() -> None:
    assert not is_setting("leader.lease")
    assert is_setting("analysis.shadow")
    assert missing_of(["fleet", "drain", "a", "--force"]) == []
    assert missing_of(["fleet", "drown"]) == ["fleet drown"]
    assert missing_of(["up", "--harder"]) == ["--harder"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_that_a_document_names_exists(document: Path) -> None:
    named = set(settings_of(document.read_text())) - NO_SETTINGS
    assert [name for name in sorted(named) if not is_setting(name)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_a_document_names_exists(document: Path) -> None:
    calls = calls_of(document.read_text())
    assert {" ".join(words): found for words in calls if (found := missing_of(words))} == {}


def test_the_documents_do_name_some() -> None:
    operating = (ROOT / "docs/operating.md").read_text()
    assert len(set(settings_of(operating))) > 30
    assert len(calls_of((ROOT / "README.md").read_text())) > 5
