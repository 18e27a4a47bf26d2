from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from typer.testing import Result

from control_plane import __version__

Tidegate = Callable[..., Result]
COMMANDS = (
    "up",
    "serve",
    "detect",
    "status",
    "engines",
    "releases",
    "register",
    "fleet",
    "fleet show",
    "fleet drain",
    "fleet undrain",
    "fleet isolate",
    "fleet heal",
    "promote",
    "experiment",
    "shadow",
    "rollback",
    "rollout list",
    "rollout show",
    "rollout watch",
    "rollout pause",
    "rollout resume",
    "rollout advance",
    "rollout abort",
    "audit",
    "doctor",
    "config show",
    "config check",
)


def test_says_its_version(tidegate: Tidegate) -> None:
    assert tidegate("--version").stdout == f"tidegate {__version__}\n"


@pytest.mark.parametrize("group", ["", "fleet", "rollout", "jobs", "config"])
def test_what_a_command_does_is_said_whole_on_80_columns(tidegate: Tidegate, group: str) -> None:
    shown = tidegate(*group.split(), "--help", COLUMNS="80", TERMINAL_WIDTH="80").stdout
    listed = shown.partition("Commands:\n")[2].splitlines()
    assert len(listed) >= 2
    assert [line for line in listed if line.endswith("...")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_for_every_option(tidegate: Tidegate, command: str) -> None:
    result = tidegate(*command.split(), "--help")

    assert result.exit_code == 0
    options = [line for line in result.stdout.splitlines() if line.startswith("  -")]
    assert len(options) >= 2
    assert "Usage:" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["detect"],
        ["detect", "x.jpg", "--priority", "urgent"],
        ["detect", "x.jpg", "--types", " , "],
        ["detect", "x.jpg", "--release", "damage"],
        ["detect", "x.jpg", "--timeout", "0"],
        ["detect", "x.jpg", "--concurrency", "0"],
        ["engines", "--url", "ftp://somewhere"],
        ["engines", "--url", "localhost:9000"],
        ["up", "--tritons", "two"],
        ["status", "--interval", "0"],
        ["releases", "damage", "materials"],
    ],
)
def test_wrong_usage_is_exit_status_2(tidegate: Tidegate, arguments: list[str]) -> None:
    result = tidegate(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error:" in result.stderr


def test_help_imports_nothing_heavy() -> None:
    heavy = ("rich", "httpx", "PIL", "pydantic", "grpc", "yaml", "structlog", "numpy", "asyncio")
    code = (
        "import sys; import cli.main\n"
        "try: cli.main.app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.splitlines()[-1] == "[]"
