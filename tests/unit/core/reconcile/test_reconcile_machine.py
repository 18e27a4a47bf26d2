"""Rollouts, commands, faults, restarts, lost actions and new leaders in any order: this holds.

1. A routing table names no release but stable that was not ready on an instance when it was made.
2. No action takes a release that the table names, any stable release, or one with a request
   under way, from an instance.
3. No twin is taken down by a version that was narrowed away under it, and no version goes that
   a wanted release needs.
4. No two instances are changed at once for one engine that both serve.
5. On the same facts the plan is the same.
6. Left in peace it converges: the plan is empty, every rollout is over or waits for a person,
   and every instance has exactly what is wanted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from control_plane.core.catalogue import Engine, Release
from control_plane.core.loading import LoadVersions
from control_plane.core.mending import UnloadComponent
from control_plane.core.reconcile import (
    Action,
    InstanceFacts,
    NarrowVersions,
    Prove,
    Reason,
    ReleaseKey,
    Wanted,
    desired_of,
    engines_touched,
    is_gone,
    is_ready_everywhere,
    keep_proofs,
    key_of,
    plan_fleet,
    refusal,
    routable,
    unmet,
)
from control_plane.core.rollout import (
    Command,
    Facts,
    Goal,
    Plan,
    Rollout,
    State,
    Verdict,
    advance,
    obey,
    roll_back,
    routes_of,
    start,
)
from control_plane.core.routing import RoutingTable, choose_release
from control_plane.errors import ControlPlaneError
from tests.unit.core.reconcile.triton import Away, Refused, SimulatedTriton

REPOSITORY = {"pre": {1, 2}, "det": {1, 2}, "mat": {1}, "vol": {3, 4}}


def make(engine: str, **releases: dict[str, int]) -> Engine:
    is_ensemble = engine != "vol"
    built = {
        name: Release(engine, name, pins, is_ensemble=is_ensemble)
        for name, pins in releases.items()
    }
    return Engine(engine, next(iter(built)), built)


ENGINES = {
    engine.name: engine
    for engine in (
        make(
            "damage", one={"pre": 1, "det": 1}, two={"pre": 1, "det": 2}, new={"pre": 2, "det": 2}
        ),
        make("materials", one={"pre": 1, "mat": 1}, two={"pre": 2, "mat": 1}),
        make("vol", one={"vol": 3}, two={"vol": 4}),
    )
}
KNOWN = tuple(release for engine in ENGINES.values() for release in engine.releases.values())
PLANS = (
    Plan(steps_percent=(10, 60), min_step_s=5.0, max_step_s=50.0, min_samples=1),
    Plan(steps_percent=(40,), shadow_percent=20, min_step_s=0.0, max_step_s=50.0, min_samples=1),
    Plan(steps_percent=(10, 60), is_manual=True),
    Plan.direct(),
    Plan.experiment(50),
    Plan.shadow(50),
)
NAMES = ("a", "b", "c")
engines = st.sampled_from(sorted(ENGINES))
names = st.sampled_from(NAMES)


def named(table: RoutingTable) -> frozenset[ReleaseKey]:
    return frozenset(map(key_of, table.releases()))


class FleetMachine(RuleBasedStateMachine):
    @initialize(spare=st.booleans())
    def begin(self, spare: bool) -> None:
        self.tritons = {name: SimulatedTriton(REPOSITORY) for name in NAMES}
        self.facts = {name: InstanceFacts() for name in NAMES}
        self.done: dict[str, list[Action]] = {name: [] for name in NAMES}
        self.stable = {name: engine.stable for name, engine in ENGINES.items()}
        self.fallback = {"damage": "two"} if spare else {}
        self.rollouts: dict[str, Rollout] = {}
        self.table = RoutingTable()
        self.older_tables: list[RoutingTable] = []
        self.now_s = 1_000.0
        self.started = 0
        for _ in range(4):
            self.round()  # every stable release is up

    # --- what is known and wanted -----------------------------------------------------------

    def goals(self) -> list[Goal]:
        return [
            Goal(engine, self.stable[name], self.rollouts.get(name), self.fallback.get(name))
            for name, engine in ENGINES.items()
        ]

    def desired(self) -> dict[str, tuple[Wanted, ...]]:
        routed = frozenset().union(*(map(named, (self.table, *self.older_tables))))
        return desired_of(
            (wanted for goal in self.goals() for wanted in goal.wanted),
            known=KNOWN,
            fleet=self.facts,
            routed=routed,
        )

    def change(self, name: str, **known: object) -> None:
        self.facts[name] = replace(self.facts[name], **known)

    # --- the loops --------------------------------------------------------------------------

    @rule(name=names)
    def look(self, name: str) -> None:
        """Of an instance that is worked on only what it serves is taken in; see ``finish``."""
        observed = self.tritons[name].observe()
        proved: frozenset[ReleaseKey] = frozenset()
        if observed is not None:
            proved = keep_proofs(self.facts[name].proved, KNOWN, observed)
        self.change(name, observed=observed, proved=proved)

    @rule()
    def look_at_all(self) -> None:
        for name in NAMES:
            self.look(name)

    @rule()
    def route(self) -> None:
        self.look_at_all()  # so that what is named can be compared with the truth
        ready = routable(KNOWN, self.facts)
        table = routes_of(self.goals(), ready, self.table)
        if table is not self.table:
            self.older_tables.append(self.table)
            self.table = table
        for key in named(self.table) - {(name, one) for name, one in self.stable.items()}:
            release = ENGINES[key[0]].releases[key[1]]
            assert any(self.is_taker(name, release) for name in NAMES), key

    def is_taker(self, name: str, release: Release) -> bool:
        triton, facts = self.tritons[name], self.facts[name]
        serves = triton.is_up and triton.seen().is_serving(release)
        return serves and not facts.is_held_back and key_of(release) in facts.proved

    @rule()
    def follow(self) -> None:
        """Every control plane follows the table of now."""
        self.older_tables.clear()

    @rule(
        engine=engines,
        verdict=st.sampled_from([*Verdict, Verdict.NOT_WORSE]),
        seconds=st.sampled_from([0.0, 1.0, 6.0, 60.0]),
    )
    def decide(self, engine: str, verdict: Verdict, seconds: float) -> None:
        rollout = self.rollouts.get(engine)
        if rollout is None:
            return
        self.now_s += seconds
        target = ENGINES[engine].releases[rollout.target]
        facts = Facts(
            is_prepared=is_ready_everywhere(target, self.facts),
            is_gone=is_gone(target, self.desired(), KNOWN, self.facts),
            refusal=refusal(target, self.facts),
            verdict=verdict,
            samples=5,
        )
        decided = advance(rollout, facts, self.now_s)
        assert decided == advance(rollout, facts, self.now_s)
        self.store(decided.rollout)

    def store(self, rollout: Rollout) -> None:
        """Rollout and stable release in one write."""
        if rollout.is_finished and not self.rollouts[rollout.engine].is_finished:
            self.stable[rollout.engine] = rollout.stable_now
        self.rollouts[rollout.engine] = rollout

    @rule()
    def plan(self) -> None:
        """Twice, because the second must reckon with what the first has set going."""
        self.plan_once()
        self.plan_once()

    def plan_once(self) -> None:
        desired = self.desired()
        plans = plan_fleet(desired, known=KNOWN, fleet=self.facts)
        assert plans == plan_fleet(desired, known=iter(KNOWN), fleet=dict(self.facts))
        self.check_one_at_a_time(plans)
        for name, actions in plans.items():
            assert actions
            for action in actions:
                self.check_nothing_wanted_goes(action, desired[name])
            self.change(name, under_way=actions)
            self.done[name] = []

    def check_one_at_a_time(self, plans: dict[str, tuple[Action, ...]]) -> None:
        for engine, built in ENGINES.items():
            releases = built.releases.values()
            busy: Counter[str] = Counter()
            for name, facts in self.facts.items():
                is_proof = facts.is_ready if plans.get(name) else facts.is_serving
                touching = [
                    action
                    for action in (*plans.get(name, ()), *facts.under_way)
                    if engine in engines_touched(action, KNOWN)
                    and (not isinstance(action, Prove) or any(map(is_proof, releases)))
                ]
                if touching and (facts.under_way or any(map(facts.is_serving, releases))):
                    busy[name] += 1
            planned = [name for name in busy if name in plans]
            assert len(planned) <= 1, (engine, busy)
            assert not planned or len(busy) == 1, (engine, busy)

    def check_nothing_wanted_goes(self, action: Action, wanted: Iterable[Wanted]) -> None:
        for goal in wanted:
            needed = goal.release.pins
            if isinstance(action, NarrowVersions) and action.model in needed:
                assert needed[action.model] in action.versions
            assert not (isinstance(action, UnloadComponent) and action.model in needed)

    @rule(name=names, is_lost=st.booleans())
    def work(self, name: str, is_lost: bool) -> None:
        """The next action there. One that is lost may have been done all the same."""
        facts, triton = self.facts[name], self.tritons[name]
        number = len(self.done[name])
        if number >= len(facts.under_way):
            return
        action = facts.under_way[number]
        try:
            self.run(name, action, is_lost=is_lost)
        except Away:
            self.finish(name, resting=action)
            return
        except Refused as refused:
            if isinstance(action, Prove):
                said = {**facts.refused, key_of(action.release): str(refused)}
                self.change(name, refused=said)
            self.finish(name, resting=action)
            return
        if isinstance(action, Prove) and triton.is_up:
            self.change(name, proved=facts.proved | {key_of(action.release)})
        self.done[name].append(action)
        if len(self.done[name]) == len(facts.under_way):
            self.finish(name)

    @rule(name=names)
    def work_to_the_end(self, name: str) -> None:
        while self.facts[name].under_way:
            self.work(name, is_lost=False)

    def run(self, name: str, action: Action, *, is_lost: bool) -> None:
        before = self.tritons[name].seen()
        self.tritons[name].run(action)
        after = self.tritons[name].seen()
        gone = {
            key_of(release)
            for release in KNOWN
            if before.is_serving(release) and not after.is_serving(release)
        }
        twins = before.twin_pins.keys() - after.twin_pins.keys()
        assert not (isinstance(action, LoadVersions | NarrowVersions | UnloadComponent) and twins)
        assert not gone & {(engine, version) for engine, version in self.stable.items()}
        assert not gone & named(self.table)
        assert not gone & {key for key, count in self.facts[name].in_flight.items() if count}
        if is_lost:
            raise Away

    def finish(self, name: str, *, resting: Action | None = None) -> None:
        """A look after the last action, which tells what was skipped in silence."""
        done = self.done[name]
        rests = self.facts[name].resting + ((resting,) if resting is not None else ())
        self.change(name, under_way=(), resting=rests)
        self.done[name] = []
        self.look(name)
        observed = self.facts[name].observed
        if observed is None:
            return
        for action in done:
            if isinstance(action, LoadVersions) and (complaint := unmet(action, observed)):
                missing = set(action.versions) - observed.ready_versions.get(action.model, set())
                pinning = {
                    key_of(release): complaint
                    for release in KNOWN
                    if release.pins.get(action.model) in missing
                }
                said = {**self.facts[name].refused, **pinning}
                rests = (*self.facts[name].resting, action)
                self.change(name, refused=said, resting=rests)

    @rule(name=names)
    def rest_is_over(self, name: str) -> None:
        self.change(name, resting=(), refused={})

    # --- people and requests ----------------------------------------------------------------

    @rule(
        engine=engines, version=st.sampled_from(["one", "two", "new"]), plan=st.sampled_from(PLANS)
    )
    def start_rollout(self, engine: str, version: str, plan: Plan) -> None:
        with suppress(ControlPlaneError):
            self.rollouts[engine] = start(
                f"r{self.started}",
                ENGINES[engine],
                stable=self.stable[engine],
                target=version,
                plan=plan,
                last=self.rollouts.get(engine),
                now_s=self.now_s,
            )
            self.started += 1

    @rule(engine=engines, command=st.sampled_from(Command))
    def command(self, engine: str, command: Command) -> None:
        rollout = self.rollouts.get(engine)
        if rollout is not None:
            with suppress(ControlPlaneError):
                self.store(obey(rollout, command, "told", self.now_s))

    @rule(engine=engines)
    def roll_back(self, engine: str) -> None:
        last = self.rollouts.get(engine)
        with suppress(ControlPlaneError):
            rollout = roll_back(
                f"r{self.started}",
                ENGINES[engine],
                stable=self.stable[engine],
                last=last,
                to=None,
                reason="told",
                now_s=self.now_s,
            )
            self.started += 1
            self.rollouts[engine] = rollout
            assert not rollout.traffic.is_any or rollout.is_reversal

    @rule(engine=engines, wanted=st.sampled_from(["", "stable", "canary"]), key=st.integers(0, 9))
    def ask(self, engine: str, wanted: str, key: int) -> None:
        """By a table that is not the newest, if some control plane may still follow one."""
        table = self.older_tables[0] if self.older_tables else self.table
        release = None
        with suppress(ControlPlaneError):
            release = choose_release(table.route(engine), wanted, str(key))
        for name in NAMES:
            if release is not None and self.is_taker(name, release):
                in_flight = Counter(self.facts[name].in_flight)
                in_flight[key_of(release)] += 1
                self.change(name, in_flight=in_flight)

    @rule(name=names)
    def answer(self, name: str) -> None:
        self.change(name, in_flight={})

    @rule(name=names)
    def hold_back(self, name: str) -> None:
        self.finish(name)
        self.change(name, is_held_back=True)

    @rule(name=names)
    def let_go(self, name: str) -> None:
        self.change(name, is_held_back=False)

    # --- faults -----------------------------------------------------------------------------

    @rule(name=names)
    def kill(self, name: str) -> None:
        self.tritons[name].kill()
        self.change(name, in_flight={})

    @rule()
    def kill_all(self) -> None:
        for name in NAMES:
            self.kill(name)
        self.route()

    @rule(name=names)
    def bring_up(self, name: str) -> None:
        self.tritons[name].is_up = True

    @rule(name=names, version=st.sampled_from([("pre", 2), ("det", 2), ("vol", 4), ("det", 1)]))
    def lose_a_version(self, name: str, version: tuple[str, int]) -> None:
        self.tritons[name].missing.add(version)

    @rule(name=names, release=st.sampled_from(KNOWN))
    def answer_wrongly(self, name: str, release: Release) -> None:
        self.tritons[name].wrong.add(key_of(release))

    @rule()
    def new_leader(self) -> None:
        """What is stored stays; what was seen, proved and under way is forgotten."""
        self.facts = {
            name: InstanceFacts(in_flight=facts.in_flight, is_held_back=facts.is_held_back)
            for name, facts in self.facts.items()
        }
        self.done = {name: [] for name in NAMES}
        self.look_at_all()

    # --- left in peace ----------------------------------------------------------------------

    @rule(engine=engines, plan=st.sampled_from(PLANS), rounds=st.sampled_from([3, 8, 20]))
    def roll_out_in_peace(self, engine: str, plan: Plan, rounds: int) -> None:
        """So that many runs get far into a rollout before the next fault."""
        self.start_rollout(engine, "two", plan)
        for _ in range(rounds):
            self.round()

    @rule(engine=engines, version=st.sampled_from(["one", "two"]))
    def change_mind(self, engine: str, version: str) -> None:
        """All that can be decided before anything more is done on an instance."""
        self.start_rollout(engine, version, Plan.direct())
        for _ in range(3):
            self.decide(engine, Verdict.UNDECIDED, 0.0)
        self.route()

    def round(self) -> None:
        self.plan()
        for name in NAMES:
            self.work_to_the_end(name)
        self.route()
        self.follow()
        for engine in self.rollouts:
            self.decide(engine, Verdict.NOT_WORSE, 6.0)

    def mend_all(self) -> None:
        for name, triton in self.tritons.items():
            triton.is_up = True
            triton.missing, triton.wrong = set(), set()
            self.finish(name)
            self.change(name, in_flight={}, is_held_back=False, resting=(), refused={})

    def teardown(self) -> None:
        if not hasattr(self, "tritons"):
            return
        self.mend_all()
        before: object = None
        for _ in range(100):
            self.round()
            now = (self.facts, self.table, self.rollouts)
            if now == before:
                break
            before = (dict(self.facts), self.table, dict(self.rollouts))
        else:
            raise AssertionError("it does not converge")
        self.plan()
        assert not any(facts.under_way for facts in self.facts.values())
        self.check_rest()

    def check_rest(self) -> None:
        for rollout in self.rollouts.values():
            waits = rollout.state is State.PAUSED or rollout.plan.stays
            assert rollout.is_finished or waits, rollout
        wanted = [goal for each in self.goals() for goal in each.wanted]
        assert all(goal.reason is not Reason.DRAINING for goal in wanted)
        versions: dict[str, set[int]] = {}
        for goal in wanted:
            for model, version in goal.release.pins.items():
                versions.setdefault(model, set()).add(version)
        twins = {
            goal.release.model_name: goal.release.pins
            for goal in wanted
            if goal.release.is_ensemble
        }
        for triton in self.tritons.values():
            assert triton.seen().ready_versions == versions
            assert triton.seen().twin_pins == twins
        assert named(self.table) <= {key_of(goal.release) for goal in wanted}


TestFleet = FleetMachine.TestCase
TestFleet.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
