"""What is desired, who leads, and what the control planes tell each other."""

from __future__ import annotations

from typing import Protocol

from control_plane.core.rollout import Rollout
from control_plane.core.state import AuditRecord, Change, Lease, PlaneReport, State


class StaleRevision(Exception):
    """The state has moved on since the change was decided: read, decide again, write again."""


class Fenced(Exception):
    """Whoever wrote leads no longer. Nothing was written, and nothing is to be written again."""


class StoreUnavailable(Exception):
    """The store does not answer, or not in time; the words say why. It may come back."""


class StateStore(Protocol):
    """What is desired, shared by all control planes. Raises StoreUnavailable, all of it."""

    async def revision(self) -> int:
        """The revision now: cheap enough to be asked ten times a second."""
        ...

    async def read(self) -> State:
        """All of one revision."""
        ...

    async def write(self, change: Change, *, expected: int, epoch: int | None = None) -> State:
        """Writes all of a change or nothing of it; the state after it.

        expected: the revision that the change was decided on.
        epoch: of the leader's lease; None for what a person says, which any plane may write.

        Raises StaleRevision; Fenced when the lease of that epoch is not held any more.
        """
        ...

    async def rollouts(self, *, engine: str | None = None, limit: int = 50) -> tuple[Rollout, ...]:
        """The latest rollouts, finished ones too, the latest first."""
        ...


class AuditLog(Protocol):
    """Who did what. It is written together with what was done (``Change.audit``)."""

    async def entries(
        self,
        *,
        engine: str | None = None,
        rollout_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[AuditRecord, ...]:
        """The latest first. before: only those with a smaller number."""
        ...


class Leases(Protocol):
    """Who leads. Time is the store's, so that no two clocks have to agree."""

    async def acquire(self, holder: str, *, ttl_s: float) -> Lease | None:
        """Takes the lease, or renews it under the same epoch; None while another one holds it."""
        ...

    async def release(self, lease: Lease) -> None:
        """Gives it back, so that nobody has to wait until it expires. A lost one stays lost."""
        ...


class Planes(Protocol):
    """What the control planes tell each other."""

    async def report(self, report: PlaneReport, *, ttl_s: float) -> None:
        """Says how this plane is; it counts until ttl_s later."""
        ...

    async def reports(self) -> tuple[PlaneReport, ...]:
        """Of all planes that have reported within their time."""
        ...
