"""The servers that tests ask for by name, each started once."""

from tests.servers.fixtures import postgres

__all__ = ["postgres"]
