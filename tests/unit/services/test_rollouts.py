"""What a person may do with rollouts: what is written, in one write, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.adapters.stores import MemoryStore
from control_plane.core.rollout import Assessment, Command, Plan, State, Verdict
from control_plane.core.routing import ALL_BP, RoutingTable
from control_plane.core.state import AuditEntry, Change
from control_plane.core.state import State as Stored
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import StaleRevision, StoreUnavailable
from tests.unit.site import Site

PLAN = Plan(steps_percent=(5, 50), min_step_s=10.0, max_step_s=100.0, min_samples=20)


class Store(MemoryStore):
    """Is written to by others, ``races`` times just before us; can be away."""

    races = 0
    is_away = False

    async def read(self) -> Stored:
        if self.is_away:
            raise StoreUnavailable("connection refused")
        return await super().read()

    async def write(self, change: Change, *, expected: int, epoch: int | None = None) -> Stored:
        if self.races > 0:
            self.races -= 1
            await super().write(Change(audit=(AuditEntry("bob", "noise"),)), expected=expected)
            raise StaleRevision
        return await super().write(change, expected=expected, epoch=epoch)


async def begun(**options: Any) -> Site:
    site = Site(**options)
    await site.begin()
    await site.settle()
    return site


async def started(site: Site) -> str:
    view = await site.rollouts.start("damage", "1.1.0", PLAN, who="ann", reason="better")
    return view.rollout.rollout_id


async def refusal(work: Any) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as refused:
        await work
    return refused.value


class TestStarting:
    async def test_it_is_written_down_and_the_leader_goes_on_with_it(self) -> None:
        site = await begun()
        view = await site.rollouts.start("damage", "1.1.0", PLAN, who="ann", reason="better")
        assert view.rollout.state is State.PENDING
        assert view.instances == {"triton-0": "not loaded", "triton-1": "not loaded"}
        assert view.slow_s is None
        assert view.rollout.rollout_id.startswith("damage-")
        assert site.rollout() == view.rollout
        await site.settle()
        view = await site.rollouts.show("damage")
        assert (view.rollout.state, view.weight_bp, view.slow_s) == (State.STEP, 500, 0.2)
        assert view.instances == {"triton-0": "ready", "triton-1": "ready"}
        assert view.started_at == site.calendar.utc(site.clock.now_s())

    async def test_two_at_once_are_one(self) -> None:
        site = await begun()
        await started(site)
        error = await refusal(started(site))
        assert error.code is ErrorCode.CONFLICT

    async def test_of_different_engines_they_are_independent(self) -> None:
        site = await begun()
        await started(site)
        error = await refusal(site.rollouts.start("volume", "4.0.0", PLAN, who="ann", reason=""))
        assert error.message == "release 4.0.0 is the stable one of engine 'volume' already"

    @pytest.mark.parametrize(
        ("engine", "release", "code"),
        [
            ("dammage", "1.1.0", ErrorCode.UNKNOWN_ENGINE),
            ("damage", "9.9.9", ErrorCode.UNKNOWN_RELEASE),
            ("damage", "1.0.0", ErrorCode.INVALID_ARGUMENT),
        ],
    )
    async def test_what_makes_no_sense_is_refused(
        self, engine: str, release: str, code: ErrorCode
    ) -> None:
        site = await begun()
        error = await refusal(site.rollouts.start(engine, release, PLAN, who="ann", reason=""))
        assert error.code is code
        assert site.rollout() is None

    async def test_an_experiment_splits_between_stable_and_another(self) -> None:
        site = await begun()
        split = {"1.0.0": 70, "1.1.0": 30}
        await site.rollouts.experiment("damage", split, who="ann", reason="")
        await site.settle()
        assert site.route().weights_bp == {"1.0.0": 7000, "1.1.0": 3000}
        error = await refusal(
            site.rollouts.experiment("damage", {"1.0.0": 100}, who="ann", reason="")
        )
        assert error.field == "split"

    async def test_what_an_experiment_ignores_is_checked_and_written_down(self) -> None:
        site = await begun()
        split = {"1.0.0": 70, "1.1.0": 30}
        error = await refusal(
            site.rollouts.experiment("damage", split, ignored=("errors",), who="ann", reason="")
        )
        assert (error.field, site.rollout()) == ("ignore", None)
        view = await site.rollouts.experiment(
            "damage", split, ignored=("latency",), who="ann", reason=""
        )
        assert view.rollout.plan.ignored == ("latency",)
        (record,) = await site.rollouts.audit(rollout_id=view.rollout.rollout_id)
        assert record.entry.after["ignored"] == ["latency"]


class TestRollingBack:
    async def test_the_traffic_is_back_with_the_same_write_and_without_a_leader(self) -> None:
        site = await begun()
        rollout_id = await started(site)
        await site.settle()
        revision = site.board.state.revision
        view = await site.rollouts.roll_back("damage", to=None, who="ann", reason="bad photos")
        assert view.rollout.state is State.ROLLING_BACK
        assert site.board.state.revision == revision + 1
        assert (await site.store.read()).table.route("damage").weights_bp == {"1.0.0": ALL_BP}
        (latest, *_) = await site.store.entries(rollout_id=rollout_id)
        assert (latest.entry.who, latest.entry.action, latest.entry.reason) == (
            "ann",
            "rollback",
            "bad photos",
        )
        assert latest.entry.before["weight_bp"] == 500

    async def test_routes_of_other_engines_stay_as_they_are(self) -> None:
        site = await begun()
        await started(site)
        await site.settle()
        before = site.board.table.routes
        await site.rollouts.roll_back("damage", to=None, who="ann", reason="")
        after = site.board.table.routes
        assert {name for name in after if after[name] != before[name]} == {"damage"}

    async def test_it_works_while_every_triton_is_down(self) -> None:
        site = await begun()
        await started(site)
        await site.settle()
        for triton in site.tritons:
            triton.is_away = True
        await site.settle()
        await site.rollouts.roll_back("damage", to=None, who="ann", reason="")
        assert site.route().weights_bp == {"1.0.0": ALL_BP}
        await site.settle()
        for triton in site.tritons:
            triton.is_away = False
            triton.restart()
        await site.settle()
        assert "damage--1.1.0" not in site.tritons[0].twins
        assert site.tritons[0].loaded["damage_detector"] == {1}

    async def test_said_again_it_changes_nothing(self) -> None:
        site = await begun()
        await started(site)
        await site.settle()
        for _ in range(2):
            await site.rollouts.roll_back("damage", to=None, who="ann", reason="")
        await site.settle()
        revision = site.board.state.revision
        view = await site.rollouts.roll_back("damage", to=None, who="ann", reason="")
        assert view.rollout.state is State.ROLLED_BACK
        assert site.board.state.revision == revision

    async def test_before_there_was_traffic_the_routes_stay(self) -> None:
        site = await begun()
        await started(site)
        table = site.board.table
        await site.rollouts.roll_back("damage", to=None, who="ann", reason="")
        assert site.board.table is table or site.board.table == table

    async def test_after_completion_it_is_a_rollout_of_its_own(self) -> None:
        site = await begun()
        await site.rollouts.start("damage", "1.1.0", Plan.direct(), who="ann", reason="")
        await site.settle()
        assert site.board.state.engines["damage"].stable == "1.1.0"
        await site.rollouts.roll_back("damage", to=None, who="ann", reason="")
        await site.settle()
        assert site.board.state.engines["damage"].stable == "1.0.0"
        assert site.route().weights_bp == {"1.0.0": ALL_BP}


class TestSteering:
    @pytest.mark.parametrize("by_what", ["id", "beginning", "engine"])
    async def test_a_rollout_is_found_by_what_a_person_types(self, by_what: str) -> None:
        site = await begun()
        rollout_id = await started(site)
        name = {"id": rollout_id, "beginning": rollout_id[:-2], "engine": "damage"}[by_what]
        view = await site.rollouts.command(name, Command.PAUSE, who="ann", reason="lunch")
        assert (view.rollout.state, view.rollout.reason) == (State.PAUSED, "lunch")

    async def test_what_is_ambiguous_or_unknown_is_not_found(self) -> None:
        site = await begun()
        for _ in range(2):
            await started(site)
            await site.rollouts.command("damage", Command.ABORT, who="ann", reason="")
            await site.settle()
        for name in ("damage-", "no-such"):
            error = await refusal(site.rollouts.show(name))
            assert (error.code, error.field) == (ErrorCode.NOT_FOUND, "rollout")

    @pytest.mark.parametrize(("count", "more"), [(2, ""), (5, ""), (7, " and 2 more")])
    async def test_the_beginning_of_several_names_the_latest(self, count: int, more: str) -> None:
        site = await begun()
        ids = []
        for _ in range(count):
            ids.append(await started(site))
            await site.rollouts.command("damage", Command.ABORT, who="ann", reason="")
            await site.settle()
        error = await refusal(site.rollouts.show("damage-"))
        named = ", ".join(ids[::-1][:5])
        assert error.message == f"'damage-' is the beginning of several rollouts: {named}{more}"

    async def test_an_engine_without_a_rollout_is_told_from_a_name_that_is_none(self) -> None:
        site = await begun()
        error = await refusal(site.rollouts.show("damage"))
        assert (error.code, error.field) == (ErrorCode.NOT_FOUND, "engine")
        assert error.message == "engine 'damage' has had no rollout yet"
        error = await refusal(site.rollouts.show("dmage"))
        assert error.message == "'dmage' is no rollout"

    async def test_what_is_over_is_not_steered_any_more(self) -> None:
        site = await begun()
        first = await started(site)
        await site.rollouts.command(first, Command.ABORT, who="ann", reason="")
        await site.settle()
        await started(site)
        error = await refusal(site.rollouts.command(first, Command.PAUSE, who="ann", reason=""))
        assert error.code is ErrorCode.CONFLICT
        assert "is over: rolled back" in error.message

    async def test_what_makes_no_sense_now_changes_nothing(self) -> None:
        site = await begun()
        await started(site)
        revision = site.board.state.revision
        error = await refusal(site.rollouts.command("damage", Command.RESUME, who="ann", reason=""))
        assert error.code is ErrorCode.CONFLICT
        assert site.board.state.revision == revision


class TestOthers:
    """Other planes, and the store."""

    async def test_a_command_is_decided_anew_when_others_write_first(self) -> None:
        site = Site()
        store = Store(site.clock.now_s)
        site = await begun(store=store)
        store.races = 3
        await started(site)
        assert site.rollout() is not None
        assert len(await store.entries(engine="damage")) == 1

    async def test_but_not_for_ever(self) -> None:
        site = Site()
        store = Store(site.clock.now_s)
        site = await begun(store=store)
        store.races = 1000
        error = await refusal(started(site))
        assert error.code is ErrorCode.CONFLICT
        error = await refusal(site.rollouts.record(AuditEntry("ann", "register")))
        assert error.code is ErrorCode.CONFLICT

    async def test_a_store_that_is_away_is_said_so(self) -> None:
        site = Site()
        store = Store(site.clock.now_s)
        site = await begun(store=store)
        store.is_away = True
        error = await refusal(started(site))
        assert error.code is ErrorCode.STORE_UNAVAILABLE
        assert error.is_retryable
        assert "connection refused" in error.message

    async def test_what_is_done_beside_the_state_is_written_down_too(self) -> None:
        site = Site()
        store = Store(site.clock.now_s)
        site = await begun(store=store)
        store.races = 1
        await site.rollouts.record(AuditEntry("ann", "register", engine="damage"))
        (latest, *_) = await site.rollouts.audit(engine="damage")
        assert latest.entry.action == "register"


class TestShowing:
    async def test_the_latest_come_first(self) -> None:
        site = await begun()
        first = await started(site)
        await site.rollouts.command("damage", Command.ABORT, who="ann", reason="")
        await site.settle()
        second = await started(site)
        found = await site.rollouts.rollouts(engine="damage")
        assert [one.rollout.rollout_id for one in found] == [second, first]
        assert await site.rollouts.rollouts(engine="volume") == ()
        error = await refusal(site.rollouts.rollouts(engine="no-such"))
        assert error.code is ErrorCode.UNKNOWN_ENGINE

    async def test_the_evidence_is_what_was_kept(self) -> None:
        site = await begun()
        rollout_id = await started(site)
        looks = [Assessment(float(at), 1, Verdict.UNDECIDED, "", at) for at in range(3)]
        for look in looks:
            await site.store.add_assessment(rollout_id, look)
        assert await site.rollouts.evidence("damage") == tuple(looks)
        assert (await site.rollouts.show("damage")).assessment == looks[-1]

    async def test_a_shadow_shows_its_share(self) -> None:
        site = await begun()
        await site.rollouts.start("damage", "1.1.0", Plan.shadow(30), who="ann", reason="")
        await site.settle()
        view = await site.rollouts.show("damage")
        assert (view.weight_bp, view.shadow_bp) == (0, 3000)

    async def test_what_is_over_has_no_traffic(self) -> None:
        site = await begun()
        await site.rollouts.start("damage", "1.1.0", Plan.direct(), who="ann", reason="")
        await site.settle()
        view = await site.rollouts.show("damage")
        assert (view.rollout.state, view.weight_bp, view.instances) == (State.COMPLETED, 0, {})

    async def test_each_instance_says_in_words_how_far_it_has_got(self) -> None:
        site = await begun()
        await started(site)
        site.tritons[0].is_away = True
        site.fleet.drain("triton-1", "maintenance")
        await site.look()
        view = await site.rollouts.show("damage")
        assert view.instances == {
            "triton-0": "unreachable",
            "triton-1": "held back by an operator",
        }

    async def test_a_table_without_the_engine_shows_no_traffic(self) -> None:
        site = await begun()
        await started(site)
        state = site.board.state
        await site.store.write(Change(table=RoutingTable(9)), expected=state.revision)
        site.board.put(await site.store.read())
        assert (await site.rollouts.show("damage")).instances == {}
