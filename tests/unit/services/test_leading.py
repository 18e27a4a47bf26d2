"""What the leader decides: a rollout from its order to its end, and what is written of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from control_plane.adapters.stores import MemoryStore
from control_plane.core.catalogue import Config, Engine
from control_plane.core.rollout import Command, Plan, State, Verdict
from control_plane.core.routing import ALL_BP, Shadow, Trial
from control_plane.core.state import Change, PlaneReport
from control_plane.core.state import State as Stored
from control_plane.ports import Fenced, StoreUnavailable
from control_plane.services.instance import Place
from tests.unit.fakes import FakeInstance, call_failed
from tests.unit.samples import DAMAGE_NEXT, ENGINES, FOLDERS
from tests.unit.site import TTL_S, Site

PLAN = Plan(steps_percent=(5, 50, 100), min_step_s=10.0, max_step_s=100.0, min_samples=20)
NEW = ("damage", "1.1.0")
LATER = 1000
"""A revision that no test comes to."""


class Busy(MemoryStore):
    """A request may begin while it writes."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        super().__init__(now_s)
        self.meanwhile: Callable[[], Place] | None = None
        self.places: list[Place] = []

    async def write(self, change: Change, *, expected: int, epoch: int | None = None) -> Stored:
        if self.meanwhile is not None:
            self.places.append(self.meanwhile())
            self.meanwhile = None
        return await super().write(change, expected=expected, epoch=epoch)


async def begun(*tritons: FakeInstance, plan: Plan | None = PLAN, **options: object) -> Site:
    """A settled site, with a rollout to 1.1.0 ordered."""
    site = Site(*tritons, **options)  # type: ignore[arg-type]
    await site.begin()
    async with site.proving():
        await site.settle()
    if plan is not None:
        await site.rollouts.start("damage", "1.1.0", plan, who="ann", reason="better")
    return site


async def stepped(site: Site, verdict: Verdict = Verdict.NOT_WORSE) -> None:
    """The step's least time passes and the analysis speaks."""
    site.clock.advance(10.0)
    site.judge(verdict)
    await site.settle()


def state_of(site: Site) -> State:
    rollout = site.rollout()
    assert rollout is not None
    return rollout.state


async def test_nothing_is_decided_before_every_instance_was_looked_at() -> None:
    site = Site()
    await site.begin()
    await site.watches[0].look()
    assert not await site.tick()
    assert site.tritons[0].calls == []


async def test_a_canary_goes_from_step_to_step_and_becomes_stable() -> None:
    site = await begun()
    weights = []
    await site.settle()
    for _ in range(4):
        weights.append(site.route().weights_bp.get("1.1.0", 0))
        await stepped(site)
    assert weights == [500, 5000, ALL_BP, ALL_BP]
    assert state_of(site) is State.COMPLETED
    assert site.board.state.engines["damage"].stable == "1.1.0"
    assert site.route().weights_bp == {"1.1.0": ALL_BP}
    for triton in site.tritons:
        assert triton.loaded["damage_detector"] == {2}
        assert "damage--1.0.0" not in triton.twins


async def test_the_models_are_moved_by_widening_and_narrowing_one_instance_at_a_time() -> None:
    site = await begun()
    for triton in site.tritons:
        triton.calls.clear()
    await site.settle()
    assert site.tritons[0].calls == ["load damage_detector", "load damage--1.1.0"]
    assert site.tritons[1].calls == site.tritons[0].calls
    await site.rollouts.roll_back("damage", to=None, who="ann", reason="no")
    await site.settle()
    assert state_of(site) is State.ROLLED_BACK
    assert site.tritons[0].calls[2:] == ["unload damage--1.1.0", "load damage_detector"]
    assert site.tritons[0].loaded["damage_detector"] == {1}


async def test_every_move_is_in_the_audit_with_who_why_before_and_after() -> None:
    site = await begun()
    await site.settle()
    await stepped(site)
    told = [one.entry for one in await site.store.entries(engine="damage")]
    assert [(one.who, one.action) for one in reversed(told)] == [
        ("ann", "canary"),
        ("tidegate", "preparing"),
        ("tidegate", "step"),
        ("tidegate", "step"),
    ]
    latest = told[0]
    assert latest.reason == "it is not_worse"
    assert latest.before == {"step": 1, "weight_bp": 500}
    assert (latest.after["step"], latest.after["weight_bp"]) == (2, 5000)
    assert latest.after["samples"] == 1000
    assert told[-1].after["target"] == "1.1.0"
    assert told[-1].reason == "better"


async def test_what_is_decided_by_rule_is_told_in_the_log() -> None:
    site = await begun()
    with capture_logs() as logs:
        await site.settle()
    told = [(one["action"], one["reason"]) for one in logs if one["event"] == "decided"]
    assert told == [
        ("preparing", "to be loaded and proved"),
        ("step", "proved on every instance"),
    ]


async def test_worse_goes_back_at_once_and_says_so() -> None:
    site = await begun()
    await site.settle()
    site.judge(Verdict.WORSE)
    await site.tick()
    assert state_of(site) is State.ROLLING_BACK
    assert site.route().weights_bp == {"1.0.0": ALL_BP}
    await site.settle()
    assert state_of(site) is State.ROLLED_BACK
    told = [one.entry for one in await site.store.entries(engine="damage")]
    assert ("rolling_back", "it is worse") in [(one.action, one.reason) for one in told]


async def test_a_judgement_of_another_step_is_not_taken_for_this_one() -> None:
    site = await begun()
    await site.settle()
    rollout = site.rollout()
    assert rollout is not None
    site.judge(Verdict.NOT_WORSE)
    await site.rollouts.command(rollout.rollout_id, Command.ADVANCE, who="ann", reason="")
    site.clock.advance(10.0)
    await site.settle()
    rollout = site.rollout()
    assert rollout is not None
    assert (rollout.state, rollout.step) == (State.STEP, 2)


async def test_a_judgement_of_another_rollout_is_not_taken_for_this_one() -> None:
    site = await begun()
    await site.settle()
    site.judge(Verdict.WORSE)
    before = site.board.state.engines["damage"]
    # Another plane led meanwhile: it took that one back, and has begun another one.
    other = replace(before.rollout, rollout_id="damage-other")  # type: ignore[type-var]
    change = Change(engines={"damage": replace(before, rollout=other, trial=None)})
    site.board.put(await site.store.write(change, expected=site.board.state.revision))
    await site.settle()
    assert state_of(site) is State.STEP


async def test_each_step_is_measured_by_what_was_fixed_as_it_began() -> None:
    site = await begun()
    await site.settle()
    first = site.rollout()
    assert first is not None
    assert site.route().trial == Trial(first.rollout_id, 1, 0.2, 0.7)
    await site.rollouts.command("damage", Command.PAUSE, who="ann", reason="")
    await site.rollouts.command("damage", Command.RESUME, who="ann", reason="")
    await site.settle()
    assert len(site.trials) == 1
    await site.rollouts.command("damage", Command.ADVANCE, who="ann", reason="")
    assert site.route().weights_bp["1.1.0"] == 500  # the leader gives it more, with its trial
    await site.settle()
    assert site.route().weights_bp["1.1.0"] == 5000
    assert site.route().trial == Trial(first.rollout_id, 2, 0.2, 0.7)
    await site.rollouts.command("damage", Command.ADVANCE, who="ann", reason="")
    await site.settle()
    assert site.route().trial is None  # at 100 % there is nothing to compare with


async def test_a_shadow_is_measured_too() -> None:
    site = await begun(plan=Plan.shadow(30))
    await site.settle()
    rollout = site.rollout()
    assert rollout is not None
    assert site.route().shadow == Shadow("1.1.0", 3000)
    assert site.route().trial == Trial(rollout.rollout_id, 0, 0.2, 0.7)


async def test_a_target_that_is_ready_nowhere_is_out_of_the_route_and_comes_back() -> None:
    site = await begun()
    await site.settle()
    for triton in site.tritons:
        triton.twins.pop("damage--1.1.0")
    await site.look()
    await site.tick()
    assert site.route().weights_bp == {"1.0.0": ALL_BP}
    (latest, *_) = await site.store.entries(engine="damage")
    assert (latest.entry.action, latest.entry.who) == ("route", "tidegate")
    await site.settle()
    assert site.route().weights_bp == {"1.0.0": 9500, "1.1.0": 500}


async def test_a_target_that_cannot_be_proved_fails_the_rollout_and_leaves_nothing() -> None:
    site = await begun(probed=["damage"])
    async with site.proving(NEW):
        await site.settle()
    assert state_of(site) is State.FAILED
    rollout = site.rollout()
    assert rollout is not None
    assert rollout.reason == "triton-0: probe: wrong_answer: asked"
    for triton in site.tritons:
        assert triton.loaded["damage_detector"] == {1}
        assert "damage--1.1.0" not in triton.twins


async def test_a_target_that_is_refused_twice_fails_the_rollout() -> None:
    site = await begun()
    for triton in site.tritons:
        triton.broken["damage--1.1.0"] = "no such input"
    await site.settle()
    assert state_of(site) is State.PREPARING
    site.clock.advance(1.001)
    await site.settle()
    assert state_of(site) is State.FAILED


async def test_a_target_that_ends_the_tritons_it_is_loaded_on_is_given_up() -> None:
    deaths: list[Deadly] = []

    class Deadly(FakeInstance):
        """Dies of version 2 of the detector, and is started again a while later."""

        async def load(self, model: str, config: Config, **options: Any) -> None:
            versions = config.get("version_policy", {}).get("specific", {}).get("versions", [])
            if model == "damage_detector" and 2 in versions:
                deaths.append(self)
                self.restart()
                self.is_away = True
                raise call_failed("UNAVAILABLE", "Socket closed")
            await super().load(model, config, **options)

    site = await begun(Deadly(folders=FOLDERS), Deadly(folders=FOLDERS))
    for _ in range(20):
        await site.settle()
        site.clock.advance(20.0)
        for triton in site.tritons:
            triton.is_away = False
    assert state_of(site) is State.FAILED
    assert len(deaths) <= 4
    assert all(triton.loaded["damage_detector"] == {1} for triton in site.tritons)


async def test_what_another_plane_still_routes_or_answers_is_kept() -> None:
    site = await begun()
    await site.settle()
    site.board.reports = (PlaneReport("plane-2", LATER, frozenset({NEW})),)
    await site.rollouts.roll_back("damage", to=None, who="ann", reason="no")
    await site.settle()
    assert state_of(site) is State.ROLLING_BACK
    assert all("damage--1.1.0" in triton.twins for triton in site.tritons)
    site.board.reports = (PlaneReport("plane-2", LATER, frozenset(), {"triton-1": {NEW: 1}}),)
    await site.settle()
    assert ["damage--1.1.0" in triton.twins for triton in site.tritons] == [False, True]
    site.board.reports = ()
    await site.settle()
    assert state_of(site) is State.ROLLED_BACK


async def test_nothing_is_taken_away_before_every_plane_goes_by_the_present_table() -> None:
    site = await begun()
    before = site.board.state.revision
    await site.settle()
    assert site.route().weights_bp["1.1.0"] == 500
    # It did not follow the target yet when it said so, and may do by now.
    site.board.reports = (PlaneReport("plane-2", before, frozenset()),)
    await site.rollouts.roll_back("damage", to=None, who="ann", reason="no")
    await site.settle()
    assert state_of(site) is State.ROLLING_BACK
    assert all("damage--1.1.0" in triton.twins for triton in site.tritons)
    site.board.reports = (PlaneReport("plane-2", site.board.state.revision, frozenset()),)
    await site.settle()
    assert state_of(site) is State.ROLLED_BACK
    assert not any("damage--1.1.0" in triton.twins for triton in site.tritons)


async def test_a_state_of_before_is_gone_by_like_any_other() -> None:
    site = await begun()
    await site.settle()
    await site.rollouts.roll_back("damage", to=None, who="ann", reason="no")
    site.board.go_to(replace(site.board.state, revision=3))
    site.store._state = site.board.state
    site.board.reports = (PlaneReport("plane-2", 3, frozenset()),)
    await site.settle()
    assert state_of(site) is State.ROLLED_BACK


async def test_an_engine_that_is_new_in_the_catalogue_is_adopted() -> None:
    known: dict[str, Engine] = {"damage": ENGINES["damage"]}
    site = Site(engines=known)
    await site.begin()
    await site.settle()
    known["volume"] = ENGINES["volume"]
    await site.settle()
    assert site.board.state.engines["volume"].stable == "4.0.0"
    assert site.route("volume").weights_bp == {"4.0.0": ALL_BP}
    assert site.tritons[0].loaded["volume"] == {4}


async def test_a_target_that_the_catalogue_loses_while_it_is_prepared_fails() -> None:
    known = dict(ENGINES)
    site = Site(engines=known)
    await site.begin()
    await site.settle()
    await site.rollouts.start("damage", "1.1.0", PLAN, who="ann", reason="")
    damage = ENGINES["damage"]
    known["damage"] = replace(damage, releases={"1.0.0": damage.releases["1.0.0"]})
    await site.settle()
    assert state_of(site) is State.FAILED


async def test_who_does_not_lead_any_more_writes_nothing() -> None:
    site = await begun()
    site.clock.advance(TTL_S + 1)
    lease = await site.store.acquire("plane-2", ttl_s=TTL_S)
    assert lease is not None
    revision = site.board.state.revision
    await site.look()
    with pytest.raises(Fenced):
        await site.tick()
    assert await site.store.revision() == revision


async def test_a_decision_on_what_has_changed_meanwhile_is_made_anew() -> None:
    site = await begun()
    rollout = site.rollout()
    assert rollout is not None
    await site.store.write(Change(), expected=site.board.state.revision)  # another plane's
    await site.look()
    assert await site.tick()
    assert state_of(site) is State.PENDING
    assert site.board.state.revision == await site.store.revision()
    await site.settle()
    assert state_of(site) is State.STEP


async def test_while_the_store_is_away_the_instances_are_looked_after_by_what_is_known() -> None:
    class Away(MemoryStore):
        is_away = False

        async def write(self, change: Change, *, expected: int, epoch: int | None = None) -> Stored:
            if self.is_away:
                raise StoreUnavailable("connection refused")
            return await super().write(change, expected=expected, epoch=epoch)

    site = Site(FakeInstance(folders=FOLDERS))
    store = Away(site.clock.now_s)
    site = Site(FakeInstance(folders=FOLDERS), store=store)
    await site.begin()
    await site.settle()
    await site.rollouts.start("damage", "1.1.0", PLAN, who="ann", reason="")
    store.is_away = True
    site.tritons[0].restart()
    await site.settle()
    assert state_of(site) is State.PENDING
    assert site.tritons[0].loaded["damage_detector"] == {1}
    store.is_away = False
    await site.settle()
    assert site.reconciler.facts([DAMAGE_NEXT])["triton-0"].is_ready(DAMAGE_NEXT)


async def test_a_store_that_goes_away_once_another_was_faster_ends_nothing() -> None:
    class Away(MemoryStore):
        is_away = False

        async def read(self) -> Stored:
            if self.is_away:
                raise StoreUnavailable("connection refused")
            return await super().read()

    store = Away(Site().clock.now_s)
    site = await begun(store=store)
    await store.write(Change(), expected=site.board.state.revision)  # another plane's
    store.is_away = True
    assert not await site.tick()
    store.is_away = False
    await site.settle()
    assert state_of(site) is State.STEP


async def test_a_request_that_began_while_the_rollback_was_written_is_waited_for() -> None:
    store = Busy(Site().clock.now_s)
    site = await begun(store=store)
    await site.settle()
    store.meanwhile = lambda: site.fleet.reserve(DAMAGE_NEXT)  # the table still names it
    site.judge(Verdict.WORSE)
    await site.look()
    await site.tick()
    assert state_of(site) is State.ROLLING_BACK
    with store.places.pop():
        await site.settle()
        assert [triton.twins.keys() >= {"damage--1.1.0"} for triton in site.tritons].count(
            True
        ) == 1
        assert state_of(site) is State.ROLLING_BACK
    await site.settle()
    assert state_of(site) is State.ROLLED_BACK
