"""The servers of the session, for all runs; a run that needs one that is missing is skipped."""

from __future__ import annotations

import pytest

from tests.integration.queue_faults.stage import Servers
from tests.servers.aws import AwsServer
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer


class SessionServers(Servers):
    """Those of the fixtures."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__()
        self._request = request

    @property
    def postgres(self) -> PostgresServer:
        return self._request.getfixturevalue("postgres")

    @property
    def rabbitmq(self) -> RabbitmqServer:
        return self._request.getfixturevalue("rabbitmq")

    @property
    def aws(self) -> AwsServer:
        return self._request.getfixturevalue("aws")


@pytest.fixture
def servers(request: pytest.FixtureRequest) -> Servers:
    return SessionServers(request)
