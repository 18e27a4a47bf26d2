"""The backends that faults are tried on, and the levers to break them.

Each run has a folder, a database and queues of its own on servers that many runs share. Where a
fault is to lie in between, the queue or the store is reached through a proxy.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.integration.queue_faults.assembly import Place
from tests.servers.aws import AwsServer
from tests.servers.postgres import PostgresServer
from tests.servers.postgres import find_programs as find_postgres
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitmqServer
from tests.servers.rabbitmq import find_programs as find_rabbitmq


class Backend(StrEnum):
    """Queue and store: the first two keep both; RabbitMQ is beside Postgres, SQS beside SQLite."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"
    RABBITMQ = "rabbitmq"
    SQS = "sqs"


class Servers:
    """Each started when it is first needed; ``remove`` ends what was started here."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    @cached_property
    def postgres(self) -> PostgresServer:
        programs = find_postgres()
        assert programs is not None, "Postgres is missing here"
        server = PostgresServer(programs)
        self._stack.callback(server.remove)
        server.start()
        self._stack.callback(server.stop)
        return server

    @cached_property
    def rabbitmq(self) -> RabbitmqServer:
        programs = find_rabbitmq()
        assert programs is not None, "RabbitMQ is missing here"
        server = RabbitmqServer(programs)
        self._stack.callback(server.remove)
        server.start()
        return server

    @cached_property
    def aws(self) -> AwsServer:
        server = AwsServer()
        self._stack.callback(server.stop)
        server.start()
        return server

    def remove(self) -> None:
        self._stack.close()


@dataclass(frozen=True, slots=True)
class Stage:
    """Where one run takes place. queue_proxy, store_proxy: where the run is to have one."""

    backend: Backend
    place: Place
    servers: Servers
    queue_proxy: Proxy | None = None
    store_proxy: Proxy | None = None


@contextmanager
def staged(
    backend: Backend,
    servers: Servers,
    folder: Path,
    *,
    is_queue_proxied: bool = False,
    is_store_proxied: bool = False,
    store_folder: Path | None = None,
) -> Iterator[Stage]:
    """An empty store and empty queues. store_folder: of SQLite's file, if not the run's own."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        store, store_proxy = f"sqlite:///{store_folder or folder}/state.db", None
        if backend in (Backend.POSTGRES, Backend.RABBITMQ):
            store = servers.postgres.new_database()
            if is_store_proxied:
                store_proxy = stack.enter_context(Proxy(servers.postgres.port))
                store = _through(store, store_proxy)
        queue, queue_url, prefix, queue_proxy = "sql", "", "", None
        environment: dict[str, str] = {}
        if backend is Backend.RABBITMQ:
            queue, prefix = "rabbitmq", servers.rabbitmq.new_prefix()
            queue_url = servers.rabbitmq.url()
        if backend is Backend.SQS:
            queue, prefix = "sqs", servers.aws.new_name("jobs")
            queue_url, environment = servers.aws.endpoint_url, servers.aws.environment
        if queue_url and is_queue_proxied:
            queue_proxy = stack.enter_context(Proxy(urlsplit(queue_url).port or 0))
            queue_url = _through(queue_url, queue_proxy)
        place = Place(folder, store, queue, queue_url, prefix, environment=environment)
        yield Stage(backend, place, servers, queue_proxy, store_proxy)


def _through(url: str, proxy: Proxy) -> str:
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    where = f"127.0.0.1:{proxy.port}"
    return urlunsplit(parts._replace(netloc=f"{user}@{where}" if user else where))


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own that is soon full. Raises PermissionError where that is refused."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
