"""Each server as a fixture: started when first asked for, skipped where it is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers.aws import MISSING as MOTO_MISSING
from tests.servers.aws import AwsServer, has_moto
from tests.servers.chromium import MISSING as CHROMIUM_MISSING
from tests.servers.chromium import Chromium, has_chromium
from tests.servers.postgres import MISSING, PostgresServer, find_programs
from tests.servers.rabbitmq import MISSING as RABBITMQ_MISSING
from tests.servers.rabbitmq import RabbitmqServer
from tests.servers.rabbitmq import find_programs as find_rabbitmq
from tests.servers.redis import MISSING as REDIS_MISSING
from tests.servers.redis import RedisServer, has_redis


def skip_without(is_there: bool, missing: str) -> None:
    """Skips where a server is missing; with CI=true that is a failure."""
    if is_there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = find_programs()
    skip_without(programs is not None, MISSING)
    assert programs is not None
    server = PostgresServer(programs)
    server.start()
    yield server
    server.stop()
    server.remove()


@pytest.fixture(scope="session")
def aws() -> Iterator[AwsServer]:
    skip_without(has_moto(), MOTO_MISSING)
    server = AwsServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitmqServer]:
    programs = find_rabbitmq()
    skip_without(programs is not None, RABBITMQ_MISSING)
    assert programs is not None
    server = RabbitmqServer(programs)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    skip_without(has_redis(), REDIS_MISSING)
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    skip_without(has_chromium(), CHROMIUM_MISSING)
    browser = Chromium()
    browser.start()
    yield browser
    browser.stop()
