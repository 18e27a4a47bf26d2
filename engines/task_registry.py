"""Which task belongs to which engine."""

from __future__ import annotations

from collections.abc import Mapping

from engines.networks.damage import DamageTask
from engines.networks.materials import MaterialsTask
from engines.networks.volume_task import VolumeTask
from engines.tasks import Task

TASKS: Mapping[str, type[Task]] = {
    "damage": DamageTask,
    "materials": MaterialsTask,
    "volume": VolumeTask,
}


def task_named(name: str) -> Task:
    """The task of one engine. Raises ValueError for a name that is none."""
    if name not in TASKS:
        raise ValueError(f"no engine {name!r}: it is one of {', '.join(TASKS)}")
    return TASKS[name]()
