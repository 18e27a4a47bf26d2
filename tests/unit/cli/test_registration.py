"""Registering from the terminal: what is sent, what is said, what is wrong usage."""

from __future__ import annotations

import getpass
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cli.registration import _opened
from tests.unit.cli.plane import Plane, Reply, problem

Tidegate = Callable[..., Result]

PATH = "/api/v1/engines/damage/releases"
CONTENT = b"onnx" * 50_000
DONE = {
    "engine": "damage",
    "release": "1.2.0",
    "pins": {"preprocess": 1, "damage_detector": 3},
    "component": "damage_detector",
    "version": 3,
    "onnx_sha256": "0f" * 32,
    "is_proved": True,
}
PINNED = {**DONE, "component": None, "version": None, "onnx_sha256": None, "is_proved": False}


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    path = tmp_path / "new[1].onnx"
    path.write_bytes(CONTENT)
    return path


def answer(plane: Plane, body: dict[str, Any] = DONE) -> None:
    plane.replies[PATH] = Reply(body, 201)


def test_a_file_is_sent_with_who_and_why(tidegate: Tidegate, plane: Plane, onnx: Path) -> None:
    answer(plane)
    result = tidegate(
        *("register", "damage", "1.2.0", "--onnx", onnx, "--reason", "better on slate"),
        *("--who", "ann", "--url", plane.url),
    )

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "damage 1.2.0 is registered: preprocess 1, damage_detector 3 (new: damage_detector 3)",
        "next: tidegate promote damage 1.2.0",
    ]
    (seen,) = plane.seen
    assert (seen.method, seen.path) == ("POST", PATH)
    form = seen.form()
    assert list(form) == ["release", "who", "reason", "onnx"], "the file comes last"
    assert form["onnx"] == CONTENT
    assert (form["release"], form["who"], form["reason"]) == (b"1.2.0", b"ann", b"better on slate")
    assert seen.headers["content-length"].isdigit(), "it is refused by its length, unread"


def test_pins_are_sent_as_json(tidegate: Tidegate, plane: Plane) -> None:
    answer(plane, PINNED)
    result = tidegate(
        *("register", "damage", "1.2.0", "--pin", "damage_detector=3", "--pin", "preprocess=1"),
        *("--url", plane.url),
    )

    assert result.stdout.splitlines()[0] == (
        "damage 1.2.0 is registered: preprocess 1, damage_detector 3"
    )
    assert json.loads(plane.seen[0].body) == {
        "release": "1.2.0",
        "who": getpass.getuser(),
        "reason": "",
        "pins": {"damage_detector": 3, "preprocess": 1},
    }


def test_json_is_what_the_control_plane_says(tidegate: Tidegate, plane: Plane, onnx: Path) -> None:
    answer(plane)
    arguments = ("register", "damage", "1.2.0", "--onnx", onnx, "--json", "--url", plane.url)
    assert json.loads(tidegate(*arguments).stdout) == DONE


def test_a_file_that_was_not_run_is_said_to_be(
    tidegate: Tidegate, plane: Plane, onnx: Path
) -> None:
    answer(plane, {**DONE, "is_proved": False})
    result = tidegate("register", "damage", "1.2.0", "--onnx", onnx, "--url", plane.url)
    assert "it was not run: damage has no golden input (tidegate golden)" in result.stdout


def test_a_refusal_is_one_line(tidegate: Tidegate, plane: Plane, onnx: Path) -> None:
    plane.replies[PATH] = problem(409, "conflict", "it is there already", field="release")
    result = tidegate("register", "damage", "1.2.0", "--onnx", onnx, "--url", plane.url)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "tidegate: release: it is there already [correlation id c-9]\n"


def test_a_control_plane_that_is_away(tidegate: Tidegate, onnx: Path, free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    result = tidegate("register", "damage", "1.2.0", "--onnx", onnx, "--url", url)
    assert result.exit_code == 1
    assert f"cannot reach the control plane at {url}" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "one of --onnx and --pin is needed"),
        (("--onnx", "FILE", "--pin", "a=1"), "give one of --onnx and --pin, not both"),
        (("--pin", "detector"), "'detector' is not MODEL=N"),
        (("--pin", "detector="), "'detector=' is not MODEL=N"),
        (("--pin", "=3"), "'=3' is not MODEL=N"),
        (("--pin", "detector=-1"), "'detector=-1' is not MODEL=N"),
        (("--pin", "detector=1", "--pin", "detector=2"), "detector is given twice"),
        (("--onnx", "absent.onnx"), "'absent.onnx' does not exist"),
    ],
)
def test_wrong_usage_asks_nobody(
    tidegate: Tidegate, plane: Plane, onnx: Path, options: tuple[str, ...], words: str
) -> None:
    options = tuple(str(onnx) if each == "FILE" else each for each in options)
    result = tidegate("register", "damage", "1.2.0", *options, "--url", plane.url)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert plane.seen == []


def test_on_a_terminal_a_bar_says_how_much_is_sent(
    onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with _opened(onnx) as file:
        assert file.read(1000) + file.read() == CONTENT
    shown = terminal.getvalue()
    assert "sending new[1].onnx" in shown
    assert "sent; it is being checked" in shown
