"""Every way Tidegate says no, told apart by whose fault it is.

One tree: :class:`ControlPlaneError` carries an :class:`ErrorCode`, and everything else
(an HTTP status, a gRPC status, an exit status, whether a retry may help) follows from
the code, in one total table at each edge. This module knows no protocol.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """What went wrong, as callers see it in ``code``."""

    # The caller's mistakes: the same request will be refused again.
    INVALID_ARGUMENT = "invalid_argument"
    PHOTO_INVALID = "photo_invalid"
    PHOTO_TOO_LARGE = "photo_too_large"
    PHOTO_FORBIDDEN = "photo_forbidden"
    PHOTO_NOT_FOUND = "photo_not_found"
    MESSAGE_TOO_LARGE = "message_too_large"
    UNKNOWN_ENGINE = "unknown_engine"
    UNKNOWN_RELEASE = "unknown_release"
    NOT_FOUND = "not_found"
    PERMISSION_DENIED = "permission_denied"
    UNIMPLEMENTED = "unimplemented"
    CONFLICT = "conflict"
    # Nobody's fault, or the fleet's: later, or elsewhere, it may work.
    RELEASE_NOT_READY = "release_not_ready"
    OVERLOADED = "overloaded"
    BACKEND_UNAVAILABLE = "backend_unavailable"
    BACKEND_FAULT = "backend_fault"
    SHUTTING_DOWN = "shutting_down"
    STORE_UNAVAILABLE = "store_unavailable"
    QUEUE_UNAVAILABLE = "queue_unavailable"
    PHOTO_UNAVAILABLE = "photo_unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CANCELLED = "cancelled"
    # Ours.
    CONFIGURATION = "configuration"
    INTERNAL = "internal"


CALLER_MISTAKES = frozenset(
    {
        ErrorCode.INVALID_ARGUMENT,
        ErrorCode.PHOTO_INVALID,
        ErrorCode.PHOTO_TOO_LARGE,
        ErrorCode.PHOTO_FORBIDDEN,
        ErrorCode.PHOTO_NOT_FOUND,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.UNKNOWN_ENGINE,
        ErrorCode.UNKNOWN_RELEASE,
        ErrorCode.NOT_FOUND,
        ErrorCode.PERMISSION_DENIED,
        ErrorCode.UNIMPLEMENTED,
        ErrorCode.CONFLICT,
    }
)

RETRYABLE = frozenset(
    {
        ErrorCode.RELEASE_NOT_READY,
        ErrorCode.OVERLOADED,
        ErrorCode.BACKEND_UNAVAILABLE,
        ErrorCode.BACKEND_FAULT,
        ErrorCode.SHUTTING_DOWN,
        ErrorCode.STORE_UNAVAILABLE,
        ErrorCode.QUEUE_UNAVAILABLE,
        ErrorCode.PHOTO_UNAVAILABLE,
    }
)


class ControlPlaneError(Exception):
    """A refusal or failure with a code.

    message: one sentence for a person; it names the field and the limit where there is one.
    field: the input at fault, as the caller spelled it (``photo_url``, ``detection_types[1]``).
    retry_after_s: when trying again makes sense, for overload and open circuits.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s

    @property
    def is_callers_mistake(self) -> bool:
        return self.code in CALLER_MISTAKES

    @property
    def is_retryable(self) -> bool:
        return self.code in RETRYABLE

    def __repr__(self) -> str:
        where = f" field={self.field}" if self.field else ""
        return f"<{type(self).__name__} {self.code}{where}: {self.message}>"


class InvalidArgument(ControlPlaneError):
    """The caller sent something that can never work."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(ErrorCode.INVALID_ARGUMENT, message, field=field)


class ConfigurationError(ControlPlaneError):
    """The settings, the model repository or this machine do not allow what was asked."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(ErrorCode.CONFIGURATION, message, field=field)
