"""The words in which the photo behind a URL is refused.

A URL is never a part of them: it may hold a signature or a name that is nobody's business.
"""

from __future__ import annotations

from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument


def malformed(what: str) -> InvalidArgument:
    return InvalidArgument(f"photo_url {what}", field="photo_url")


def forbidden(message: str) -> ControlPlaneError:
    return ControlPlaneError(ErrorCode.PHOTO_FORBIDDEN, message, field="photo_url")


def switched_off(scheme: str, setting: str, opens: str) -> ControlPlaneError:
    return forbidden(f"photos by {scheme}:// are switched off; {setting} opens {opens}")


def not_found(message: str) -> ControlPlaneError:
    return ControlPlaneError(ErrorCode.PHOTO_NOT_FOUND, message, field="photo_url")


def unavailable(message: str) -> ControlPlaneError:
    return ControlPlaneError(ErrorCode.PHOTO_UNAVAILABLE, message, field="photo_url")


def too_large(size: int, limit: int) -> ControlPlaneError:
    """size: what is known of it, which may be only the beginning."""
    return ControlPlaneError(
        ErrorCode.PHOTO_TOO_LARGE,
        f"the photo behind photo_url has {size} bytes or more; the limit is {limit}",
        field="photo_url",
    )
