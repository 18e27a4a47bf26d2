"""The servers that tests ask for by name, each started once."""

from tests.servers.fixtures import aws, postgres, redis

__all__ = ["aws", "postgres", "redis"]
