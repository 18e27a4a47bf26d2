"""The engines, their releases, models and golden inputs, as they are now.

What people declared is read with the models; what was registered is asked of the registry. Both
may be wrong or away at any time, and serving must not notice: a reading that fails leaves
everything as it was and is remembered (``complaints``), and a release that the stored state names
stays as it was whatever became of it.

Its mappings are views: they show the latest reading to whoever was handed them at the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import structlog

from control_plane.core.catalogue import Engine, ModelSpec, Release, build_engines
from control_plane.core.golden import Golden
from control_plane.core.registered import (
    Registered,
    add_registered,
    files_complaints,
    keep_in_use,
    releases_in_use,
)
from control_plane.core.state import State
from control_plane.errors import ConfigurationError
from control_plane.ports import (
    ModelStore,
    RegistryUnavailable,
    ReleaseRegistry,
    RepositoryContent,
)

log = structlog.get_logger(__name__)

Value = TypeVar("Value")


class Current(Mapping[str, Value], Generic[Value]):
    """A mapping that is another one after each change. One look at it sees one of them."""

    def __init__(self, now: Callable[[], Mapping[str, Value]]) -> None:
        self._now = now

    def __getitem__(self, name: str) -> Value:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading, whole."""

    engines: Mapping[str, Engine] = field(default_factory=dict)
    specs: Mapping[str, ModelSpec] = field(default_factory=dict)
    goldens: Mapping[str, Golden] = field(default_factory=dict)
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def is_like(self, other: Reading) -> bool:
        """A golden is the same value as long as no file has changed (ModelStore)."""
        return (
            self.engines == other.engines
            and self.specs == other.specs
            and self.goldens.keys() == other.goldens.keys()
            and all(golden is other.goldens[name] for name, golden in self.goldens.items())
            and self.declared == other.declared
        )


class Catalogue:
    """What is known of engines and releases.

    state: what is stored now; the releases that it names are in use.
    adjust: makes of a model as it lies there the one that is loaded.
    """

    def __init__(
        self,
        models: ModelStore,
        registry: ReleaseRegistry,
        *,
        state: Callable[[], State] = State,
        adjust: Callable[[ModelSpec], ModelSpec] = lambda spec: spec,
    ) -> None:
        self._models = models
        self._registry = registry
        self._state = state
        self._adjust = adjust
        self._reading = Reading()
        self._registered = Registered()
        self._lock = asyncio.Lock()
        self._has_changed = asyncio.Condition()
        self._said: tuple[str, ...] = ()
        self._registry_trouble = ""
        self.generation = 0
        self.engines: Mapping[str, Engine] = Current(lambda: self._reading.engines)
        self.specs: Mapping[str, ModelSpec] = Current(lambda: self._reading.specs)
        self.goldens: Mapping[str, Golden] = Current(lambda: self._reading.goldens)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What was wrong at the latest reading, each in a sentence; none if all was well."""
        return self._said

    @property
    def registry_trouble(self) -> str:
        """Why the registry did not answer at the latest reading, "" if it did."""
        return self._registry_trouble

    @property
    def declared(self) -> Mapping[str, Mapping[str, Any]]:
        """The ``engines`` of releases.yaml."""
        return self._reading.declared

    def releases(self) -> tuple[Release, ...]:
        """Every release of every engine."""
        return tuple(
            release
            for engine in self._reading.engines.values()
            for release in engine.releases.values()
        )

    def pins(self) -> tuple[Mapping[str, int], ...]:
        """What each release pins, and each record, those that are left out too."""
        found = self._registered
        recorded = (record.pins for record in (*found.records, *found.files))
        return (*(release.pins for release in self.releases()), *recorded)

    async def load(self) -> None:
        """The first reading. Raises ConfigurationError; a registry that is away is no error."""
        async with self._lock:
            content = await self._models.read()
            said = await self._ask_registry()
            await self._take(content, said)

    async def refresh(self) -> bool:
        """Reads again; whether anything has changed. Raises nothing: see ``complaints``."""
        async with self._lock:
            before = self.generation
            said = await self._ask_registry()
            try:
                await self._take(await self._models.read(), said)
            except ConfigurationError as error:
                self._say((*said, f"{error.message}; all stays as it was"))
            return self.generation != before

    async def changed(self, since: int) -> int:
        """The generation, once it is another one than ``since``."""
        async with self._has_changed:
            await self._has_changed.wait_for(lambda: self.generation != since)
            return self.generation

    async def _ask_registry(self) -> tuple[str, ...]:
        try:
            self._registered = await self._registry.read()
        except RegistryUnavailable as error:
            self._registry_trouble = str(error)
            return (f"{error}; what it said before still holds",)
        self._registry_trouble = ""
        return self._registered.complaints

    async def _take(self, content: RepositoryContent, said: tuple[str, ...]) -> None:
        """Makes a reading of it, and takes it. Raises ConfigurationError, and takes nothing."""
        specs, frozen = self._specs_of(content)
        engines = build_engines(specs, content.declared)
        joined, left_out = add_registered(engines, specs, self._registered.records)
        in_use = releases_in_use(self._state(), self._reading.engines)
        with_lost, lost = self._with_lost_engines(joined, specs, in_use)
        kept, differences = keep_in_use(with_lost, specs, in_use)
        # The first reading is before the store's, and does not know what is in use.
        vanished = files_complaints(kept, self._registered.files) if self.generation else ()
        found = await self._models.goldens(kept, content.declared)
        goldens, held = self._goldens_of(found)
        reading = Reading(kept, specs, goldens, content.declared)
        self._say((*said, *frozen, *left_out, *vanished, *lost, *differences, *held))
        if not reading.is_like(self._reading):
            self._reading = reading
            self.generation += 1
            async with self._has_changed:
                self._has_changed.notify_all()

    def _specs_of(self, content: RepositoryContent) -> tuple[dict[str, ModelSpec], list[str]]:
        """The models, each with the configuration that it was first read with.

        Sent anew, a configuration that somebody has edited meanwhile would have Triton reload
        every version of the model, those that serve too, at the next step of a rollout.
        """
        specs, said = {}, []
        for name, there in content.specs.items():
            spec, known = self._adjust(there), self._reading.specs.get(name)
            if known is not None and known.config != spec.config:
                said.append(
                    f"the configuration of {name!r} has changed in the repository; "
                    f"it is taken at the next start"
                )
                spec = replace(spec, config=known.config)
            specs[name] = spec
        return specs, said

    def _goldens_of(self, found: Mapping[str, Golden]) -> tuple[dict[str, Golden], list[str]]:
        """New answers count at once; who is asked what is as it was first read.

        Which engines have to prove themselves is known to every part that judges them, and an
        answer belongs to its question.
        """
        if self.generation == 0:
            return dict(found), []
        goldens, said = dict(self._reading.goldens), []
        for name in sorted(goldens.keys() | found.keys()):
            known, there = goldens.get(name), found.get(name)
            if known is not None and there is not None and _is_same_input(known, there):
                goldens[name] = there
            else:
                said.append(
                    f"the golden input of {name!r} has changed; it is taken at the next start"
                )
        return goldens, said

    def _with_lost_engines(
        self,
        engines: dict[str, Engine],
        specs: dict[str, ModelSpec],
        in_use: tuple[Release, ...],
    ) -> tuple[dict[str, Engine], list[str]]:
        """Engines in use whose models are gone stay as they were, with their models."""
        said = []
        for name in sorted({release.engine for release in in_use} - engines.keys()):
            known = self._reading.engines.get(name)
            if known is not None:
                engines[name] = known
                for release in known.releases.values():
                    for model in (name, *release.pins):
                        specs.setdefault(model, self._reading.specs[model])
                said.append(
                    f"engine {name!r} is in use, but not in the repository any more; "
                    f"it is kept as it was"
                )
        return engines, said

    def _say(self, complaints: tuple[str, ...]) -> None:
        """Remembers what is wrong, and logs what was not wrong before."""
        for complaint in complaints:
            if complaint not in self._said:
                log.warning("the catalogue of releases is not as it should be", reason=complaint)
        self._said = complaints


def _is_same_input(one: Golden, other: Golden) -> bool:
    return (
        one.photo == other.photo
        and one.inputs.keys() == other.inputs.keys()
        and all(np.array_equal(array, other.inputs[name]) for name, array in one.inputs.items())
    )
