"""Bringing the instances to what is desired: what is known of each, and the running of plans.

    facts ──► plan_fleet ──► one piece of work for an instance ──► look again ──► done? ──► facts
                 └─ nothing missing there, something failing? ──► a mend, by the same rules

The decisions are ``core/reconcile`` and ``core/mending``. There is one piece of work on an
instance at a time, and what a look saw counts only if it began after the work before had ended.
A call that was answered with OK and has not done what it says is a failure like any other.

Only the plane that leads works; every other one looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import structlog

from control_plane.core.catalogue import ModelSpec, Release
from control_plane.core.health import Fitness
from control_plane.core.health.states import HELD_BACK
from control_plane.core.loading import LoadTwin, LoadVersions
from control_plane.core.mending import MendPlan, UnloadComponent, UnloadTwin
from control_plane.core.reconcile import (
    Action,
    Desired,
    Failure,
    InstanceFacts,
    NarrowVersions,
    Prove,
    Reason,
    Record,
    ReleaseKey,
    engines_at_risk,
    key_of,
    plan_fleet,
    plan_instance,
)
from control_plane.core.state import PlaneReport
from control_plane.ports import CallFailed, Clock, ModelControl
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Instance, label
from control_plane.services.loading import change_models, subject_of
from control_plane.services.mending import Mender

log = structlog.get_logger(__name__)

POLL_S = 0.02
PASSING = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})
"""What a call ends with that says nothing of the release."""

FOR_THE_MENDER = (Fitness.UNFIT, Fitness.MENDING, Fitness.GIVEN_UP)

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


@dataclass(frozen=True, slots=True)
class ReconcileTimes:
    """load_s: how long one load or unload may take; prove_s: the golden answers of a release."""

    load_s: float
    prove_s: float


@dataclass(slots=True)
class Work:
    """What is being done to one instance, or was, as long as no look has shown what came of it.

    at_risk: the engines whose requests it may cost.
    ended_s: None while it runs.
    """

    actions: tuple[Action, ...]
    at_risk: frozenset[str]
    done: list[Action] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    ended_s: float | None = None


class Reconciler:
    """The work on the whole fleet.

    controls: how to change each instance. probed: the engines that have a golden input.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        controls: Mapping[str, ModelControl],
        specs: Mapping[str, ModelSpec],
        probed: Collection[str],
        times: ReconcileTimes,
        clock: Clock,
        rng: Random,
        mender: Mender | None = None,
    ) -> None:
        self._fleet = fleet
        self._controls = controls
        self._specs = specs
        self._probed = frozenset(probed)
        self._times = times
        self._clock = clock
        self._rng = rng
        self._mender = mender
        self._work: dict[str, Work] = {}
        self._leading_from_s = float("-inf")
        self._records = {instance.name: Record() for instance in fleet.instances}

    @property
    def is_informed(self) -> bool:
        """Whether every instance has been looked at, with or without an answer, and nothing is
        known of any from before this plane began to lead."""
        return all(
            one.observed_at_s is not None
            and (one.observation is None or one.looked_from_s >= self._leading_from_s)
            for one in self._fleet.instances
        )

    def begin(self) -> None:
        """This plane leads from now on: until now another one may have worked on the instances."""
        self._leading_from_s = self._clock.now_s()
        for instance in self._fleet.instances:
            instance.look_again.set()

    def forget_work(self) -> None:
        """Nothing is under way any more: whoever ran it has stopped."""
        self._work.clear()

    def facts(
        self, known: Iterable[Release], reports: Iterable[PlaneReport] = ()
    ) -> dict[str, InstanceFacts]:
        """What is known of every instance now. reports: of the other planes."""
        releases, others = tuple(known), tuple(reports)
        keys = {label(key): key for key in map(key_of, releases)}
        return {
            instance.name: self._facts(instance, releases, keys, others)
            for instance in self._fleet.instances
        }

    def step(
        self,
        desired: Desired,
        *,
        known: Sequence[Release],
        facts: Mapping[str, InstanceFacts],
        spawn: Spawn,
    ) -> None:
        """Begin what is to be done next, each piece of work as a task of its own."""
        for name, wanted in desired.items():
            record = self._records[name]
            record.keep({key_of(goal.release) for goal in wanted})
            instance, seen = self._fleet.instance(name), facts[name]
            has_failed = bool(instance.work_failure) or not record.is_clean
            if not has_failed or seen.under_way or not seen.can_be_changed:
                continue
            if not plan_instance(wanted, known=known, facts=replace(seen, resting=())):
                # Also when a load that ran out of time here was finished there.
                instance.work_failure = ""
                self._records[name] = Record()
        for name, actions in plan_fleet(desired, known=known, fleet=facts).items():
            # What fails its proof is not asked again but mended, or given up.
            todo = tuple(action for action in actions if not self._is_failing(name, action))
            if todo:
                at_risk = frozenset[str]().union(
                    *(engines_at_risk(action, known, facts[name]) for action in todo)
                )
                self._begin(name, Work(todo, at_risk), spawn)
        if self._mender is not None:
            for name in sorted(desired.keys() - self._work.keys()):
                if facts[name].can_be_changed:
                    self._begin_mend(name, desired, self._mender, spawn)

    def _facts(
        self,
        instance: Instance,
        known: Sequence[Release],
        keys: Mapping[str, ReleaseKey],
        reports: Iterable[PlaneReport],
    ) -> InstanceFacts:
        name = instance.name
        work = self._work.get(name)
        if work is not None and work.ended_s is not None:
            if instance.looked_from_s >= work.ended_s:
                self._settle(instance, self._work.pop(name), known)
                work = None
            else:
                instance.look_again.set()
        health, record, observed = (
            self._fleet.health(name),
            self._records[name],
            instance.observation,
        )
        proved: set[ReleaseKey] = set()
        refused: dict[ReleaseKey, str] = {}
        # Of a long catalogue few are here.
        here = {*map(label, instance.serving), *health.judged} if observed is not None else ()
        for served in here:
            fitness, key = health.fitness(served), keys.get(served)
            if key is None:
                continue
            if fitness in (Fitness.UNFIT, Fitness.GIVEN_UP):
                refused[key] = health.fitness_reason(served)
            is_believed = fitness is None and key[0] not in self._probed
            if (fitness is Fitness.FIT or is_believed) and key in instance.serving:
                proved.add(key)
                record.proved(key)
        refused |= record.refused
        in_flight = dict(instance.in_flight_of)
        for report in reports:
            for key, count in report.in_flight.get(name, {}).items():
                in_flight[key] = in_flight.get(key, 0) + count
        return InstanceFacts(
            observed=observed,
            proved=frozenset(proved),
            in_flight=in_flight,
            under_way=work.actions if work is not None else (),
            refused=refused,
            is_held_back=health.state in HELD_BACK,
            resting=record.resting(self._clock.now_s()),
        )

    def _settle(self, instance: Instance, work: Work, known: Sequence[Release]) -> None:
        """Take in what came of a piece of work, by a look from after it."""
        record = self._records[instance.name]
        failed = record.ended(
            work.done,
            work.failures,
            instance.observation,
            known=known,
            now_s=self._clock.now_s(),
            rng=self._rng,
        )
        for failure in failed[len(work.failures) :]:
            log.error("not done", instance=instance.name, reason=failure.reason)
        if instance.observation is not None and (failed or not record.has_rests):
            instance.work_failure = "; ".join(failure.reason for failure in failed)

    def _is_failing(self, name: str, action: Action) -> bool:
        if not isinstance(action, Prove):
            return False
        fitness = self._fleet.health(name).fitness(label(key_of(action.release)))
        return fitness in FOR_THE_MENDER

    def _begin(self, name: str, work: Work, spawn: Spawn) -> None:
        self._work[name] = work
        spawn(self._run(name, work))

    async def _run(self, name: str, work: Work) -> None:
        """The actions in order. One that fails does not keep the others from running."""
        instance = self._fleet.instance(name)
        for action in work.actions:
            subject = subject_of(action)
            doing = log.bind(instance=name, action=type(action).__name__, subject=subject)
            started_s = self._clock.now_s()
            doing.info("action begins")
            try:
                failure = await self._apply(instance, action)
            except CallFailed as failed:
                is_telling = failed.failure.status not in PASSING
                failure = Failure(action, f"{subject}: {failed}", is_telling)
            except Exception as error:  # one instance's oddity must not end the control plane
                words = f"{subject}: unexpected {type(error).__name__}: {error}"
                failure = Failure(action, words, is_telling=True)
                doing.exception("action failed unexpectedly")
            if failure is None:
                work.done.append(action)
                doing.info("action done", took_s=round(self._clock.now_s() - started_s, 3))
            else:
                work.failures.append(failure)
                doing.error("action failed", reason=failure.reason)
        work.ended_s = self._clock.now_s()
        instance.look_again.set()

    async def _apply(self, instance: Instance, action: Action) -> Failure | None:
        match action:
            case Prove(release):
                return await self._prove(instance, action, release)
            case LoadVersions() | LoadTwin() | NarrowVersions() | UnloadTwin() | UnloadComponent():
                control = self._controls[instance.name]
                await change_models(action, control, self._specs, timeout_s=self._times.load_s)
                return None

    async def _prove(self, instance: Instance, action: Prove, release: Release) -> Failure | None:
        """Wait for what the probes say; they ask as soon as a release is seen to serve."""
        health, served = self._fleet.health(instance.name), label(key_of(release))
        gives_up_s = self._clock.now_s() + self._times.prove_s
        instance.probe_again.set()

        def is_open() -> bool:
            fitness = health.fitness(served)
            is_waited_for = release.engine in self._probed and fitness in (None, Fitness.PROVING)
            return is_waited_for and self._clock.now_s() < gives_up_s

        while is_open():  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        fitness = health.fitness(served)
        if fitness is Fitness.FIT or release.engine not in self._probed:
            return None
        words = (
            health.fitness_reason(served) or f"no golden answer within {self._times.prove_s:g} s"
        )
        # What is unfit is refused by its health, for as long as it is.
        return Failure(action, f"{release.model_name}: {words}", is_telling=False)

    def _begin_mend(self, name: str, desired: Desired, mender: Mender, spawn: Spawn) -> None:
        wanted = [goal for goal in desired[name] if goal.reason is not Reason.DRAINING]
        elsewhere = frozenset[str]().union(*(work.at_risk for work in self._work.values()))
        if elsewhere & {goal.release.engine for goal in wanted}:
            return  # one instance at a time
        try:
            plan = mender.begin(name, [goal.release for goal in wanted])
        except Exception:  # one instance's oddity must not end the control plane
            log.exception("planning a mend failed unexpectedly", instance=name)
            return
        if plan is not None:
            actions = tuple(
                action
                for action in plan.actions
                if isinstance(action, UnloadTwin | UnloadComponent | LoadVersions | LoadTwin)
            )
            engines = frozenset(served.partition(" ")[0] for served in plan.engines)
            work = Work(actions, engines)
            self._work[name] = work
            spawn(self._mend(name, work, plan, mender))

    async def _mend(self, name: str, work: Work, plan: MendPlan, mender: Mender) -> None:
        await mender.mend(name, self._controls[name], plan)
        work.ended_s = self._clock.now_s()
        self._fleet.instance(name).look_again.set()
