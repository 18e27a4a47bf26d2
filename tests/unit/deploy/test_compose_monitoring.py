"""The profile ``monitoring`` of docker-compose.yml: Prometheus and Grafana, by what is shipped."""

from __future__ import annotations

from typing import Any

import yaml

from control_plane.settings import Settings
from tests.unit.deploy.compose_file import ROOT, Service, flags, mounts
from tests.unit.deploy.monitoring import DASHBOARDS, GRAFANA, PROMETHEUS


def test_prometheus_has_our_configuration_and_asks_the_control_plane(
    services: dict[str, Service], settings: Settings
) -> None:
    prometheus = services["prometheus"]
    mounted = mounts(prometheus)
    assert ROOT / mounted["/etc/prometheus"]["source"] == PROMETHEUS
    given = flags(prometheus)
    assert given["--config.file"] == "/etc/prometheus/prometheus.yml"
    assert mounted[given["--storage.tsdb.path"]]["type"] == "volume"
    (targets,) = yaml.safe_load(
        (ROOT / mounted["/etc/prometheus/targets.yml"]["source"]).read_text()
    )
    assert targets["targets"] == [f"tidegate:{settings.http.port}"]
    assert set(prometheus["networks"]) & set(services["tidegate"]["networks"])


def test_the_targets_are_mounted_over_a_file_that_is_there(services: dict[str, Service]) -> None:
    # In a folder that is read-only Docker cannot make the place itself.
    for name in ("targets.yml", "workers.yml"):
        assert f"/etc/prometheus/{name}" in mounts(services["prometheus"])
        assert (PROMETHEUS / name).is_file()


def test_the_workers_that_may_be_scraped_are_those_of_the_project(
    compose: dict[str, Any], services: dict[str, Service], settings: Settings
) -> None:
    mounted = mounts(services["prometheus"])["/etc/prometheus/workers.yml"]
    (named,) = {
        line.strip("#- ") for line in (ROOT / mounted["source"]).read_text().splitlines()
        if "worker-1" in line
    }  # fmt: skip
    assert named == f"{compose['name']}-worker-1:{settings.worker.http_port}"
    assert settings.worker.http_host == settings.http.host
    assert set(services["prometheus"]["networks"]) & set(services["worker"]["networks"])


def test_grafana_finds_dashboards_and_prometheus(services: dict[str, Service]) -> None:
    grafana = services["grafana"]
    mounted = mounts(grafana)
    assert ROOT / mounted["/etc/grafana/provisioning"]["source"] == GRAFANA / "provisioning"
    provided = yaml.safe_load((GRAFANA / "provisioning/dashboards/tidegate.yml").read_text())
    folder = mounted[provided["providers"][0]["options"]["path"]]["source"]
    assert sorted((ROOT / folder).iterdir()) == DASHBOARDS
    listening = flags(services["prometheus"])["--web.listen-address"].rpartition(":")[2]
    assert grafana["environment"]["PROMETHEUS_URL"] == f"http://prometheus:{listening}"
    assert set(grafana["networks"]) & set(services["prometheus"]["networks"])


def test_nobody_signs_in_to_grafana(services: dict[str, Service]) -> None:
    given = services["grafana"]["environment"]
    assert given["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert given["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert given["GF_AUTH_BASIC_ENABLED"] == "false"
