"""One request has one deadline, made at the edge; only what remains is handed on."""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.errors import ControlPlaneError, ErrorCode


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment after which nobody waits for the answer.

    expires_at_s: on the monotonic clock whose readings are passed as ``now_s``.
    """

    expires_at_s: float

    @classmethod
    def after(cls, now_s: float, timeout_s: float) -> Deadline:
        return cls(now_s + timeout_s)

    def remaining_s(self, now_s: float) -> float:
        return max(0.0, self.expires_at_s - now_s)

    def kept_back(self, now_s: float, *, share: float, most_s: float) -> Deadline:
        """An earlier one, for work whose outcome has still to reach whoever waits.

        share: of what remains, that is kept for that. most_s: and no more than this.
        """
        return Deadline(self.expires_at_s - min(most_s, share * self.remaining_s(now_s)))

    def timeout_s(self, now_s: float, limit_s: float) -> float:
        """How long one call may take: at most ``limit_s``, never past the deadline.

        Raises ControlPlaneError(DEADLINE_EXCEEDED) when nothing remains.
        """
        remaining_s = self.expires_at_s - now_s
        if remaining_s <= 0:
            raise ControlPlaneError(
                ErrorCode.DEADLINE_EXCEEDED,
                "the request's deadline had passed before it could be sent",
                field="deadline",
            )
        return min(remaining_s, limit_s)
