"""Gates are asked when they are due, beside the judging, and remembered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from structlog.testing import capture_logs

from control_plane.core.gates import Condition, Gate
from control_plane.core.rollout import Plan, Rollout, Verdict
from control_plane.ports import QueryFailed
from control_plane.services.gates import MAX_ROLLOUTS, Gates
from tests.unit.fakes import FakeClock

ROLLOUT = Rollout("r-1", "damage", "1.0.0", "1.1.0", Plan.direct())
GATE = Gate("rate", "rate{{release}}", Condition("<", 0.5), interval_s=10.0)


@dataclass(slots=True)
class FakePrometheus:
    """Answers with ``values``, or fails with ``failure``, once ``hold`` is set."""

    values: tuple[float, ...] = (0.1,)
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.hold.set()

    async def query(self, expression: str, *, timeout_s: float) -> tuple[float, ...]:
        self.asked.append(expression)
        await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        return self.values


class Setup:
    def __init__(self) -> None:
        self.prometheus, self.clock = FakePrometheus(), FakeClock()
        self.gates = Gates([GATE], self.prometheus, clock=self.clock)

    async def look(self, rollout: Rollout = ROLLOUT) -> tuple[Verdict, str]:
        """What is said now; then whoever was asked has time to answer."""
        (found,) = self.gates.look(rollout)
        for _ in range(3):
            await asyncio.sleep(0)
        return found.figures.verdict, found.words


async def test_a_gate_is_asked_and_its_answer_is_there_at_the_next_look() -> None:
    setup = Setup()
    assert await setup.look() == (Verdict.ERROR, "query:rate: not asked yet")
    assert (await setup.look())[0] is Verdict.NOT_WORSE
    assert setup.prometheus.asked == ["rate{1.1.0}"]


async def test_it_is_asked_again_when_its_interval_is_over() -> None:
    setup = Setup()
    setup.prometheus.values = (0.9,)
    await setup.look()
    setup.clock.advance(9.9)
    assert (await setup.look())[0] is Verdict.UNDECIDED
    assert len(setup.prometheus.asked) == 1
    setup.clock.advance(0.1)
    await setup.look()
    assert (await setup.look())[0] is Verdict.WORSE
    assert len(setup.prometheus.asked) == 2


async def test_a_prometheus_that_hangs_holds_nobody_up() -> None:
    setup = Setup()
    setup.prometheus.hold.clear()
    for _ in range(3):
        setup.clock.advance(100.0)
        assert (await setup.look())[0] is Verdict.ERROR
    assert len(setup.prometheus.asked) == 1
    await setup.gates.close()


async def test_a_query_that_fails_says_why() -> None:
    setup = Setup()
    setup.prometheus.failure = QueryFailed("no answer within 5 s")
    await setup.look()
    assert await setup.look() == (Verdict.ERROR, "query:rate: no answer within 5 s")
    setup.clock.advance(10.0)
    setup.prometheus.failure = RuntimeError("odd")
    with capture_logs() as logs:
        await setup.look()
    assert [line["gate"] for line in logs] == ["rate"]
    assert (await setup.look())[1] == "query:rate: RuntimeError('odd')"


async def test_each_rollout_has_measures_of_its_own_and_so_many_are_remembered() -> None:
    setup = Setup()
    await setup.look()
    setup.prometheus.hold.clear()
    for number in range(MAX_ROLLOUTS):
        other = replace(ROLLOUT, rollout_id=f"other-{number}")
        assert (await setup.look(other))[1] == "query:rate: not asked yet"
    assert (await setup.look())[1] == "query:rate: not asked yet"
    await setup.gates.close()
