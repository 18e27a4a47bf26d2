"""An ensemble walked by hand: what a component is given on the engine's golden input, and what
the engine would answer if the component answered this.

The other steps are asked one by one on a live instance, at the versions that a release pins, with
the tensors that the ensemble's maps hand on. As the ensemble, it asks only for what is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from control_plane.core.answers import Tensors
from control_plane.core.catalogue import PHOTO_INPUT, ModelSpec, Release
from control_plane.core.detections import Priority
from control_plane.core.golden import Golden
from control_plane.core.tensors import Array
from control_plane.core.wire import target_suffix
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.kserve import read_outputs, write_request
from control_plane.ports import CallFailed, InferenceCalls


def golden_tensors(golden: Golden) -> dict[str, Array]:
    """What an engine is asked to prove itself, as tensors with their batch dimension."""
    if golden.photo is None:
        return dict(golden.inputs)
    photo = np.empty((1, 1), dtype=np.object_)
    photo[0, 0] = golden.photo
    return {PHOTO_INPUT: photo}


class Walk:
    """One walk through an ensemble, around one of its components.

    spec: the ensemble. release: what its steps are pinned to. instances: those that serve it.
    """

    def __init__(
        self,
        spec: ModelSpec,
        component: str,
        release: Release,
        instances: Iterable[InferenceCalls],
        *,
        golden: Golden,
        timeout_s: float,
    ) -> None:
        self._steps: list[Mapping[str, Any]] = list(spec.config["ensemble_scheduling"]["step"])
        self._outputs = [output["name"] for output in spec.config.get("output", ())]
        self._component = component
        self._step = next(each for each in self._steps if each["model_name"] == component)
        self._known = golden_tensors(golden)
        self._release = release
        self._instances = list(instances)
        self._timeout_s = timeout_s

    async def inputs(self) -> Tensors:
        """What the component is given, by its own names, batch dimension included.

        Raises ControlPlaneError: RELEASE_NOT_READY without an instance to ask, what the
        instances said when none of them could answer, CONFIGURATION for an ensemble in which no
        step leads there.
        """
        wanted: Mapping[str, str] = self._step.get("input_map", {})
        await self._make_all(wanted.values())
        return {name: self._known[tensor] for name, tensor in wanted.items()}

    async def answer(self, given: Tensors) -> Tensors:
        """The engine's outputs where the component's are ``given``. Raises as ``inputs``."""
        for name, tensor in self._step.get("output_map", {}).items():
            if name in given:
                self._known[tensor] = given[name]
        await self._make_all(self._outputs)
        return {name: self._known[name] for name in self._outputs}

    async def _make_all(self, tensors: Iterable[str]) -> None:
        wanted = list(tensors)
        # Each turn adds a tensor or raises.
        while missing := [name for name in wanted if name not in self._known]:
            await self._make(missing[0])

    async def _make(self, tensor: str) -> None:
        """Adds a tensor, or first one that the step which makes it needs."""
        path: list[str] = []
        while tensor not in path:
            path.append(tensor)
            step = self._maker(tensor)
            if step is None or step is self._step:
                break
            inputs: Mapping[str, str] = step.get("input_map", {})
            missing = [name for name in inputs.values() if name not in self._known]
            if not missing:
                given = {name: self._known[source] for name, source in inputs.items()}
                self._known.update(await self._ask(step, given))
                return
            tensor = missing[0]
        raise ControlPlaneError(
            ErrorCode.CONFIGURATION,
            f"no steps of ensemble {self._release.engine!r} lead from its golden input to "
            f"{path[0]!r}, around {self._component!r}",
        )

    def _maker(self, tensor: str) -> Mapping[str, Any] | None:
        return next(
            (step for step in self._steps if tensor in step.get("output_map", {}).values()), None
        )

    async def _ask(self, step: Mapping[str, Any], inputs: Tensors) -> dict[str, Array]:
        """The ensemble's tensors that a step makes. The first instance that answers decides."""
        model, outputs = step["model_name"], step["output_map"]
        version = str(self._release.pins[model])
        message = write_request(inputs, priority=Priority.NORMAL, outputs=outputs)
        message += target_suffix(model, version)
        said = ""
        for calls in self._instances:
            try:
                answer = await calls.infer(message, timeout_s=self._timeout_s)
            except CallFailed as failed:
                said = said or f"{failed.failure.status}: {failed.failure.message}"
                continue
            found = read_outputs(answer)
            absent = sorted(outputs.keys() - found.keys())
            if absent:
                raise ControlPlaneError(
                    ErrorCode.BACKEND_FAULT,
                    f"{model} {version} was asked for {', '.join(absent)} and did not answer it",
                )
            return {tensor: found[name] for name, tensor in outputs.items()}
        if said:
            raise ControlPlaneError(
                ErrorCode.BACKEND_UNAVAILABLE,
                f"the golden input comes to a halt, {model} {version} does not answer: "
                f"{said[:300]}",
            )
        raise ControlPlaneError(
            ErrorCode.RELEASE_NOT_READY,
            f"the golden input cannot be prepared: no instance serves release "
            f"{self._release.version} of {self._release.engine!r} now",
            retry_after_s=5.0,
        )
