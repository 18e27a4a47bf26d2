"""Where the state lives: a database, or the memory of this process.

Each class keeps all six promises of :mod:`control_plane.ports` that are about what is stored:
StateStore, AuditLog, Leases, Planes, CountStore and EvidenceLog.
"""

from control_plane.adapters.stores.bounds import Bounds
from control_plane.adapters.stores.memory import MemoryStore
from control_plane.adapters.stores.sql import SqlStore, open_store

__all__ = ["Bounds", "MemoryStore", "SqlStore", "open_store"]
