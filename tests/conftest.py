"""The servers that tests ask for by name, each started once."""

from tests.servers.fixtures import aws, chromium, postgres, rabbitmq, redis
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
