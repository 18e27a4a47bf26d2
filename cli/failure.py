"""How the command line says no: one line on standard error, and exit status 1."""

from __future__ import annotations

import sys

UNREACHABLE = "unreachable"
TYPED = "request_id"
"""A field of the API that nobody filled in here: the id was an argument."""


class Refused(Exception):
    """What was asked cannot be done, for a reason that a person can act on.

    message: one sentence, with the field and the limit where there is one.
    code: the control plane's ErrorCode, or ``unreachable``, or the command line's own.
    hint: what to try, in a few words.
    request_id: of the job that is kept all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "failed",
        field: str | None = None,
        hint: str | None = None,
        correlation_id: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field
        self.hint = hint
        self.correlation_id = correlation_id
        self.request_id = request_id

    def line(self) -> str:
        """The whole refusal on one line."""
        parts = [self.message]
        if self.field and self.field != TYPED and self.field not in self.message:
            parts.insert(0, f"{self.field}:")
        if self.hint:
            parts.append(f"({self.hint})")
        if self.correlation_id:
            parts.append(f"[correlation id {self.correlation_id}]")
        return " ".join(" ".join(parts).split())

    def as_json(self) -> dict[str, object]:
        """The refusal as ``--json`` prints it, without what is not known."""
        known = {
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "hint": self.hint,
            "correlation_id": self.correlation_id,
            "request_id": self.request_id,
        }
        return {key: value for key, value in known.items() if value is not None}


def complain(line: str) -> None:
    """Writes one line of trouble to standard error."""
    from control_plane.core.printable import printable

    # Not print(): a terminal that cannot show a character must not hide the message.
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(f"tidegate: {printable(line)}\n".encode(encoding, "replace").decode(encoding))
    sys.stderr.flush()
