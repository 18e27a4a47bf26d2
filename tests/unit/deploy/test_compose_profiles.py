"""What docker-compose.yml adds by profile: planes on Postgres, a broker, workers, MLflow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from control_plane.settings import Settings
from tests.unit.deploy.compose_file import (
    ROOT,
    Service,
    env_file,
    flags,
    interpolated,
    settings_of,
)

CI = os.environ.get("CI") == "true"
LOCAL_MLFLOW = "127.0.0.1:5000"


def test_the_second_control_plane_is_like_the_first(services: dict[str, Service]) -> None:
    first, second = dict(services["tidegate"]), dict(services["tidegate-2"])
    for different in ("ports", "profiles"):
        first.pop(different, None)
        second.pop(different, None)
    assert second == first


def test_a_worker_is_like_a_control_plane_without_edges(
    services: dict[str, Service], settings: Settings
) -> None:
    plane, worker = dict(services["tidegate"]), dict(services["worker"])
    assert (plane.pop("command"), worker.pop("command")) == (["serve"], ["worker"])
    assert worker.pop("profiles") == ["workers"]
    asked = worker["healthcheck"]["test"].pop()
    assert asked == f"http://127.0.0.1:{settings.worker.http_port}/readyz"
    plane["healthcheck"]["test"].pop()
    del plane["ports"]
    assert worker == plane


def test_without_a_profile_state_and_queue_are_in_its_volume(settings: Settings) -> None:
    assert settings.store.url is None
    assert settings.queue.kind == "sql"
    assert settings.cache.kind == "memory"
    assert settings.registry.kind == "files"
    assert settings.uploads_folder.is_relative_to(settings.state_dir)


def test_the_planes_keep_their_state_in_postgres(services: dict[str, Service]) -> None:
    database = services["postgres"]["environment"]
    given = interpolated(env_file("planes.env"), {"POSTGRES_PASSWORD": "pw1"})
    for plane in ("tidegate", "tidegate-2"):
        location = urlsplit(str(settings_of(services[plane], given).store_location))
        assert location.hostname == "postgres"
        assert (location.username, location.password) == (database["POSTGRES_USER"], "pw1")
        assert location.path == f"/{database['POSTGRES_DB']}"
        awaited = services[plane]["depends_on"]["postgres"]
        assert awaited == {"condition": "service_healthy", "required": False}


def test_with_the_queue_jobs_go_by_rabbitmq_and_results_are_kept_in_redis(
    services: dict[str, Service],
) -> None:
    broker = services["rabbitmq"]["environment"]
    given = interpolated(env_file("rabbitmq.env"), {"RABBITMQ_PASSWORD": "pw1"})
    for name in ("tidegate", "tidegate-2", "worker"):
        settings = settings_of(services[name], given)
        assert settings.queue.kind == "rabbitmq"
        assert settings.queue.url is not None
        queue = urlsplit(settings.queue.url.get_secret_value())
        assert (queue.hostname, queue.port) == ("rabbitmq", None)
        assert (queue.username, queue.password) == (broker["RABBITMQ_DEFAULT_USER"], "pw1")
        assert settings.cache.kind == "redis"
        assert settings.cache.url is not None
        cache = urlsplit(settings.cache.url.get_secret_value())
        words = services["redis"]["command"]
        assert (cache.hostname, str(cache.port)) == ("redis", words[words.index("--port") + 1])
        # Neither keeps a control plane from starting.
        awaited = services[name]["depends_on"]
        for one in ("rabbitmq", "redis"):
            assert awaited[one] == {"condition": "service_started", "required": False}


def test_rabbitmq_finds_its_data_again_and_is_asked_at_amqps_port(
    services: dict[str, Service],
) -> None:
    broker = services["rabbitmq"]
    # Its folder is named after the host.
    assert broker["hostname"] == "rabbitmq"
    (data,) = broker["volumes"]
    assert (data["type"], data["target"]) == ("volume", "/var/lib/rabbitmq")
    assert broker["healthcheck"]["test"][-1] == "5672"
    # Quorum queues that move their dead letters on at least once need 3.10.
    version = broker["image"].partition(":")[2].partition("-")[0]
    assert tuple(map(int, version.split("."))) >= (3, 10)


def test_redis_is_a_cache_and_keeps_nothing(services: dict[str, Service]) -> None:
    words = services["redis"]["command"]
    given = dict(zip(words[1::2], words[2::2], strict=True))
    assert (given["--save"], given["--appendonly"]) == ("", "no")
    # What is full makes room, instead of refusing.
    assert given["--maxmemory-policy"] == "allkeys-lru"
    assert services["redis"]["volumes"] == []


def test_no_password_is_in_a_file_and_none_is_made_up(services: dict[str, Service]) -> None:
    # Postgres itself refuses to start without one; the settings of the planes ask for it.
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:-}"
    assert services["rabbitmq"]["environment"]["RABBITMQ_DEFAULT_PASS"] == "${RABBITMQ_PASSWORD:-}"
    for name in ("planes.env", "rabbitmq.env"):
        with pytest.raises(KeyError, match="choose a password"):
            interpolated(env_file(name), {})


def test_with_mlflow_releases_are_written_down_there(services: dict[str, Service]) -> None:
    registry = settings_of(services["tidegate"], env_file("mlflow.env")).registry
    assert registry.kind == "mlflow"
    server = urlsplit(registry.tracking_uri)
    given = flags(services["mlflow"])
    assert (server.hostname, str(server.port)) == ("mlflow", given["--port"])
    # By its name in the network, and by that of the port which is published here.
    assert given["--allowed-hosts"].split(",") == [server.netloc, "localhost:5000", LOCAL_MLFLOW]
    assert set(services["mlflow"]["networks"]) & set(services["tidegate"]["networks"])


def test_mlflows_server_is_of_the_version_of_its_client_and_knows_its_flags(
    services: dict[str, Service],
) -> None:
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    (client,) = (line for line in lock if line.startswith("mlflow-skinny=="))
    image = services["mlflow"]["image"]
    assert image.rpartition(":")[2] == f"v{client.partition('==')[2]}"
    assert services["mlflow"]["command"][:2] == ["mlflow", "server"]
    assert set(flags(services["mlflow"])) <= flags_of_mlflow()


def test_what_is_kept_lies_in_volumes(services: dict[str, Service]) -> None:
    (data,) = services["postgres"]["volumes"]
    assert (data["type"], data["target"]) == ("volume", "/var/lib/postgresql/data")
    (data,) = services["mlflow"]["volumes"]
    given = flags(services["mlflow"])
    assert data["type"] == "volume"
    for place in (given["--backend-store-uri"], given["--artifacts-destination"]):
        assert place.removeprefix("sqlite:///").startswith(f"{data['target']}/")


def flags_of_mlflow() -> set[str]:
    """What `mlflow server --help` lists; skips where the server is not installed, fails in CI."""
    command = Path(sys.executable).parent / "mlflow"
    if not command.exists():
        if CI:
            pytest.fail("mlflow is not installed")
        pytest.skip("mlflow is not installed")
    answer = subprocess.run(
        [command, "server", "--help"],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return set(re.findall(r"(--[a-z0-9-]+)", answer.stdout))
