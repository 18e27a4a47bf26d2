"""docker-compose.yml against the rest of the project, as far as it shows without an engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from control_plane.embedded.fleet import command
from control_plane.embedded.options import FleetOptions
from control_plane.embedded.runtime import Wheel, environment, find_libpython, prepare
from control_plane.settings import Settings
from tests.unit.deploy.compose_file import (
    FILE,
    ROOT,
    Service,
    flags,
    mounts,
    parsed,
    seconds,
)

GPU_FILE = ROOT / "deploy/docker-compose.gpu.yml"
DOCKER = shutil.which("docker")
CI = os.environ.get("CI") == "true"
CI = os.environ.get("CI") == "true"
# Flags of the embedded Triton that a container of its own makes needless.
EMBEDDED_ONLY = {
    "--http-address",
    "--grpc-address",
    "--metrics-address",
    "--backend-directory",
    "--cache-directory",
    "--backend-config",
    # Its word is told to nobody; in containers no port of a Triton is reached from outside.
    "--http-restricted-api",
}
# Flags that have another value in a container, and each for a reason told there.
OTHER_VALUES = {
    "--model-repository",
    "--http-port",
    "--grpc-port",
    "--metrics-port",
    "--exit-timeout-secs",
}


def test_there_are_two_tritons_and_a_control_plane(services: dict[str, Service]) -> None:
    always = [name for name, each in services.items() if "profiles" not in each]
    assert always == ["triton-0", "triton-1", "tidegate"]


def test_what_else_there_is_goes_by_profile(services: dict[str, Service]) -> None:
    found = {name: each["profiles"] for name, each in services.items() if "profiles" in each}
    assert found == {
        "tidegate-2": ["planes"],
        "postgres": ["planes"],
        "worker": ["workers"],
        "rabbitmq": ["queue"],
        "redis": ["queue"],
        "mlflow": ["mlflow"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
        "collector": ["tracing"],
        "jaeger": ["tracing"],
    }


def test_what_is_built_and_mounted_exists(
    compose: dict[str, Any], services: dict[str, Service]
) -> None:
    for service in services.values():
        if "build" in service:
            context = ROOT / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).is_file()
        for mount in service["volumes"]:
            if mount["type"] == "bind":
                assert (ROOT / mount["source"]).exists()
                # Without this Docker makes an empty folder of a name that is wrong.
                assert mount["bind"]["create_host_path"] is False
            else:
                assert mount["source"] in compose["volumes"]
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("depends_on", {})) <= set(services)


def test_the_repository_and_the_settings_are_mounted_read_only(ours: dict[str, Service]) -> None:
    for service in ours.values():
        assert mounts(service)["/models"]["source"] == "./model_repository"
        for mount in service["volumes"]:
            assert mount["type"] == "volume" or mount["read_only"] is True


def test_no_service_has_more_rights_than_it_needs(services: dict[str, Service]) -> None:
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "cap_add", "network_mode", "pid", "ipc"} & set(service)
        # An image that begins as root and is not made here is given another user.
        assert int(service.get("user", "1:1").partition(":")[0]) > 0


def test_no_image_is_called_latest(services: dict[str, Service]) -> None:
    for service in services.values():
        name, _, tag = service["image"].rpartition(":")
        assert name
        assert tag != "latest"


def test_ports_are_published_on_this_host_only(
    services: dict[str, Service], settings: Settings
) -> None:
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert published == {
        "tidegate": ["127.0.0.1:9000:9000", "127.0.0.1:9001:9001"],
        "tidegate-2": ["127.0.0.1:9010:9000", "127.0.0.1:9011:9001"],
        "mlflow": ["127.0.0.1:5000:5000"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
        "jaeger": ["127.0.0.1:16686:16686"],
    }
    assert (settings.http.port, settings.grpc.port) == (9000, 9001)
    assert flags(services["mlflow"])["--port"] == "5000"


def test_nobody_but_a_control_plane_or_worker_reaches_a_triton_or_the_store(
    compose: dict[str, Any], services: dict[str, Service], tritons: dict[str, Service]
) -> None:
    reach = {
        network: {name for name, each in services.items() if network in each["networks"]}
        for network in ("fleet", "store")
    }
    ours = {"tidegate", "tidegate-2", "worker"}
    kept = {"postgres", "rabbitmq", "redis"}
    assert reach == {"fleet": ours | set(tritons), "store": ours | kept}
    for name in (*tritons, *kept):
        assert len(services[name]["networks"]) == 1
    assert compose["networks"]["fleet"]["internal"] is True
    assert compose["networks"]["store"]["internal"] is True


def test_the_control_plane_listens_on_every_address_of_its_container(settings: Settings) -> None:
    assert settings.http.host == settings.grpc.host == "0.0.0.0"


def test_the_control_planes_answer_to_their_own_names(
    services: dict[str, Service], settings: Settings
) -> None:
    # Published on loopback, where a page that is open on the same machine reaches them; and what
    # scrapes them, or tells them of a new model, asks by these.
    assert settings.http.allowed_hosts == ("tidegate", "tidegate-2")
    assert set(settings.http.allowed_hosts) <= set(services)


def test_the_settings_name_what_is_mounted(tidegate: Service, settings: Settings) -> None:
    assert str(settings.model_repository) in mounts(tidegate)
    assert mounts(tidegate)[str(settings.state_dir)]["type"] == "volume"


def test_the_instances_are_the_tritons_at_their_grpc_and_metrics_ports(
    tritons: dict[str, Service], settings: Settings
) -> None:
    wanted = {name: f"{name}:{flags(each)['--grpc-port']}" for name, each in tritons.items()}
    assert {each.name: each.grpc_url for each in settings.instances} == wanted
    wanted = {
        name: f"http://{name}:{flags(each)['--metrics-port']}/metrics"
        for name, each in tritons.items()
    }
    assert {each.name: each.metrics_url for each in settings.instances} == wanted


def test_tritons_flags_are_those_of_an_embedded_one(tritons: dict[str, Service]) -> None:
    here = Path()
    wheel = Wheel(here, here, here, here, here)
    options = FleetOptions(model_repository=here)
    embedded = parsed(command(options, wheel, options.ports(0), here, "prefix-")[1:])
    for name in EMBEDDED_ONLY:
        del embedded[name]
    for service in tritons.values():
        given = flags(service)
        assert set(given) == set(embedded)
        for name in set(embedded) - OTHER_VALUES:
            assert given[name] == embedded[name], name


def test_triton_knows_its_flags(tritons: dict[str, Service], tmp_path: Path) -> None:
    known = flags_of_the_real_triton(tmp_path / "runtime")
    assert "--model-repository" in known
    for service in tritons.values():
        assert service["command"][0] == "tritonserver"
        assert set(flags(service)) <= known


def test_probes_ask_the_ports_that_are_listened_on(
    tritons: dict[str, Service], tidegate: Service, settings: Settings
) -> None:
    for service in tritons.values():
        probed = urlsplit(service["healthcheck"]["test"][-1])
        assert (str(probed.port), probed.path) == (
            flags(service)["--http-port"],
            "/v2/health/ready",
        )
    probed = urlsplit(tidegate["healthcheck"]["test"][-1])
    assert (probed.port, probed.path) == (settings.http.port, "/readyz")


def test_the_control_planes_probes_differ_in_their_path_alone(tidegate: Service) -> None:
    dockerfile = (ROOT / tidegate["build"]["dockerfile"]).read_text()
    found = re.search(r"^HEALTHCHECK .*\\\n\s*CMD \[(.+)\]", dockerfile, re.MULTILINE)
    assert found
    alive = re.findall(r'"(.+?)"', found[1])
    ready = tidegate["healthcheck"]["test"][1:]
    assert [*alive[:-1], alive[-1].replace("/healthz", "/readyz")] == ready


def test_a_stop_leaves_time_to_finish(
    tritons: dict[str, Service], tidegate: Service, settings: Settings
) -> None:
    stopping_s = settings.shutdown.notice_s + settings.shutdown.grace_s
    assert seconds(tidegate["stop_grace_period"]) > stopping_s
    for name, service in tritons.items():
        assert seconds(service["stop_grace_period"]) > stopping_s
        exit_timeout_s = int(flags(service)["--exit-timeout-secs"])
        assert settings.requests.engine_timeout_s < exit_timeout_s
        assert exit_timeout_s < seconds(service["stop_grace_period"])
        # What depends on a service is stopped before it.
        assert name in tidegate["depends_on"]


def test_the_gpu_variant_adds_gpus_and_changes_nothing_else(tritons: dict[str, Service]) -> None:
    variant = yaml.safe_load(GPU_FILE.read_text())["services"]
    assert set(variant) == set(tritons)
    for name, service in variant.items():
        assert set(service) == {"deploy"}
        assert "deploy" not in tritons[name]
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert device["driver"] == "nvidia"
        assert device["capabilities"] == ["gpu"]


@pytest.mark.parametrize("files", [[FILE], [FILE, GPU_FILE]], ids=["cpu", "gpu"])
def test_docker_compose_takes_the_files(files: list[Path]) -> None:
    if DOCKER is None or docker("compose", "version").returncode:
        pytest.skip("docker compose is not installed")
    named = [word for file in files for word in ("--file", str(file))]
    answer = docker("compose", "--project-directory", str(ROOT), *named, "config", "--quiet")
    assert answer.returncode == 0, answer.stderr


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert DOCKER
    return subprocess.run(
        [DOCKER, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def flags_of_the_real_triton(folder: Path) -> set[str]:
    """What `tritonserver --help` lists; skips where the wheel is not installed, fails in CI."""
    wheel, libpython = Wheel.find(), find_libpython()
    if wheel is None or libpython is None:
        missing = "nvidia-pytriton" if wheel is None else "libpython"
        if CI:
            pytest.fail(f"{missing} is not installed")
        pytest.skip(f"{missing} is not installed")
    folder.mkdir()
    prepare(folder, wheel, libpython)
    answer = subprocess.run(
        [wheel.server, "--help"],
        env=environment(folder, wheel),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return set(re.findall(r"^  (--[a-z0-9-]+)", answer.stdout + answer.stderr, re.MULTILINE))
