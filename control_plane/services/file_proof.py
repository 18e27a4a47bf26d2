"""Trying a file that is to become a component's next version: alone, and within its engine.

    golden input ─► earlier steps, on an instance ─► the file, in a process of its own
                                                       later steps ◄──┘  ─► the engine's answer

Nothing is written here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from control_plane.core.answers import Tensors
from control_plane.core.catalogue import Engine, ModelSpec, Release, make_release
from control_plane.core.golden import Golden
from control_plane.core.registering import Moving
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import InferenceCalls, OnnxChecker
from control_plane.services.catalogue import Catalogue
from control_plane.services.golden_walk import Walk, golden_tensors


@dataclass(frozen=True, slots=True)
class Proof:
    """How a file was tried.

    is_given: whether it has run the golden input. answer: what the engine would answer with it;
        empty where that cannot be said now.
    """

    is_given: bool = False
    answer: Tensors = field(default_factory=dict)


class FileProver:
    """Tries files.

    serving: the instances that serve a release now, for the other steps of its engine.
    stable: an engine's stable release now.
    max_bytes: of a file. step_timeout_s: for each of the other steps.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        checker: OnnxChecker,
        *,
        serving: Callable[[Release], Iterable[InferenceCalls]],
        stable: Callable[[str], str],
        max_bytes: int = 512 * 1024 * 1024,
        step_timeout_s: float = 10.0,
    ) -> None:
        self._catalogue = catalogue
        self._checker = checker
        self._serving = serving
        self._stable = stable
        self._step_timeout_s = step_timeout_s
        self.max_bytes = max_bytes

    async def prove(self, engine: Engine, moving: Moving, onnx: Path) -> Proof:
        """Raises ControlPlaneError: MESSAGE_TOO_LARGE, and as OnnxChecker and Walk do."""
        size = (await asyncio.to_thread(onnx.stat)).st_size
        if size > self.max_bytes:
            raise ControlPlaneError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"the ONNX file has {size} bytes; the limit is {self.max_bytes}",
                field="onnx",
            )
        golden = self._catalogue.goldens.get(engine.name)
        if golden is None:
            await self._checker.check(onnx, moving.model.config, None)
            return Proof()
        spec = self._catalogue.specs[engine.name]
        if spec.is_ensemble:
            return await self._prove_within(spec, engine, golden, moving, onnx)
        answer = await self._checker.check(onnx, moving.model.config, golden_tensors(golden))
        return Proof(is_given=True, answer=answer)

    async def _prove_within(
        self, spec: ModelSpec, engine: Engine, golden: Golden, moving: Moving, onnx: Path
    ) -> Proof:
        """Among the steps of an ensemble, at the pins of its stable release."""
        name, stable = moving.model.name, engine.releases[self._stable(engine.name)]
        walk = Walk(
            spec,
            name,
            stable,
            self._serving(stable),
            golden=golden,
            timeout_s=self._step_timeout_s,
        )
        outputs = await self._checker.check(onnx, moving.model.config, await walk.inputs())
        will_run = make_release(spec, self._catalogue.specs, "", {name: stable.pins[name]})
        if will_run.pins != stable.pins:
            return Proof(is_given=True)  # the release runs other steps than were asked
        return Proof(is_given=True, answer=await walk.answer(outputs))
