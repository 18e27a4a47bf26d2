"""What an operator may do to an instance, and when not."""

from __future__ import annotations

import pytest

from control_plane.core.health import State
from control_plane.core.outcomes import Verdict
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.fleet import Fleet
from control_plane.services.operations import DEFAULT_REASON, Action, Operations
from tests.unit.fakes import FakeInstance
from tests.unit.samples import DAMAGE, STABLE, TABLE, make_fleet


class FakeMending:
    def __init__(self) -> None:
        self.healed: list[str] = []

    def heal(self, name: str) -> None:
        self.healed.append(name)


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(FakeInstance(), FakeInstance())


@pytest.fixture
def mending() -> FakeMending:
    return FakeMending()


@pytest.fixture
def operations(fleet: Fleet, mending: FakeMending) -> Operations:
    return Operations(fleet, lambda: TABLE, mending)


async def refusal_of(operations: Operations, action: Action, name: str, **options: str) -> str:
    """The message of a CONFLICT."""
    with pytest.raises(ControlPlaneError) as refused:
        await operations.act(action, name, **options)
    assert refused.value.code is ErrorCode.CONFLICT
    return refused.value.message


def names_ready(fleet: Fleet) -> list[str]:
    return [instance.name for instance in fleet.ready_on("damage", "1.0.0")]


@pytest.mark.parametrize(
    ("out", "back", "held"),
    [(Action.DRAIN, Action.UNDRAIN, State.DRAINING), (Action.ISOLATE, Action.HEAL, State.ISOLATED)],
)
async def test_an_instance_is_taken_out_and_brought_back(
    fleet: Fleet, operations: Operations, out: Action, back: Action, held: State
) -> None:
    await operations.act(out, "triton-0", reason="  new driver ")
    health = fleet.health("triton-0")
    assert (health.state, health.reason) == (held, "new driver")
    assert names_ready(fleet) == ["triton-1"]
    await operations.act(back, "triton-0")
    assert (health.state, health.reason) == (State.UNKNOWN, DEFAULT_REASON)
    assert fleet.instance("triton-0").look_again.is_set()
    fleet.publish("triton-0", serving=STABLE, is_live=True, reason="", now_s=1001.0)
    assert names_ready(fleet) == ["triton-0", "triton-1"]


@pytest.mark.parametrize("action", [Action.DRAIN, Action.ISOLATE])
async def test_doing_it_again_changes_nothing(
    fleet: Fleet, operations: Operations, action: Action
) -> None:
    await operations.act(action, "triton-0", reason="first")
    history = fleet.health("triton-0").history
    await operations.act(action, "triton-0", reason="second")
    assert fleet.health("triton-0").history == history


async def test_the_last_instance_is_not_taken_out_unless_it_has_to_be(
    fleet: Fleet, operations: Operations
) -> None:
    await operations.act(Action.DRAIN, "triton-0")
    for action in (Action.DRAIN, Action.ISOLATE):
        assert await refusal_of(operations, action, "triton-1") == (
            "'triton-1' is the last instance that takes requests for "
            "damage 1.0.0, materials 1.0.0, volume 4.0.0; "
            f"to {action} it all the same, force it"
        )
    assert names_ready(fleet) == ["triton-1"]
    await operations.act(Action.DRAIN, "triton-1", force=True)
    with pytest.raises(ControlPlaneError) as refused:
        fleet.reserve(DAMAGE)
    assert refused.value.code is ErrorCode.RELEASE_NOT_READY


async def test_only_what_is_routed_and_taken_there_keeps_an_instance(
    fleet: Fleet, operations: Operations
) -> None:
    # The other one has all but damage, and this one an old release besides, that nobody routes.
    rest = STABLE - {("damage", "1.0.0")}
    here = STABLE | {("damage", "1.1.0")}
    fleet.publish("triton-1", serving=rest, is_live=True, reason="", now_s=1001.0)
    fleet.publish("triton-0", serving=here, is_live=True, reason="", now_s=1001.0)
    message = await refusal_of(operations, Action.DRAIN, "triton-0")
    assert "takes requests for damage 1.0.0; to drain" in message
    await operations.act(Action.DRAIN, "triton-1")
    # What takes no requests any more is nobody's last instance.
    await operations.act(Action.ISOLATE, "triton-1")
    assert fleet.health("triton-1").state is State.ISOLATED


async def test_one_whose_breaker_is_open_is_nowhere_else(
    fleet: Fleet, operations: Operations
) -> None:
    for _ in range(5):
        with fleet.reserve(DAMAGE, tried=["triton-1"]) as place:
            place.settle(Verdict.FAILURE)
    message = await refusal_of(operations, Action.DRAIN, "triton-1")
    assert "takes requests for damage 1.0.0; to drain" in message
    await operations.act(Action.DRAIN, "triton-0")


async def test_the_last_of_the_last_resorts_stays(fleet: Fleet, operations: Operations) -> None:
    for name in ("triton-0", "triton-1"):
        for _ in range(2):  # as many bad looks as make it unhealthy
            fleet.publish(
                name, serving=(), is_live=True, is_answering=False, reason="", now_s=1001.0
            )
    assert names_ready(fleet) == []
    await operations.act(Action.DRAIN, "triton-0")
    await refusal_of(operations, Action.DRAIN, "triton-1")
    with fleet.reserve(DAMAGE) as place:
        assert place.instance.name == "triton-1"


async def test_a_last_resort_is_no_reason_to_take_out_what_is_well(
    fleet: Fleet, operations: Operations
) -> None:
    for _ in range(2):
        fleet.publish(
            "triton-0", serving=(), is_live=True, is_answering=False, reason="", now_s=1001.0
        )
    await refusal_of(operations, Action.DRAIN, "triton-1")
    await operations.act(Action.DRAIN, "triton-0")


@pytest.mark.parametrize("action", [Action.DRAIN, Action.ISOLATE])
async def test_an_instance_that_serves_nothing_is_taken_out_without_force(
    fleet: Fleet, operations: Operations, action: Action
) -> None:
    for name in ("triton-0", "triton-1"):
        fleet.publish(name, serving=(), is_live=False, reason="", now_s=1001.0)
    await operations.act(action, "triton-0")
    await operations.act(action, "triton-1")


async def test_what_makes_no_sense_now_is_a_conflict(
    fleet: Fleet, operations: Operations, mending: FakeMending
) -> None:
    assert "undrain does not apply" in await refusal_of(operations, Action.UNDRAIN, "triton-0")
    await operations.act(Action.DRAIN, "triton-0")
    assert "heal does not apply" in await refusal_of(operations, Action.HEAL, "triton-0")
    assert mending.healed == []
    await operations.act(Action.ISOLATE, "triton-0")
    assert "drain does not apply" in await refusal_of(operations, Action.DRAIN, "triton-0")


async def test_a_heal_is_told_to_what_mends(operations: Operations, mending: FakeMending) -> None:
    await operations.act(Action.HEAL, "triton-0")
    await operations.act(Action.ISOLATE, "triton-0")
    assert mending.healed == ["triton-0"]


async def test_a_heal_needs_nothing_that_mends(fleet: Fleet) -> None:
    await Operations(fleet, lambda: TABLE).act(Action.HEAL, "triton-0")
    assert fleet.health("triton-0").state is State.HEALTHY


@pytest.mark.parametrize("action", list(Action))
async def test_an_instance_that_nobody_knows_is_not_found(
    operations: Operations, action: Action
) -> None:
    with pytest.raises(ControlPlaneError) as refused:
        await operations.act(action, "triton-7")
    assert refused.value.code is ErrorCode.NOT_FOUND
    assert "known: triton-0, triton-1" in refused.value.message


@pytest.mark.parametrize("reason", ["x" * 201, "two\nlines", "\x1b[2J", "bell\a", "\ud800"])
async def test_a_reason_that_cannot_be_shown_is_refused(
    fleet: Fleet, operations: Operations, reason: str
) -> None:
    with pytest.raises(ControlPlaneError) as refused:
        await operations.act(Action.DRAIN, "triton-0", reason=reason)
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID_ARGUMENT, "reason")
    assert fleet.health("triton-0").state is State.HEALTHY


@pytest.mark.parametrize(("given", "kept"), [("x" * 200, "x" * 200), ("  ", DEFAULT_REASON)])
async def test_a_reason_is_kept(
    fleet: Fleet, operations: Operations, given: str, kept: str
) -> None:
    await operations.act(Action.DRAIN, "triton-0", reason=given)
    assert fleet.health("triton-0").reason == kept
