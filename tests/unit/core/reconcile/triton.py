"""A Triton as far as the reconciler is concerned, with all that it does wrong silently."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from control_plane.core.catalogue import Release
from control_plane.core.loading import LoadTwin, LoadVersions, Observation
from control_plane.core.mending import UnloadComponent, UnloadTwin
from control_plane.core.reconcile import Action, NarrowVersions, Prove, ReleaseKey, key_of


class Refused(Exception):
    """It has answered with an error."""


class Away(Exception):
    """It has not answered."""


class SimulatedTriton:
    """One server. repository: the versions that lie in the folder of each model."""

    def __init__(self, repository: Mapping[str, Collection[int]]) -> None:
        self.repository = repository
        self.missing: set[tuple[str, int]] = set()
        self.wrong: set[ReleaseKey] = set()
        self.is_up = True
        self._loaded: dict[str, frozenset[int]] = {}
        self._twins: dict[str, Mapping[str, int]] = {}

    def kill(self) -> None:
        """Everything is forgotten."""
        self.is_up = False
        self._loaded, self._twins = {}, {}

    def observe(self) -> Observation | None:
        return self.seen() if self.is_up else None

    def seen(self) -> Observation:
        """A twin whose component has gone is down, and comes back with it."""
        twins = {
            name: pins
            for name, pins in self._twins.items()
            if all(version in self._loaded.get(model, ()) for model, version in pins.items())
        }
        return Observation(dict(self._loaded), twins)

    def run(self, action: Action) -> None:
        """Raises Away, Refused."""
        if not self.is_up:
            raise Away
        match action:
            case LoadVersions(model, versions) | NarrowVersions(model, versions):
                self._load(model, versions)
            case LoadTwin(release):
                self._load_twin(release)
            case UnloadTwin(release):
                self._twins.pop(release.model_name, None)
            case UnloadComponent(model):
                self._loaded.pop(model, None)
            case Prove(release):
                if not self.seen().is_serving(release) or key_of(release) in self.wrong:
                    raise Refused("wrong answer")

    def _load(self, model: str, versions: Collection[int]) -> None:
        """A version that is missing is skipped in silence, unless nothing is left."""
        found = frozenset(
            version
            for version in versions
            if version in self.repository[model]
            and ((model, version) not in self.missing or version in self._loaded.get(model, ()))
        )
        if not found:
            raise Refused(f"{model} has none of {versions}")
        self._loaded[model] = found

    def _load_twin(self, release: Release) -> None:
        for model, version in release.pins.items():
            if version not in self._loaded.get(model, ()):
                raise Refused(f"required version {version} of {model} is not loaded")
        self._twins[release.model_name] = release.pins
