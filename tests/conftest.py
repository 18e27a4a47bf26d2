"""The servers that tests ask for by name, each started once; and none outlives its tests."""

from __future__ import annotations

import subprocess

import pytest

from tests.servers.fixtures import aws, chromium, postgres, rabbitmq, redis
from tests.servers.orphans import start_watcher, stop_watcher
from tests.servers.tidegate import collector, photo_root, receiver, tidegate

__all__ = [
    "aws",
    "chromium",
    "collector",
    "photo_root",
    "postgres",
    "rabbitmq",
    "receiver",
    "redis",
    "tidegate",
]

WATCHER = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[WATCHER] = start_watcher()


def pytest_unconfigure(config: pytest.Config) -> None:
    stop_watcher(config.stash[WATCHER])
