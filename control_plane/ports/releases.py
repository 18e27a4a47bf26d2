"""Where models and releases are kept, and who tries a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from control_plane.core.answers import Tensors
from control_plane.core.catalogue import Config, Engine, ModelSpec, Release
from control_plane.core.golden import Golden
from control_plane.core.registered import Registered, ReleaseRecord


@dataclass(frozen=True, slots=True)
class RepositoryContent:
    """What lies in the model repository.

    specs: every model. declared: the ``engines`` mapping of ``releases.yaml``.
    """

    specs: Mapping[str, ModelSpec]
    declared: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class AddedVersion:
    """A version folder that was put into the repository. sha256: of its file, in hexadecimal."""

    number: int
    sha256: str


class ModelStore(Protocol):
    """The model repository. Raises ConfigurationError for what is wrong in it."""

    async def read(self) -> RepositoryContent: ...

    async def goldens(
        self, engines: Mapping[str, Engine], declared: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Golden]:
        """The golden inputs and answers of these engines; the same value while no file changes."""
        ...

    async def add_version(
        self, model: str, onnx: Path, *, filename: str, above: int
    ) -> AddedVersion:
        """Puts a file in as the model's next version, greater than ``above``: whole or not at all.

        An existing version is never written to, and two at once get different numbers.
        """
        ...

    async def add_golden(self, engine: str, release: str, answer: Tensors) -> None:
        """Keeps what a release answers its engine's golden input, batch dimension included.

        An answer that is there stays: somebody has looked at it.
        """
        ...


class RegistryUnavailable(Exception):
    """The registry does not answer, or not in time; the words say why. It may come back."""


class ReleaseRegistry(Protocol):
    """The releases that were registered. Raises RegistryUnavailable, all of it."""

    async def read(self) -> Registered:
        """All records; of several of one release the oldest first."""
        ...

    async def add(self, record: ReleaseRecord, onnx: Path | None) -> None:
        """Writes a release down, with its file if it came with one.

        Raises ControlPlaneError(CONFLICT) where the engine has a release of that precedence
        already: what is written down is never overwritten, by two at once neither.
        """
        ...

    async def candidates(self) -> Mapping[str, str]:
        """The release that somebody wants each engine to be moved to, where there is one."""
        ...

    async def mark(
        self, engine: str, *, stable: Release, canary: Release | None, taken: str | None = None
    ) -> None:
        """Shows there which releases are stable and canary now; cheap when they are shown already.

        taken: the candidate that a rollout was started for; it is no candidate any more then.
        """
        ...


class OnnxChecker(Protocol):
    """Tries an ONNX file where it can do no harm."""

    async def check(self, onnx: Path, config: Config, inputs: Tensors | None) -> Tensors:
        """Its outputs on these inputs; none if there are no inputs.

        config: of the model that it is to be a version of. inputs: batch dimension included.

        Raises InvalidArgument when it cannot be served, saying why; ConfigurationError when
        nothing here could try it.
        """
        ...
