"""Ports of the loopback for servers that cannot choose one themselves.

They lie below those that the kernel gives to outgoing connections, so that none of these takes
one before its server does. Each worker of pytest-xdist has ports of its own to choose from, and
chooses none a second time before it has been through all of them.
"""

from __future__ import annotations

import os
import secrets
import socket
from itertools import count as count_from

FIRST, LAST = 20_000, 32_000


def _of_this_worker() -> range:
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = (LAST - FIRST) // workers
    return range(FIRST + number * share, FIRST + (number + 1) * share)


PORTS = _of_this_worker()
# Not from the first one: somebody else may run these tests on the machine, too.
_turns = count_from(secrets.randbelow(len(PORTS)))


def free_port() -> int:
    """One that nobody listens on."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many in a row that nobody listens on."""
    while True:
        row = [PORTS[next(_turns) % len(PORTS)] for _ in range(count)]
        if row[-1] - row[0] == count - 1 and all(map(_is_free, row)):
            return row[0]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
