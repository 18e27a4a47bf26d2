"""Following the store: the board, what planes report, and a store that is away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from structlog.testing import capture_logs

from control_plane.adapters.stores import MemoryStore
from control_plane.core.health import State as Health
from control_plane.core.routing import all_to_stable
from control_plane.core.state import (
    AuditEntry,
    Change,
    Hold,
    HoldKind,
    PlaneReport,
    State,
)
from control_plane.loops.follow import Follow, FollowTimes
from control_plane.ports import StoreUnavailable
from control_plane.services.board import Board
from control_plane.services.holding import Holding
from tests.unit.fakes import FakeClock, FakeInstance
from tests.unit.samples import DAMAGE, ENGINES, make_fleet

TABLE = all_to_stable(ENGINES.values(), revision=1)


class Store(MemoryStore):
    """Counts what it is asked, and can be away."""

    is_away = False
    reads = 0
    during_revision: Callable[[], None] = staticmethod(lambda: None)

    async def revision(self) -> int:
        self.during_revision()
        if self.is_away:
            raise StoreUnavailable("connection refused")
        return await super().revision()

    async def read(self) -> State:
        self.reads += 1
        return await super().read()


class Follower:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = Store(self.clock.now_s)
        self.board = Board(State())
        self.healed: list[tuple[str, str]] = []
        self.fleet = make_fleet(FakeInstance(), FakeInstance(), clock=self.clock)
        self.follow = Follow(
            "plane-1",
            board=self.board,
            store=self.store,
            planes=self.store,
            fleet=self.fleet,
            times=FollowTimes(report_s=0.5),
            clock=self.clock,
            holding=self.holding(),
        )

    def holding(self) -> Holding:
        return Holding(
            plane="plane-1",
            board=self.board,
            store=self.store,
            audit=self.store,
            fleet=self.fleet,
            heal=lambda name, reason: self.healed.append((name, reason)),
        )

    async def write(self, change: Change) -> None:
        await self.store.write(change, expected=await self.store.revision())


async def test_what_another_plane_writes_is_on_the_board_after_the_next_round() -> None:
    site = Follower()
    changed = site.board.listen()
    await site.write(Change(table=TABLE))
    await site.follow.follow()
    assert site.board.table == TABLE
    assert changed.is_set()


async def test_as_long_as_the_revision_stays_nothing_is_read() -> None:
    site = Follower()
    await site.write(Change(table=TABLE))
    for _ in range(5):
        await site.follow.follow()
    assert site.store.reads == 1


async def test_a_state_that_is_older_than_the_boards_is_not_taken() -> None:
    site = Follower()
    await site.write(Change(table=TABLE))
    await site.follow.follow()
    site.board.put(State(0))
    assert site.board.table == TABLE


async def test_a_store_that_was_restored_from_a_backup_is_followed() -> None:
    site = Follower()
    for _ in range(3):
        await site.write(Change())
    site.board.put(State(3))
    backup = Store(site.clock.now_s)
    await backup.write(Change(table=TABLE), expected=0)
    site.follow._store = backup
    await site.follow.follow()
    assert (site.board.state.revision, site.board.table) == (1, TABLE)


async def test_a_read_that_this_planes_own_write_overtakes_is_no_store_that_went_back() -> None:
    class Overtaken(Store):
        async def read(self) -> State:
            state = await super().read()
            site.board.put(await self.write(Change(), expected=state.revision))
            return state

    site = Follower()
    site.follow._store = store = Overtaken(site.clock.now_s)
    for _ in range(3):
        await store.write(Change(), expected=await store.revision())  # another plane's
        await site.follow.follow()
        assert site.board.state.revision == await store.revision()


async def test_the_others_hear_what_is_routed_and_in_flight_here() -> None:
    site = Follower()
    await site.write(Change(table=TABLE))
    place = site.fleet.reserve(DAMAGE)
    await site.follow.follow()
    (report,) = await site.store.reports()
    assert report.plane == "plane-1"
    assert report.revision == 1
    assert ("damage", "1.0.0") in report.routed
    assert report.in_flight[place.instance.name] == {("damage", "1.0.0"): 1}


async def test_they_hear_it_every_while_and_at_once_when_the_routes_have_changed() -> None:
    site = Follower()
    await site.follow.follow()
    with site.fleet.reserve(DAMAGE):
        await site.follow.follow()
        (report,) = await site.store.reports()
        assert not any(report.in_flight.values())
        site.clock.advance(0.5)
        await site.follow.follow()
        (report,) = await site.store.reports()
        assert any(report.in_flight.values())
    await site.write(Change(table=TABLE))
    await site.follow.follow()
    (report,) = await site.store.reports()
    assert (report.revision, any(report.in_flight.values())) == (1, False)


async def test_what_the_others_say_is_on_the_board_and_what_it_says_itself_is_not() -> None:
    site = Follower()
    other = PlaneReport("plane-2", 7, frozenset({("damage", "1.1.0")}))
    await site.store.report(other, ttl_s=60.0)
    await site.follow.follow()
    assert site.board.reports == (other,)


async def test_while_the_store_is_away_all_stays_and_it_is_told_once() -> None:
    site = Follower()
    await site.write(Change(table=TABLE))
    await site.follow.follow()
    site.store.is_away = True
    with capture_logs() as logs:
        await site.follow.follow()
        await site.follow.follow()
        assert site.board.table == TABLE
        assert site.follow.is_away
        site.store.is_away = False
        await site.follow.follow()
        assert not site.follow.is_away
    assert [one["event"] for one in logs] == [
        "state store is away; going on by what was read",
        "state store is back",
    ]


class TestHolds:
    """Holding: what operators hold back is so on every plane, and stays so."""

    def hold(self, kind: HoldKind) -> Change:
        return Change(holds={"triton-0": Hold(kind, "new driver")})

    async def test_what_is_held_back_elsewhere_is_held_back_here_until_it_is_not(self) -> None:
        for kind, state in (
            (HoldKind.DRAINED, Health.DRAINING),
            (HoldKind.ISOLATED, Health.ISOLATED),
        ):
            site = Follower()
            await site.write(self.hold(kind))
            await site.follow.follow()
            health = site.fleet.health("triton-0")
            assert (health.state, health.reason) == (state, "new driver")
            await site.write(Change(holds={"triton-0": None}))
            await site.follow.follow()
            assert health.state is not state

    async def test_what_was_held_back_here_before_it_was_written_is_left_so(self) -> None:
        site = Follower()
        await site.write(Change())
        site.fleet.drain("triton-1", "by hand")
        await site.follow.follow()
        assert site.fleet.health("triton-1").state is Health.DRAINING

    async def test_it_is_written_down_with_who_said_so(self) -> None:
        site = Follower()
        holding = site.holding()
        entry = AuditEntry("ann", "drain", "new driver", instance="triton-0")
        await holding.write("triton-0", Hold(HoldKind.DRAINED, "new driver"), entry)
        assert site.board.state.holds == {"triton-0": Hold(HoldKind.DRAINED, "new driver")}
        (record,) = await site.store.entries()
        assert record.entry == replace(entry, after={"plane": "plane-1"})

    async def test_an_operator_is_not_kept_from_it_by_a_store_that_is_away(self) -> None:
        site = Follower()
        site.store.is_away = True
        holding = site.holding()
        with capture_logs() as logs:
            await holding.write("triton-0", None, AuditEntry("ann", "undrain"))
        assert [one["event"] for one in logs] == ["not stored; it holds here only"]

    async def test_an_earlier_word_does_not_undo_one_that_is_being_written(self) -> None:
        """An undrain was written here, and isolating follows before the next round has seen it."""
        site = Follower()
        holding, entry = site.holding(), AuditEntry("ann", "any", instance="triton-0")
        site.fleet.drain("triton-0", "new driver")
        await holding.write("triton-0", Hold(HoldKind.DRAINED, "new driver"), entry)
        holding.apply()
        site.fleet.undrain("triton-0", "done")
        await holding.write("triton-0", None, entry)
        site.fleet.isolate("triton-0", "burnt")
        site.store.during_revision = holding.apply
        await holding.write("triton-0", Hold(HoldKind.ISOLATED, "burnt"), entry)
        assert site.fleet.health("triton-0").state is Health.ISOLATED
        holding.apply()
        assert site.fleet.health("triton-0").state is Health.ISOLATED

    async def test_nor_one_that_could_not_be_written(self) -> None:
        site = Follower()
        holding, entry = site.holding(), AuditEntry("ann", "any", instance="triton-0")
        site.fleet.drain("triton-0", "new driver")
        await holding.write("triton-0", Hold(HoldKind.DRAINED, "new driver"), entry)
        holding.apply()
        site.fleet.undrain("triton-0", "done")
        await holding.write("triton-0", None, entry)
        site.fleet.isolate("triton-0", "burnt")
        site.store.is_away = True
        await holding.write("triton-0", Hold(HoldKind.ISOLATED, "burnt"), entry)
        holding.apply()
        assert site.fleet.health("triton-0").state is Health.ISOLATED

    async def test_what_was_healed_elsewhere_is_healed_here_once(self) -> None:
        site = Follower()
        old = AuditEntry("ann", "heal", "long ago", instance="triton-0", after={"plane": "plane-2"})
        await site.write(Change(audit=(old,)))
        await site.follow.follow()
        assert site.healed == []
        entries = [
            AuditEntry("ann", "heal", "new driver", instance=name, after={"plane": plane})
            for name, plane in (
                ("triton-0", "plane-2"),
                ("triton-1", "plane-1"),
                ("no-such", "plane-2"),
            )
        ]
        await site.write(Change(audit=tuple(entries)))
        for _ in range(3):
            await site.follow.follow()
        assert site.healed == [("triton-0", "new driver (on another control plane)")]

    async def test_a_heal_is_heard_though_this_plane_has_written_since(self) -> None:
        site = Follower()
        await site.follow.follow()
        told = AuditEntry("ann", "heal", "", instance="triton-0", after={"plane": "plane-2"})
        await site.write(Change(audit=(told,)))
        site.board.put(await site.store.write(Change(), expected=1))
        await site.follow.follow()
        assert [name for name, _ in site.healed] == ["triton-0"]

    async def test_a_hold_that_the_health_does_not_allow_is_told_and_hurts_nobody(self) -> None:
        site = Follower()
        site.fleet.isolate("triton-0", "not trusted")
        await site.write(self.hold(HoldKind.DRAINED))
        with capture_logs() as logs:
            await site.follow.follow()
        assert [one["event"] for one in logs] == ["a hold cannot be followed"]
        assert site.fleet.health("triton-0").state is Health.ISOLATED
