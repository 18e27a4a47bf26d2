"""What ``doctor`` says of what lies outside: there, away, or refusing us; and no secret with it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cli import outside_checks
from cli.checks import Check, Level
from control_plane.settings import Settings
from tests.servers.aws import AwsServer
from tests.servers.rabbitmq import RabbitmqServer
from tests.servers.redis import RedisServer
from tests.unit.cli.plane import Plane, Reply

PASSWORD = "kpt7-secret"


def look(**values: Any) -> list[Check]:
    found = outside_checks.check_outside(Settings.model_validate(values))
    assert all(PASSWORD not in str(check) for check in found)
    assert all(check.remedy for check in found if check.level is not Level.OK)
    return found


@pytest.fixture
def mute_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Accepts connections and says nothing."""
    monkeypatch.setattr(outside_checks, "TIMEOUT_S", 0.3)
    held: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                held.append(listener.accept()[0])
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in held:
        connection.close()


def test_nothing_is_looked_at_that_is_not_named() -> None:
    assert look() == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("queue", {"queue": {"kind": "rabbitmq", "url": "amqp://ada:{pw}@127.0.0.1:{port}/"}}),
        ("queue", {"queue": {"kind": "sqs", "region": "eu-west-1",
                             "endpoint_url": "http://127.0.0.1:{port}"}}),
        ("cache", {"cache": {"kind": "redis", "url": "redis://ada:{pw}@127.0.0.1:{port}/0"}}),
        ("S3", {"photos": {"buckets": ["roofs"]},
                "s3": {"endpoint_url": "http://127.0.0.1:{port}", "region": "eu-west-1",
                       "access_key_id": "ada", "secret_access_key": "{pw}"}}),
        ("webhook", {"results": {"webhook_url": "http://127.0.0.1:{port}/?key={pw}"}}),
        ("collector", {"tracing": {"endpoint": "http://127.0.0.1:{port}",
                                   "headers": {"authorization": "{pw}"}}}),
        ("Prometheus", {"analysis": {"prometheus": {"url": "http://127.0.0.1:{port}",
                                                    "token": "{pw}"}}}),
    ],
)  # fmt: skip
def test_what_is_away_is_said_in_time(
    name: str, values: dict[str, Any], free_port: int, mute_port: int, monkeypatch: Any
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ada")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
    for port in (free_port, mute_port):
        (found,) = look(**filled(values, port))
        assert found.name == name
        # Whoever accepts a connection is there, as far as a webhook can be asked.
        is_there = name in ("webhook", "collector") and port == mute_port
        assert (found.level is Level.OK) == is_there
        assert is_there or (found.level is Level.WARN) == (name in ("cache", "collector"))


def filled(values: Any, port: int) -> Any:
    if isinstance(values, dict):
        return {key: filled(value, port) for key, value in values.items()}
    if isinstance(values, str):
        return values.replace("{port}", str(port)).replace("{pw}", PASSWORD)
    return values


def test_a_prometheus_that_answers(plane: Plane) -> None:
    result = {"resultType": "vector", "result": [{"metric": {}, "value": [0, "1"]}]}
    plane.replies["/api/v1/query"] = Reply({"status": "success", "data": result})
    (found,) = look(analysis={"prometheus": {"url": plane.url, "token": PASSWORD}})
    assert (found.level, found.name) == (Level.OK, "Prometheus")
    assert plane.seen[0].headers["authorization"] == f"Bearer {PASSWORD}"


def test_a_webhook_whose_certificate_is_not_trusted(plane: Plane) -> None:
    (found,) = look(results={"webhook_url": f"https://127.0.0.1:{plane.port}/"})
    assert (found.level, found.name) == (Level.FAIL, "webhook")
    assert plane.seen == []


def test_a_redis(redis: RedisServer) -> None:
    (found,) = look(cache={"kind": "redis", "url": redis.url})
    assert (found.level, found.name) == (Level.OK, "cache")
    address = redis.url.rpartition("@")[2]
    (found,) = look(cache={"kind": "redis", "url": f"redis://ada:{PASSWORD}@{address}"})
    assert found.level is Level.WARN
    assert "refuses user or password" in found.detail


def test_buckets(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    there, missing = aws.new_bucket(), "not-there"
    found = look(
        photos={"buckets": [there, missing]},
        uploads={"url": f"s3://{there}/waiting"},
        s3={"endpoint_url": aws.endpoint_url, "path_style": True},
    )
    assert [(one.name, one.level) for one in found] == [("S3", Level.OK), ("S3", Level.FAIL)]
    assert f"bucket {missing} does not exist" in found[1].detail


def test_queues_of_sqs(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    queue = {"kind": "sqs", "endpoint_url": aws.endpoint_url, "prefix": aws.new_name()}
    (found,) = look(queue=queue)
    assert found.level is Level.FAIL
    assert "has no queue" in found.detail
    (found,) = look(queue={**queue, "create": True})
    assert found.level is Level.OK


def test_a_rabbitmq(rabbitmq: RabbitmqServer) -> None:
    prefix = rabbitmq.new_prefix()
    (found,) = look(queue={"kind": "rabbitmq", "url": rabbitmq.url(), "prefix": prefix})
    assert (found.level, found.name) == (Level.OK, "queue")
    assert f"not there yet: {prefix}.high" in found.detail
    place = rabbitmq.url().rpartition("@")[2]
    (found,) = look(queue={"kind": "rabbitmq", "url": f"amqp://ada:{PASSWORD}@{place}"})
    assert found.level is Level.FAIL
    assert "refuses user or password" in found.detail
