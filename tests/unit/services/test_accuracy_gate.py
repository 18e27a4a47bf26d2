"""The accuracy gate of a rollout: by what was said since it began, and not asked too often."""

from __future__ import annotations

from dataclasses import replace

from control_plane.adapters.stores import MemoryFeedback
from control_plane.core.accuracy import AccuracyGate, Feedback, Judged, Score
from control_plane.core.analysis import AnalysisOptions
from control_plane.core.assessing import Found
from control_plane.core.rollout import Plan, Rollout, State, Verdict
from control_plane.ports import StoreUnavailable
from control_plane.services.accuracy_gate import INTERVAL_S, MAX_ROLLOUTS, AccuracyGates
from control_plane.services.judging import Judging
from control_plane.services.measuring import Measuring
from tests.unit.fakes import FakeClock
from tests.unit.services.rollouts import FakeCountStore, split

BEGAN_S = 1000.0
ROLLOUT = Rollout(
    "r-1",
    "damage",
    "1.0.0",
    "1.1.0",
    Plan(accuracy=AccuracyGate("right", margin=0.1, least=3)),
    state=State.STEP,
    step=1,
    started_s=BEGAN_S,
)


class Setup:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.time_s = BEGAN_S
        self.store = Asked(lambda: self.time_s)
        self.gates = AccuracyGates(self.store, alpha=lambda _: 0.05, clock=self.clock)

    async def say(self, release: str, *, is_right: bool, times: int = 1) -> None:
        for _ in range(times):
            name = str(self.store.put_so_far)
            judged = Judged(is_right=is_right)
            await self.store.put(Feedback(f"r-{name}", f"d-{name}", "damage", release, judged))

    async def look(self, rollout: Rollout = ROLLOUT) -> Found:
        (found,) = await self.gates.look(rollout)
        return found


class Asked(MemoryFeedback):
    put_so_far = 0
    asked = 0
    is_away = False

    async def put(self, feedback: Feedback) -> bool:
        self.put_so_far += 1
        return await super().put(feedback)

    async def scores(
        self, engine: str, release: str, score: Score, *, after_s: float = 0.0, limit: int
    ) -> tuple[float, ...]:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("the store is away")
        return await super().scores(engine, release, score, after_s=after_s, limit=limit)


async def test_without_a_gate_nobody_is_asked_and_nothing_said() -> None:
    setup = Setup()
    assert await setup.gates.look(replace(ROLLOUT, plan=Plan())) == ()
    assert await setup.gates.look(replace(ROLLOUT, state=State.SHADOW)) == ()
    assert setup.store.asked == 0


async def test_feedback_is_waited_for_then_it_goes_on() -> None:
    setup = Setup()
    await setup.say("1.0.0", is_right=True, times=3)
    await setup.say("1.1.0", is_right=True, times=2)
    assert (await setup.look()).figures.verdict is Verdict.UNDECIDED
    await setup.say("1.1.0", is_right=True)
    setup.clock.advance(INTERVAL_S)
    assert (await setup.look()).figures.verdict is Verdict.NOT_WORSE


async def test_a_target_that_is_wrong_is_worse() -> None:
    setup = Setup()
    await setup.say("1.0.0", is_right=True, times=20)
    await setup.say("1.1.0", is_right=False, times=20)
    found = await setup.look()
    assert found.figures.verdict is Verdict.WORSE
    assert found.words == "accuracy:right is worse by more than 0.1: 1.00 → 0.00"


async def test_what_was_said_before_the_rollout_does_not_count() -> None:
    setup = Setup()
    setup.time_s = BEGAN_S - 1
    await setup.say("1.0.0", is_right=True, times=20)
    await setup.say("1.1.0", is_right=False, times=20)
    found = await setup.look()
    assert found.words == "accuracy:right: 0 of at least 3 judged photos of each release"


async def test_the_store_is_not_asked_at_every_look() -> None:
    setup = Setup()
    await setup.look()
    await setup.look()
    assert setup.store.asked == 2
    setup.clock.advance(INTERVAL_S)
    await setup.look()
    assert setup.store.asked == 4


async def test_a_store_that_is_away_holds_the_rollout_where_it_is() -> None:
    setup = Setup()
    setup.store.is_away = True
    found = await setup.look()
    assert found.figures.verdict is Verdict.ERROR
    assert found.words == "accuracy:right: the store is away"


async def test_so_many_rollouts_are_remembered() -> None:
    setup = Setup()
    for number in range(MAX_ROLLOUTS + 1):
        await setup.look(replace(ROLLOUT, rollout_id=f"r-{number}"))
    asked = setup.store.asked
    await setup.look(replace(ROLLOUT, rollout_id=f"r-{MAX_ROLLOUTS}"))
    assert setup.store.asked == asked
    await setup.look(replace(ROLLOUT, rollout_id="r-0"))
    assert setup.store.asked == asked + 2


async def test_a_judgement_has_what_the_gate_says_among_its_reasons() -> None:
    setup = Setup()
    await setup.say("1.0.0", is_right=True, times=20)
    await setup.say("1.1.0", is_right=False, times=20)
    judging = Judging(
        store=FakeCountStore(),
        measuring=Measuring(plane="one", table=lambda: split(500), clock=setup.clock),
        options=AnalysisOptions(),
        try_s=lambda _: 2.0,
        accuracy=setup.gates,
    )
    found = await judging.assess(ROLLOUT, None, 5000.0)
    assert found.verdict is Verdict.WORSE
    assert found.reason == "accuracy:right is worse by more than 0.1: 1.00 → 0.00"
    assert found.metrics[-1].metric == "accuracy:right"
