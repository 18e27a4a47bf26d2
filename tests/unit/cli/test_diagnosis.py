from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cli import checks
from cli.checks import Check, Level
from control_plane.embedded.prerequisites import Finding
from control_plane.settings import HttpSettings, InstanceSettings, Settings, load_settings
from tests.unit.cli.plane import HEALTH, Plane, Reply, problem

Tidegate = Callable[..., Result]

DETECTOR = """
name: "detector"
backend: "onnxruntime"
input [ { name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "BOXES" data_type: TYPE_FP32 dims: [ 100, 4 ] } ]
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository of one plain model with one version."""
    folder = tmp_path / "models"
    (folder / "detector" / "1").mkdir(parents=True)
    (folder / "detector" / "config.pbtxt").write_text(DETECTOR)
    (folder / "detector" / "1" / "model.onnx").write_bytes(b"\x08\x07")
    return folder


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the machine's own check finds; changed in place by the tests."""
    findings = [
        Finding("platform", True, "linux on x86_64"),
        Finding("model repository", False, "said more closely by the command line"),
        Finding("ports", False, "said more closely by the command line"),
    ]
    monkeypatch.setattr("control_plane.embedded.prerequisites.check", lambda options: findings)
    return findings


@contextmanager
def listening() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield int(server.getsockname()[1])


def bad(found: Iterator[Check] | list[Check]) -> list[Check]:
    return [check for check in found if check.level is not Level.OK]


def settings_with(**values: Any) -> Settings:
    return Settings.model_validate(values)


def test_a_sound_machine_with_nothing_running_is_well(
    tidegate: Tidegate, models: Path, free_port: int
) -> None:
    result = tidegate(
        "doctor",
        TIDEGATE_MODEL_REPOSITORY=str(models),
        TIDEGATE_HTTP__PORT=str(free_port),
        TIDEGATE_GRPC__PORT="0",
        TIDEGATE_EMBEDDED__TRITONS="0",
    )

    assert result.exit_code == 0, result.stdout
    lines = [line.split()[:2] for line in result.stdout.splitlines()]
    assert ["ok", "model_repository"] in lines
    assert ["ok", "ports"] in lines
    assert ["warn", "control"] in lines
    assert "→ is it running? tidegate up" in result.stdout


def test_a_running_tidegate_owns_its_ports(tidegate: Tidegate, models: Path, plane: Plane) -> None:
    result = tidegate(
        "doctor",
        "--json",
        TIDEGATE_MODEL_REPOSITORY=str(models),
        TIDEGATE_HTTP__PORT=str(plane.port),
        TIDEGATE_GRPC__PORT="0",
        TIDEGATE_EMBEDDED__TRITONS="0",
    )

    told = json.loads(result.stdout)
    assert told["ok"] is True
    ports = [check for check in told["checks"] if check["name"] == "ports"]
    assert ports == [
        {
            "level": "ok",
            "name": "ports",
            "detail": "1 in use by the Tidegate that runs here",
            "remedy": "",
        }
    ]
    warned = [check["name"] for check in told["checks"] if check["level"] == "warn"]
    assert warned == ["control plane", "instance triton-1"]


def test_broken_settings_are_told_and_the_rest_is_looked_at(
    tidegate: Tidegate, free_port: int
) -> None:
    result = tidegate(
        "doctor", "--json", "--url", f"http://127.0.0.1:{free_port}", TIDEGATE_HTTP__PORT="x"
    )

    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert told["checks"][0]["name"] == "settings"
    assert told["checks"][0]["level"] == "fail"
    assert {"model_repository", "platform"} <= {check["name"] for check in told["checks"]}


def test_a_bad_prerequisite_fails_unless_the_fleet_is_elsewhere(machine: list[Finding]) -> None:
    machine[0] = Finding("glibc", False, "glibc 2.31", "use a newer one")
    remote = settings_with(instances=[{"name": "a", "grpc_url": "h:1"}])

    (here,) = checks.check_machine(Settings())
    (elsewhere,) = checks.check_machine(remote)

    assert here == Check(Level.FAIL, "glibc", "glibc 2.31", "use a newer one")
    assert elsewhere.level is Level.WARN
    assert list(checks.check_machine(settings_with(embedded={"tritons": 0}))) == []


def test_a_port_that_a_stranger_has_is_named() -> None:
    with listening() as port:
        settings = settings_with(http={"port": port}, grpc={"port": 0}, embedded={"tritons": 0})

        (found,) = checks.check_ports(settings, is_running=False)

    assert found.level is Level.FAIL
    assert found.detail == f"port {port} (http.port) on 127.0.0.1 is taken"
    assert "--http-port" in found.remedy


def test_the_ports_of_the_tritons_are_looked_at_too() -> None:
    with listening() as port:
        settings = settings_with(
            http={"port": 0}, grpc={"port": 0}, embedded={"tritons": 1, "base_port": port - 1}
        )

        found = list(checks.check_ports(settings, is_running=False))

    assert any("gRPC of triton-0" in check.detail for check in bad(found))
    assert all("--triton-base-port" in check.remedy for check in bad(found))


@pytest.mark.parametrize(
    ("host", "said"), [("no.such.host.invalid", "not known"), ("203.0.113.1", "cannot be had")]
)
def test_an_address_that_is_not_of_this_machine_is_named(host: str, said: str) -> None:
    assert said in str(checks.trouble_with_port(host, 0))


def test_a_whole_repository_is_told_with_its_engines(models: Path) -> None:
    (found,) = checks.check_model_repository(models)

    assert found.level is Level.OK
    assert found.detail.endswith(
        "1 models; declares as stable, for the first start: detector 1.0.0"
    )


@pytest.mark.parametrize(
    ("content", "said", "remedy"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer", "git lfs pull"),
        (b"", "is empty", "restore"),
        (None, "no such file", "python -m engines export"),
    ],
)
def test_a_model_that_is_no_model_is_named(
    models: Path, content: bytes | None, said: str, remedy: str
) -> None:
    path = models / "detector" / "1" / "model.onnx"
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    (found,) = checks.check_model_repository(models)

    assert found.level is Level.FAIL
    assert said in found.detail
    assert str(path) in found.detail
    assert remedy in found.remedy


def test_a_model_without_a_version_is_named(models: Path) -> None:
    (models / "detector" / "1" / "model.onnx").unlink()
    (models / "detector" / "1").rmdir()

    assert bad(checks.check_model_repository(models))


@pytest.mark.parametrize("releases", ["engines: [", "engines: {nobody: {stable: 1.0.0}}"])
def test_a_catalogue_that_cannot_be_read_is_told(models: Path, releases: str) -> None:
    (models / "releases.yaml").write_text(releases)

    (found,) = checks.check_model_repository(models)

    assert found.level is Level.FAIL


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    (found,) = checks.check_model_repository(tmp_path / "absent")

    assert found.level is Level.FAIL
    assert "--model-repository" in found.remedy


def test_remote_instances_are_knocked_at(free_port: int) -> None:
    with listening() as port:
        found = list(
            checks.check_instances(
                (
                    InstanceSettings(name="up", grpc_url=f"127.0.0.1:{port}"),
                    InstanceSettings(name="down", grpc_url=f"127.0.0.1:{free_port}"),
                )
            )
        )

    assert [check.level for check in found] == [Level.OK, Level.WARN]
    assert found[1].detail == f"127.0.0.1:{free_port}: connection refused"


def test_a_photo_root_that_is_not_there_is_told(tmp_path: Path) -> None:
    loaded = load_settings(None, {}, {"TIDEGATE_PHOTOS__ALLOWED_ROOTS": f"{tmp_path},/absent"})

    (found,) = bad(checks.check_settings(loaded))

    assert found.level is Level.WARN
    assert "/absent is no folder (environment TIDEGATE_PHOTOS__ALLOWED_ROOTS)" in found.detail


def test_what_others_reach_should_know_its_names() -> None:
    def told(**names: str) -> list[Check]:
        return bad(checks.check_settings(load_settings(Path(os.devnull), {}, names)))

    (found,) = told(TIDEGATE_HTTP__HOST="0.0.0.0")

    assert (found.level, found.name) == (Level.WARN, "http.allowed_hosts")
    assert "http.host is 0.0.0.0" in found.detail
    assert told() == told(TIDEGATE_HTTP__HOST="localhost") == []
    assert told(TIDEGATE_HTTP__HOST="::", TIDEGATE_HTTP__ALLOWED_HOSTS="gate.example, *") == []


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000"),
        ("0.0.0.0", "http://127.0.0.1:9000"),
        ("::", "http://[::1]:9000"),
        ("gate.example", "http://gate.example:9000"),
    ],
)
def test_where_a_control_plane_answers(host: str, url: str) -> None:
    assert checks.url_of(HttpSettings(host=host)) == url


def test_an_engine_that_is_not_ready_fails_unless_something_loads(plane: Plane) -> None:
    unready = {"damage": {"is_ready": False, "stable": "1.0.0", "ready_on": []}}
    plane.replies["/api/v1/orchestrator/health"] = Reply(
        {**HEALTH, "status": "unavailable", "engines": unready}
    )
    control_plane = checks.ControlPlane(plane.url)

    dead = list(checks.check_running(control_plane))[-1]
    loading = {"name": "triton-0", "state": "loading", "reason": "damage 1.0.0"}
    plane.replies["/api/v1/fleet"] = Reply({"instances": [loading]})
    starting = list(checks.check_running(control_plane))[-1]

    assert dead.level is Level.FAIL
    assert "release 1.0.0 is ready on no instance" in dead.detail
    assert starting.level is Level.WARN


def test_a_stranger_on_the_port_of_the_control_plane_is_no_tidegate(plane: Plane) -> None:
    control_plane = checks.ControlPlane(plane.url)
    assert checks.is_answering(control_plane)

    plane.replies["/api/v1/orchestrator/health"] = problem(403, "permission_denied", "no")
    assert checks.is_answering(control_plane)

    plane.replies["/api/v1/orchestrator/health"] = Reply(b"hello", content_type="text/plain")
    assert not checks.is_answering(control_plane)
    (found,) = checks.check_running(control_plane)
    assert found.level is Level.FAIL


STANDING: dict[str, Any] = {
    "other_planes": [],
    "leader": {"is_leading": True, "epoch": 3, "since": "2025-01-31T12:00:00Z"},
    "state": {"revision": 7, "is_away": False},
    "complaints": [],
}
FOLLOWS = {"is_leading": False, "epoch": None, "since": None}


def standing_checks(plane: Plane, **changes: object) -> list[Check]:
    health = {**HEALTH, **STANDING, **changes}
    plane.replies["/api/v1/orchestrator/health"] = Reply(health)
    names = {"state store", "leader", "catalogue"}
    found = checks.check_running(checks.ControlPlane(plane.url))
    return [check for check in found if check.name in names]


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({}, Level.OK, "leads, epoch 3; others beside it: 0"),
        ({"leader": FOLLOWS, "other_planes": ["b"]}, Level.OK, "follows; others beside it: 1"),
        ({"leader": FOLLOWS}, Level.WARN, "does not lead, and it knows of no other one"),
    ],
)
def test_who_leads_is_told(
    plane: Plane, changes: dict[str, object], level: Level, said: str
) -> None:
    (found,) = standing_checks(plane, **changes)
    assert (found.name, found.level) == ("leader", level)
    assert said in found.detail


def test_a_store_that_is_away_fails(plane: Plane) -> None:
    (found,) = standing_checks(plane, leader=FOLLOWS, state={"revision": 7, "is_away": True})
    assert (found.name, found.level) == ("state store", Level.FAIL)
    assert "revision 7" in found.detail


def test_each_complaint_about_the_catalogue_is_a_warning(plane: Plane) -> None:
    _, first, second = standing_checks(plane, complaints=["one", "two"])
    assert [first.detail, second.detail] == ["one", "two"]
    assert first.level is second.level is Level.WARN


def test_of_a_control_plane_that_says_nothing_of_it_nothing_is_said(plane: Plane) -> None:
    assert standing_checks(plane, leader=None) == []


def test_what_hangs_is_not_to_be_started() -> None:
    from cli.checks import _remedy

    assert "hangs" in _remedy("unreachable", "does not answer (DEADLINE_EXCEEDED: Stream removed)")
    assert _remedy("unreachable", "UNAVAILABLE: connection refused") == "start it"
    assert _remedy("loading", "loading") == "wait, or look at its log"
