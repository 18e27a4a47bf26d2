"""What an instance said when a call failed, in words that are meant for the caller.

Callers know engines and components. The version-pinned twin that serves a release is
Tidegate's own affair, so its name must not reach them.
"""

from __future__ import annotations

from control_plane.core.catalogue import Release
from control_plane.core.outcomes import MEANINGS, CallFailure, Ending
from control_plane.errors import ControlPlaneError, ErrorCode


def explain(
    failure: CallFailure,
    ending: Ending,
    *,
    subject: str,
    instance: str,
    release: Release | None,
) -> ControlPlaneError:
    """The error to raise for a call that brought no answer, and ended so.

    subject: who was asked, such as ``engine 'damage'``.
    release: whose twin may be named in the instance's words; None for a component.
    """
    code = MEANINGS[ending].code or ErrorCode.INTERNAL
    message = own_words(failure.message, release)
    if ending in (Ending.SLOW, Ending.DEADLINE):
        message = f"{subject} did not answer in time"
    elif ending is Ending.UNREACHABLE:
        message = f"instance {instance!r} cannot be reached: {message}"
    return ControlPlaneError(code, message or f"{subject} failed ({failure.status})")


def own_words(said: str, release: Release | None) -> str:
    """What an instance said, with the engine's name where it named the release's twin."""
    if release is None:
        return said
    # Triton puts the twin's name before what a step of it said.
    said = said.removeprefix(f"in ensemble '{release.model_name}', ")
    return said.replace(release.model_name, release.engine)
