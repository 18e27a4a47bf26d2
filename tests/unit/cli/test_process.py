from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import Result

from cli.main import app
from control_plane.errors import ConfigurationError
from control_plane.settings import LoadedSettings, flag_of
from control_plane.settings.sources import WITH_FLAG

Tidegate = Callable[..., Result]


class Bootstrap(ModuleType):
    """Stands where control_plane.bootstrap does, and starts nothing."""

    def __init__(self) -> None:
        super().__init__("control_plane.bootstrap")
        self.ran: list[tuple[LoadedSettings, bool]] = []
        self.answer: int | Exception = 0

    def run(self, loaded: LoadedSettings, *, with_tritons: bool) -> int:
        self.ran.append((loaded, with_tritons))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def run_worker(self, loaded: LoadedSettings) -> int:
        return self.run(loaded, with_tritons=not loaded.settings.instances)


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch) -> Bootstrap:
    stand_in = Bootstrap()
    monkeypatch.setitem(sys.modules, "control_plane.bootstrap", stand_in)
    return stand_in


def test_up_hands_every_flag_on(tidegate: Tidegate, bootstrap: Bootstrap) -> None:
    result = tidegate(
        "up", "--tritons", 1, "--model-repository", "models", "--state-dir", "kept",
        "--http-port", 9100, "--grpc-port", 9101, "--triton-base-port", 8100,
        "--log-level", "debug", "--log-format", "json",
    )  # fmt: skip

    assert result.exit_code == 0
    ((loaded, with_tritons),) = bootstrap.ran
    assert with_tritons
    settings: Any = loaded.settings.model_dump(mode="json")
    assert settings["embedded"]["tritons"] == 1
    assert settings["embedded"]["base_port"] == 8100
    assert (settings["model_repository"], settings["state_dir"]) == ("models", "kept")
    assert (settings["http"]["port"], settings["grpc"]["port"]) == (9100, 9101)
    assert settings["log"] == {"level": "debug", "format": "json"}
    given = {name: origin for name, origin in loaded.origins.items() if origin != "default"}
    assert set(given.values()) == {
        "flag --tritons", "flag --model-repository", "flag --state-dir", "flag --http-port",
        "flag --grpc-port", "flag --triton-base-port", "flag --log-level", "flag --log-format",
    }  # fmt: skip


def test_a_worker_is_told_where_the_tritons_of_this_machine_are(
    tidegate: Tidegate, bootstrap: Bootstrap
) -> None:
    result = tidegate("worker", "--tritons", 3, "--triton-base-port", 8100)

    assert result.exit_code == 0
    ((loaded, _),) = bootstrap.ran
    embedded = loaded.settings.embedded
    assert (embedded.tritons, embedded.base_port) == (3, 8100)


def test_serve_stands_in_front_of_what_is_named(tidegate: Tidegate, bootstrap: Bootstrap) -> None:
    instances = '[{"name": "gpu-0", "grpc_url": "10.0.0.5:8001"}]'

    result = tidegate("serve", "--http-port", 0, TIDEGATE_INSTANCES=instances)

    assert result.exit_code == 0
    ((loaded, with_tritons),) = bootstrap.ran
    assert not with_tritons
    assert loaded.settings.instances[0].name == "gpu-0"


def test_serve_without_instances_says_how_to_name_them(
    tidegate: Tidegate, bootstrap: Bootstrap
) -> None:
    result = tidegate("serve")

    assert result.exit_code == 1
    assert "instances is empty" in result.stderr
    assert "TIDEGATE_INSTANCES" in result.stderr
    assert bootstrap.ran == []


def test_a_flag_out_of_bounds_is_named(tidegate: Tidegate, bootstrap: Bootstrap) -> None:
    result = tidegate("up", "--tritons", 65)

    assert result.exit_code == 1
    assert result.stderr == (
        "tidegate: embedded.tritons (from flag --tritons) "
        "should be less than or equal to 64, not 65\n"
    )


def test_up_without_a_triton_says_what_stands_in_front_of_others(
    tidegate: Tidegate, bootstrap: Bootstrap
) -> None:
    result = tidegate("up", "--tritons", 0)

    assert result.exit_code == 1
    assert "embedded.tritons is 0" in result.stderr
    assert "tidegate serve" in result.stderr
    assert bootstrap.ran == []


def test_what_run_returns_is_the_exit_status(tidegate: Tidegate, bootstrap: Bootstrap) -> None:
    bootstrap.answer = 1

    assert tidegate("up").exit_code == 1


def test_a_start_that_is_refused_is_one_line(tidegate: Tidegate, bootstrap: Bootstrap) -> None:
    bootstrap.answer = ConfigurationError("libpython is missing (apt-get install it)")

    result = tidegate("up")

    assert result.exit_code == 1
    assert result.stderr == "tidegate: libpython is missing (apt-get install it)\n"


def test_a_defect_keeps_its_traceback(tidegate: Tidegate, bootstrap: Bootstrap) -> None:
    bootstrap.answer = ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError):
        tidegate("up")


def test_every_flag_of_a_setting_is_in_the_reference_of_settings() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    flags = {
        flag
        for name in ("up", "serve", "worker")
        for option in commands[name].params
        for flag in option.opts
    }

    assert flags - {"--config"} == {flag_of(name) for name in WITH_FLAG}
