"""What carries the order to look at a job. Each class keeps the promises of ports.JobQueue."""

from control_plane.adapters.queues.memory import MemoryQueue

__all__ = ["MemoryQueue"]
