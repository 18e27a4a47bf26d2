"""Probing: asking an instance what an engine's golden input should bring, past the balancer.

What comes back is judged here and nothing follows from it: health and mender decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from control_plane.core.catalogue import Release
from control_plane.core.detections import Priority
from control_plane.core.golden import Differs, Golden, compare_answer
from control_plane.core.health import ProbeResult
from control_plane.core.outcomes import Ending, classify, names_dead_process
from control_plane.core.wire import target_suffix
from control_plane.errors import ControlPlaneError
from control_plane.kserve import read_outputs, read_tensors, write_photo_request, write_request
from control_plane.ports import CallFailed, Clock
from control_plane.services.instance import Instance

REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class ProbeTimes:
    """timeout_s: after which it has failed; by_engine: exceptions.

    slow_s: after which a right answer is a slow one.
    """

    timeout_s: float = 2.5
    slow_s: float = 1.0
    by_engine: Mapping[str, float] = field(default_factory=dict)

    def timeout_of_s(self, engine: str) -> float:
        return self.by_engine.get(engine, self.timeout_s)


@dataclass(frozen=True, slots=True)
class Probed:
    """How a probe ended, and for a person why it is not ok."""

    result: ProbeResult
    reason: str = ""


class Prober:
    """Knows the golden inputs, and asks them."""

    def __init__(self, goldens: Mapping[str, Golden], *, times: ProbeTimes, clock: Clock) -> None:
        self._goldens = goldens
        # Ahead of the callers' requests: under load a probe must not wait for their queue.
        self._messages = {
            engine: write_request(golden.inputs, priority=Priority.HIGH)
            if golden.photo is None
            else write_photo_request(golden.photo, request_id="probe", priority=Priority.HIGH)
            for engine, golden in goldens.items()
        }
        self._times = times
        self._clock = clock

    @property
    def engines(self) -> frozenset[str]:
        """The engines that have a golden input."""
        return frozenset(self._goldens)

    async def probe(self, instance: Instance, release: Release, *, inferences: int) -> Probed:
        """A row of inferences, one after the other until one is no proof, which decides.

        One after the other, because side by side Triton may make one batch of them, and ask
        one of a model's processes only.
        """
        probed = Probed(ProbeResult.OK)
        for _ in range(inferences):
            latest = await self._infer(instance, release)
            if not latest.result.is_proof:
                return latest
            if latest.result is ProbeResult.SLOW:
                probed = latest
        return probed

    async def _infer(self, instance: Instance, release: Release) -> Probed:
        target = target_suffix(release.model_name, release.model_version)
        started_s = self._clock.now_s()
        try:
            answer = await instance.calls.infer(
                self._messages[release.engine] + target,
                timeout_s=self._times.timeout_of_s(release.engine),
            )
            difference = await asyncio.to_thread(self._difference, answer, release)
        except CallFailed as failed:
            return self._failed(failed, instance, release, started_s)
        except ControlPlaneError as error:
            return Probed(ProbeResult.WRONG_ANSWER, error.message[:REASON_LENGTH])
        if difference:
            return Probed(ProbeResult.WRONG_ANSWER, difference[:REASON_LENGTH])
        took_s = self._clock.now_s() - started_s
        if took_s > self._times.slow_s:
            return Probed(ProbeResult.SLOW, f"it took {took_s:.2f} s")
        return Probed(ProbeResult.OK)

    def _difference(self, message: bytes, release: Release) -> str:
        """What is wrong with an answer; "" when nothing is."""
        golden = self._goldens[release.engine]
        is_photo = golden.photo is not None  # of one photo, what is compared is without the batch
        given = read_tensors(message) if is_photo else read_outputs(message)
        stored = golden.answers.get(release.version)
        if stored is None:
            return ""
        if is_photo:
            stored = {name: tensor[0] for name, tensor in stored.items()}
        compared = compare_answer(given, stored, golden.tolerance)
        return compared.reason if isinstance(compared, Differs) else ""

    def _failed(
        self, failed: CallFailed, instance: Instance, release: Release, started_s: float
    ) -> Probed:
        """An instance that is full, or that answers others meanwhile, is busy and not at fault."""
        reason = f"{failed.failure.status}: {failed.failure.message}"[:REASON_LENGTH]
        if names_dead_process(failed.failure, release.pins):
            return Probed(ProbeResult.DEAD, reason)
        ending = classify(failed.failure, is_cut_short=False)
        if ending is Ending.NOT_READY_HERE:
            instance.look_again.set()
        answers_others = (
            instance.answered_at_s.get((release.engine, release.version), float("-inf"))
            >= started_s
        )
        is_busy = ending is Ending.OVERLOAD or (ending is Ending.SLOW and answers_others)
        return Probed(ProbeResult.BUSY if is_busy else ProbeResult.FAILED, reason)
