"""What carries the order to look at a job. Each class keeps the promises of ports.JobQueue."""

from control_plane.adapters.queues.memory import MemoryQueue
from control_plane.adapters.queues.sql import SqlQueue

__all__ = ["MemoryQueue", "SqlQueue"]
