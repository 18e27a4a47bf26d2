"""Mending: what fails on an instance that calls itself ready is loaded anew, without a person.

    begin: which engine fails here? may it be mended now? (ledger) what is to be done? (plan_mend)
    mend:  take out ─► unload ─► load ─► prove by the golden input ─► bring back

Whatever goes wrong on the way, the engine stays out, the ledger books a failed mend, and what
is left unloaded is loaded by the instance's watch as after a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random

import structlog

from control_plane.core.catalogue import ModelSpec, Release
from control_plane.core.health import Fitness, IllegalEvent, ProbeResult
from control_plane.core.health.states import HELD_BACK
from control_plane.core.loading import LoadTwin, LoadVersions
from control_plane.core.mend_ledger import GivenUp, MayMend, MendLedger
from control_plane.core.mending import (
    BringBack,
    EngineThere,
    MendAction,
    MendPlan,
    Probe,
    Soundness,
    TakeOut,
    UnloadComponent,
    UnloadTwin,
    plan_mend,
)
from control_plane.ports import CallFailed, Clock, ModelControl
from control_plane.services.fleet import Fleet
from control_plane.services.instance import label
from control_plane.services.loading import change_models
from control_plane.services.probing import Prober

log = structlog.get_logger(__name__)

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class MendTimes:
    """drain_s: how long requests in flight may take to end; load_s: one load or unload.

    proofs: inferences that prove a mended engine.
    """

    drain_s: float
    load_s: float
    proofs: int = 6


class NotMended(Exception):
    """A mend that did not help.

    served: the release that is still not well, where it is one; is_wrong: it answers wrongly.
    """

    def __init__(self, reason: str, served: str | None = None, *, is_wrong: bool = False) -> None:
        super().__init__(reason)
        self.served = served
        self.is_wrong = is_wrong


class Mender:
    """The mends of the whole fleet. It is asked by each instance's watch, and works for it."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        prober: Prober,
        ledger: MendLedger,
        specs: Mapping[str, ModelSpec],
        times: MendTimes,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._fleet = fleet
        self._prober = prober
        self._ledger = ledger
        self._specs = specs
        self._times = times
        self._clock = clock
        self._rng = rng

    @property
    def under_way(self) -> Mapping[str, str]:
        """Engine to the instance where it is being mended."""
        return self._ledger.under_way

    def heal(self, name: str) -> None:
        """An operator says that an instance is well: what was given up there may be mended."""
        self._ledger.heal(name)

    def begin(self, name: str, releases: Iterable[Release]) -> MendPlan | None:
        """The mend to be run on an instance now, booked; None when there is none, or may be none.

        releases: all that are wanted there; each is judged and mended by itself. One that may
        not be mended any more is given up by the way.
        """
        now_s = self._clock.now_s()
        here = self._engines_there(name, releases)
        permissions = {
            engine: self._ledger.may_mend(engine, name, now_s)
            for engine, there in here.items()
            if there.soundness is not Soundness.SOUND
        }
        for engine, permission in permissions.items():
            if isinstance(permission, GivenUp) and here[engine].soundness is Soundness.FAILING:
                self._fleet.give_up(name, engine, permission.reason)
                del here[engine]  # else the mend of another could draw it in
        for engine, permission in permissions.items():
            if not isinstance(permission, MayMend):
                continue
            plan = plan_mend(engine, here, attempt=permission.attempt)
            if isinstance(plan, MendPlan) and not self._is_elsewhere(plan):
                self._ledger.started(engine, name, now_s, neighbours=plan.engines[1:])
                return plan
        return None

    def _is_elsewhere(self, plan: MendPlan) -> bool:
        """Whether an engine of the plan is out of another instance for a mend already."""
        return not self._ledger.under_way.keys().isdisjoint(plan.engines)

    async def mend(self, name: str, control: ModelControl, plan: MendPlan) -> None:
        """Run what was begun. However it ends, fleet and ledger know; it raises nothing."""
        mending = log.bind(instance=name, engine=plan.engines[0])
        started_s = self._clock.now_s()
        mending.warning("mending", engines=plan.engines)
        try:
            for action in plan.actions:
                self._check_not_held_back(name)
                await self._apply(name, control, action)
        except NotMended as failed:
            self._failed(name, plan, str(failed), culprit=failed.served, is_wrong=failed.is_wrong)
            mending.error("not mended", reason=str(failed))
        except (CallFailed, IllegalEvent) as failed:
            self._failed(name, plan, str(failed))
            mending.error("not mended", reason=str(failed))
        except asyncio.CancelledError:
            self._ledger.stopped(plan.engines[0], name)
            self._stay_out(name, plan, "cut off: this control plane does not lead any more")
            raise
        except Exception as error:  # one instance's oddity must not end the control plane
            self._failed(name, plan, f"unexpected {type(error).__name__}: {error}")
            mending.exception("not mended, unexpectedly")
        else:
            self._ledger.succeeded(plan.engines[0], name, self._clock.now_s(), self._rng)
            mending.warning("mended", took_s=round(self._clock.now_s() - started_s, 3))

    def _engines_there(self, name: str, releases: Iterable[Release]) -> dict[str, EngineThere]:
        """What runs there, and what it is worth. What was given up is in nobody's way."""
        health = self._fleet.health(name)
        there = {}
        for release in releases:
            served = label((release.engine, release.version))
            if health.fitness(served) is not Fitness.GIVEN_UP:
                there[served] = EngineThere(
                    (release,),
                    self._soundness(name, release),
                    health.fitness_reason(served),
                    self._fleet.fit_elsewhere(served, name),
                )
        return there

    def _soundness(self, name: str, release: Release) -> Soundness:
        """Where there is a golden input its probes have the word, else traffic has."""
        served = release.engine, release.version
        if self._fleet.health(name).fitness(label(served)) is Fitness.UNFIT:
            return Soundness.FAILING
        is_probed = release.engine in self._prober.engines
        if is_probed or not self._fleet.is_suspect(name, served):
            return Soundness.SOUND
        return Soundness.SUSPECT

    async def _apply(self, name: str, control: ModelControl, action: MendAction) -> None:
        load_s = self._times.load_s
        match action:
            case TakeOut(served):
                self._fleet.take_out(name, served, "being mended")
                await self._wait_for_requests(name, served)
            case UnloadTwin() | UnloadComponent() | LoadVersions() | LoadTwin():
                await change_models(action, control, self._specs, timeout_s=load_s)
            case Probe(release):
                await self._prove(name, release)
            case BringBack(served):
                self._fleet.bring_back(name, served, "mended, and its golden answer is right")

    def _check_not_held_back(self, name: str) -> None:
        """An operator may be about to stop the Triton."""
        if self._fleet.health(name).state in HELD_BACK:
            raise NotMended("an operator holds the instance back")

    async def _wait_for_requests(self, name: str, served: str) -> None:
        """Those in flight may end; one that hangs must not keep it from being mended."""
        instance = self._fleet.instance(name)
        give_up_s = self._clock.now_s() + self._times.drain_s

        def is_busy() -> bool:
            return any(
                count and label(one) == served for one, count in instance.in_flight_of.items()
            )

        while is_busy() and self._clock.now_s() < give_up_s:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)

    async def _prove(self, name: str, release: Release) -> None:
        if release.engine not in self._prober.engines:
            return
        instance = self._fleet.instance(name)
        probed = await self._prober.probe(instance, release, inferences=self._times.proofs)
        if not probed.result.is_proof:
            raise NotMended(
                f"loaded anew, and its probe: {probed.result}: {probed.reason}",
                label((release.engine, release.version)),
                is_wrong=probed.result is ProbeResult.WRONG_ANSWER,
            )

    def _failed(
        self,
        name: str,
        plan: MendPlan,
        reason: str,
        *,
        culprit: str | None = None,
        is_wrong: bool = False,
    ) -> None:
        now_s = self._clock.now_s()
        self._ledger.failed(plan.engines[0], name, reason, now_s, self._rng, culprit=culprit)
        self._stay_out(name, plan, reason, culprit=culprit, is_wrong=is_wrong)

    def _stay_out(
        self,
        name: str,
        plan: MendPlan,
        reason: str,
        *,
        culprit: str | None = None,
        is_wrong: bool = False,
    ) -> None:
        """What was not brought back before the mend ended."""
        for served in plan.engines:
            if self._fleet.health(name).fitness(served) is Fitness.MENDING:
                is_culprit = served == culprit
                self._fleet.mend_failed(name, served, reason, is_wrong=is_wrong and is_culprit)
