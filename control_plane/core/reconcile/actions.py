"""The actions of the reconciler that ``loading`` and ``mending`` do not have, and their proof.

Every action is idempotent, and names all it needs: whoever runs it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from control_plane.core.catalogue import Release
from control_plane.core.loading import LoadTwin, LoadVersions, Observation
from control_plane.core.mending import UnloadComponent, UnloadTwin


@dataclass(frozen=True, slots=True)
class Prove:
    """Ask for the golden answer of the release there, past the balancer.

    A release without a golden input is proved by serving.
    """

    release: Release


@dataclass(frozen=True, slots=True)
class NarrowVersions:
    """Load a model with these versions only; those that stay are not reloaded by it."""

    model: str
    versions: tuple[int, ...]


Action = LoadVersions | LoadTwin | Prove | UnloadTwin | NarrowVersions | UnloadComponent


def engines_touched(action: Action, known: Iterable[Release]) -> frozenset[str]:
    """The engines whose requests an action may disturb: a component's are all that run it."""
    if isinstance(action, LoadTwin | UnloadTwin | Prove):
        return frozenset({action.release.engine})
    return frozenset(release.engine for release in known if action.model in release.pins)


def takes_away(action: Action, release: Release) -> bool:
    """Whether the release cannot be served any more once the action is done."""
    match action:
        case UnloadTwin(other):
            return other.model_name == release.model_name
        case UnloadComponent(model):
            return model in release.pins
        case NarrowVersions(model, versions) | LoadVersions(model, versions):
            return model in release.pins and release.pins[model] not in versions
        case _:
            return False


def unmet(action: Action, observed: Observation) -> str:
    """What an action that was answered with OK has not done all the same; "" when nothing.

    To be asked with a look from after the action. Triton skips a version that is not in the
    repository and answers OK, and takes a twin down silently with what it pins.
    """
    match action:
        case LoadVersions(model, versions):
            missing = set(versions) - observed.ready_versions.get(model, frozenset())
            return f"{model} {_list(missing)} was loaded and is not ready" if missing else ""
        case LoadTwin(release):
            is_done = observed.has_twin(release)
            return "" if is_done else f"{release.model_name} was loaded and is not ready"
        case UnloadTwin(release):
            is_left = release.model_name in observed.twin_pins
            return f"{release.model_name} was unloaded and is still ready" if is_left else ""
        case NarrowVersions(model, versions):
            ready = observed.ready_versions.get(model, frozenset())
            if wrong := ready.symmetric_difference(versions):
                return f"{model} was narrowed to {_list(versions)}; wrong is {_list(wrong)}"
            return ""
        case UnloadComponent(model):
            left = observed.ready_versions.get(model, frozenset())
            return f"{model} {_list(left)} was unloaded and is still ready" if left else ""
        case _:  # a proof is its own answer
            return ""


def _list(versions: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(versions)))
