from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Tidegate = Callable[..., Result]


def test_show_prints_every_setting_with_its_origin(tidegate: Tidegate) -> None:
    Path("mine.yaml").write_text("http: {port: 9100}\nphotos: {allowed_roots: [/a, /b]}")

    result = tidegate("config", "show", "--config", "mine.yaml", TIDEGATE_LOG__LEVEL="debug")

    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
    assert rows["http.port"] == ["9100", "file", "mine.yaml"]
    assert rows["log.level"] == ["debug", "environment", "TIDEGATE_LOG__LEVEL"]
    assert rows["photos.allowed_roots"] == ['["/a",', '"/b"]', "file", "mine.yaml"]
    assert rows["shutdown.grace_s"] == ["20", "default"]
    assert result.exit_code == 0


def test_show_can_leave_the_defaults_out(tidegate: Tidegate) -> None:
    result = tidegate("config", "show", "--changed", "--json", TIDEGATE_HTTP__PORT="1")

    assert json.loads(result.stdout) == {
        "settings": {"http.port": {"value": 1, "origin": "environment TIDEGATE_HTTP__PORT"}}
    }


def test_check_says_that_all_is_well(tidegate: Tidegate) -> None:
    Path("tidegate.yaml").write_text("http: {port: 9100}")

    assert tidegate("config", "check").stdout == (
        "the settings are valid: 1 set by file tidegate.yaml\n"
    )
    assert json.loads(tidegate("config", "check", "--json").stdout) == {
        "valid": True,
        "error": None,
    }


def test_check_says_what_is_wrong(tidegate: Tidegate) -> None:
    said = (
        "http.port (from environment TIDEGATE_HTTP__PORT) "
        "should be less than or equal to 65535, not '99999'"
    )

    for_people = tidegate("config", "check", TIDEGATE_HTTP__PORT="99999")
    for_scripts = tidegate("config", "check", "--json", TIDEGATE_HTTP__PORT="99999")

    assert for_people.exit_code == for_scripts.exit_code == 1
    assert for_people.stderr == f"tidegate: {said}\n"
    assert json.loads(for_scripts.stdout) == {
        "valid": False,
        "error": {"code": "configuration", "message": said, "field": "http.port"},
    }


def test_a_file_that_is_not_there_is_one_line(tidegate: Tidegate) -> None:
    result = tidegate("config", "show", "--config", "absent.yaml")

    assert result.exit_code == 1
    assert result.stderr == (
        "tidegate: cannot read settings file absent.yaml: No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("engines", "said"),
    [
        ('{"eccho": {"timeout_s": 1}}', "requests.engines.eccho is for no engine"),
        ('{"echo": {"fallback": "9.9.9"}}', "which is no release of 'echo'"),
    ],
)
def test_check_holds_the_settings_against_the_model_repository(
    tidegate: Tidegate, tmp_path: Path, engines: str, said: str
) -> None:
    model = tmp_path / "model_repository" / "echo"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text('backend: "python"')
    assert tidegate("config", "check").exit_code == 0
    refused = tidegate("config", "check", TIDEGATE_REQUESTS__ENGINES=engines)
    assert refused.exit_code == 1
    assert said in refused.output
