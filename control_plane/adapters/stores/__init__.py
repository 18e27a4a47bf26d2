"""Where the state lives: a database, or the memory of this process.

Each class keeps all six promises of :mod:`control_plane.ports` that are about what is stored:
StateStore, AuditLog, Leases, Planes, CountStore and EvidenceLog. Jobs are kept beside them, in
the same database, by classes of their own: JobStore and JobUpkeep; and so are answers and what
was said of them: KeptDetections and FeedbackStore.
"""

from control_plane.adapters.stores.bounds import Bounds
from control_plane.adapters.stores.feedback import SqlFeedback
from control_plane.adapters.stores.jobs import SqlJobs
from control_plane.adapters.stores.memory import MemoryStore
from control_plane.adapters.stores.memory_feedback import MemoryFeedback
from control_plane.adapters.stores.memory_jobs import MemoryJobs
from control_plane.adapters.stores.sql import SqlStore, open_store

__all__ = [
    "Bounds",
    "MemoryFeedback",
    "MemoryJobs",
    "MemoryStore",
    "SqlFeedback",
    "SqlJobs",
    "SqlStore",
    "open_store",
]
