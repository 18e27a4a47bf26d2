"""The servers that tests ask for by name, each started once."""

from tests.servers.fixtures import aws, postgres, rabbitmq, redis

__all__ = ["aws", "postgres", "rabbitmq", "redis"]
