"""Orders to the workers to look at a job."""

from __future__ import annotations

import json

from control_plane.core.jobs import Job
from control_plane.core.jobs.transitions import publish
from control_plane.ports import JobQueue, JobStore, Message


def order_for(job: Job) -> Message:
    """The same for every order of one run, so that a queue that tells repeats can drop them."""
    body = json.dumps({"job_id": job.job_id}).encode("ascii")
    return Message(f"{job.job_id}.{job.run}", job.priority, body)


async def order(job: Job, *, store: JobStore, queue: JobQueue) -> Job:
    """Publish a job's order, and write down that the queue has it.

    Raises QueueUnavailable, StoreUnavailable; ControlPlaneError(NOT_FOUND) for one that is gone.
    """
    await queue.publish(order_for(job))
    return await store.change(job.job_id, publish)
