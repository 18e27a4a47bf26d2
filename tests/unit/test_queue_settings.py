from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.errors import ConfigurationError
from control_plane.settings import Settings, flatten, load_settings

URL = "amqp://ada:hunter2@mq.example:5672/jobs"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(**environ: str) -> Settings:
    names = {f"TIDEGATE_QUEUE__{name.upper()}": value for name, value in environ.items()}
    return load_settings(None, {}, names).settings


def refusal(**environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(**environ)
    return caught.value


def test_jobs_are_carried_by_the_state_store_unless_a_broker_is_named() -> None:
    queue = load().queue
    assert (queue.kind, queue.url, queue.prefix) == ("sql", None, "tidegate")
    assert (queue.prefetch, queue.delivery_limit, queue.lease_s) == (8, 20, 60)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "amqp://ada:***@mq.example:5672/jobs"),
        ("amqps://ada:hunter2%2F@mq", "amqps://ada:***@mq"),
        ("amqp://mq:5672/%2Fjobs?heartbeat=5", "amqp://mq:5672/%2Fjobs?heartbeat=5"),
    ],
)
def test_the_url_of_the_broker_is_shown_without_its_password(url: str, shown: str) -> None:
    settings = load(kind="rabbitmq", url=url)

    assert settings.queue.url is not None
    assert settings.queue.url.get_secret_value() == url
    assert flatten(settings)["queue.url"] == shown
    assert "hunter2" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "redis://ada:hunter2@mq/",
        "amqp://",
        "amqp://ada:hunt/er2@mq/jobs",
        "amqp://ada:a@hunter2:b@mq/jobs",
        "amqp://ada:hunter2@mq/jobs/more",
        "amqp://ada:hunter2@",
        "amqp://ada:hunter2@mq:five/",
        "amqp://ada:hunter2@mq:65536/",
    ],
)
def test_a_url_that_is_no_broker_is_not_repeated(url: str) -> None:
    error = refusal(kind="rabbitmq", url=url)

    assert error.field == "queue.url"
    assert "should be amqp://USER:PASSWORD@HOST/VHOST" in error.message
    for part in ("hunter2", "hunt/er2"):
        assert part not in error.message + repr(error)


def test_rabbitmq_needs_its_url() -> None:
    error = refusal(kind="rabbitmq")
    assert error.field == "queue.url"
    assert "should be set for queue.kind rabbitmq" in error.message


@pytest.mark.parametrize("kind", ["sql", "sqs"])
def test_others_have_none(kind: str) -> None:
    error = refusal(kind=kind, url=URL)
    assert error.field == "queue.url"
    assert f"not for {kind}" in error.message
    assert "hunter2" not in error.message


def test_sqs_may_be_somewhere_else() -> None:
    queue = load(kind="sqs", region="eu-west-1", endpoint_url="http://sqs:4566", create="1").queue
    assert (queue.region, queue.endpoint_url, queue.create) == (
        "eu-west-1",
        "http://sqs:4566",
        True,
    )


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("kind", "kafka", "should be 'sql', 'rabbitmq' or 'sqs'"),
        ("endpoint_url", "http://ann:hunter2@sqs", "AWS_SECRET_ACCESS_KEY"),
        ("endpoint_url", "sqs:4566", "should be http://HOST:PORT"),
        ("endpoint_url", "http://sqs:456six", "should be http://HOST:PORT"),
        ("prefix", "a.b", "pattern"),
        ("prefix", "-", "pattern"),
        ("region", "EU", "pattern"),
        ("delivery_limit", "1", "greater than or equal to 2"),
        ("prefetch", "0", "greater than or equal to 1"),
        ("lease_s", "43201", "less than or equal to 43200"),
        ("timeout_s", "0", "greater than or equal to 0.1"),
    ],
)
def test_what_the_queue_may_not_be(name: str, value: str, complaint: str) -> None:
    error = refusal(**{name: value})
    assert error.field == f"queue.{name}"
    assert complaint in error.message
    assert "hunter2" not in error.message
