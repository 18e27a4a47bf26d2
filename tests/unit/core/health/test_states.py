"""The table of states, row by row; what it does not know raises and changes nothing."""

from __future__ import annotations

import pytest

from control_plane.core.health.fitness import TRANSITIONS as FITNESS_TRANSITIONS
from control_plane.core.health.fitness import EngineFitness, Fitness, FitnessEvent
from control_plane.core.health.looks import ProbeResult
from control_plane.core.health.states import (
    TAKES_TRAFFIC,
    TRANSITIONS,
    Event,
    IllegalEvent,
    State,
    next_state,
)
from control_plane.errors import ErrorCode

LOOKS = [Event.LOOKS_GOOD, Event.LOOKS_PARTIAL, Event.LOOKS_BAD]
LOOKED_AT = [State.UNKNOWN, State.HEALTHY, State.DEGRADED, State.UNHEALTHY]


@pytest.mark.parametrize("state", LOOKED_AT)
def test_looks_and_operators_decide(state: State) -> None:
    after = [next_state("a", state, event) for event in (*LOOKS, Event.DRAIN, Event.ISOLATE)]
    assert after == [
        State.HEALTHY,
        State.DEGRADED,
        State.UNHEALTHY,
        State.DRAINING,
        State.ISOLATED,
    ]


@pytest.mark.parametrize("state", [State.DRAINING, State.ISOLATED])
@pytest.mark.parametrize("event", LOOKS)
def test_an_operators_states_win_over_looks(state: State, event: Event) -> None:
    assert next_state("a", state, event) is state


@pytest.mark.parametrize(
    ("state", "event", "after"),
    [
        (State.DRAINING, Event.UNDRAIN, State.UNKNOWN),
        (State.DRAINING, Event.ISOLATE, State.ISOLATED),
        (State.ISOLATED, Event.HEAL, State.UNKNOWN),
        (State.UNHEALTHY, Event.HEAL, State.UNKNOWN),
        (State.DEGRADED, Event.HEAL, State.UNKNOWN),
        (State.HEALTHY, Event.HEAL, State.HEALTHY),
        (State.UNKNOWN, Event.HEAL, State.UNKNOWN),
    ],
)
def test_an_operator_lets_it_go(state: State, event: Event, after: State) -> None:
    assert next_state("a", state, event) is after


@pytest.mark.parametrize(
    ("state", "event"),
    [
        *((state, Event.UNDRAIN) for state in State if state is not State.DRAINING),
        (State.DRAINING, Event.DRAIN),
        (State.DRAINING, Event.HEAL),
        (State.ISOLATED, Event.DRAIN),
        (State.ISOLATED, Event.ISOLATE),
    ],
)
def test_what_makes_no_sense_is_refused(state: State, event: Event) -> None:
    with pytest.raises(IllegalEvent) as caught:
        next_state("instance 'a'", state, event)
    assert caught.value.code is ErrorCode.CONFLICT
    assert str(caught.value) == f"instance 'a' is {state}: {event} does not apply to it now"


def test_every_state_is_in_the_table_and_two_take_traffic() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {State.HEALTHY, State.DEGRADED} == TAKES_TRAFFIC


class TestFitness:
    """In after 1 good probe when new or mended, 2 otherwise; out after 2 failed, or 1 wrong."""

    def engine(self, state: Fitness = Fitness.PROVING) -> EngineFitness:
        engine = EngineFitness("damage", failed_probes=2, good_probes=2)
        for event in {
            Fitness.PROVING: [],
            Fitness.FIT: [FitnessEvent.PROVED],
            Fitness.UNFIT: [FitnessEvent.DISPROVED],
            Fitness.MENDING: [FitnessEvent.TAKE_OUT],
            Fitness.GIVEN_UP: [FitnessEvent.TAKE_OUT, FitnessEvent.GIVE_UP],
        }[state]:
            engine.apply(event, "told")
        assert engine.state is state
        return engine

    @pytest.mark.parametrize(
        ("state", "probes", "after"),
        [
            (Fitness.PROVING, "", Fitness.PROVING),
            (Fitness.PROVING, "o", Fitness.FIT),
            (Fitness.PROVING, "f", Fitness.UNFIT),
            (Fitness.PROVING, "w", Fitness.UNFIT),
            (Fitness.PROVING, "s", Fitness.FIT),
            (Fitness.PROVING, "bbb", Fitness.PROVING),
            (Fitness.FIT, "ooo", Fitness.FIT),
            (Fitness.FIT, "f", Fitness.FIT),
            (Fitness.FIT, "fof", Fitness.FIT),
            (Fitness.FIT, "fsf", Fitness.FIT),
            (Fitness.FIT, "fbf", Fitness.UNFIT),
            (Fitness.FIT, "ff", Fitness.UNFIT),
            (Fitness.FIT, "w", Fitness.UNFIT),
            (Fitness.FIT, "ssss", Fitness.FIT),
            (Fitness.UNFIT, "o", Fitness.UNFIT),
            (Fitness.UNFIT, "ofo", Fitness.UNFIT),
            (Fitness.UNFIT, "owo", Fitness.UNFIT),
            (Fitness.UNFIT, "os", Fitness.FIT),
            (Fitness.UNFIT, "obb", Fitness.UNFIT),
            (Fitness.UNFIT, "obo", Fitness.FIT),
            (Fitness.UNFIT, "oof", Fitness.FIT),
            (Fitness.UNFIT, "fw", Fitness.UNFIT),
            (Fitness.MENDING, "ooffw", Fitness.MENDING),
            (Fitness.GIVEN_UP, "ooffw", Fitness.GIVEN_UP),
        ],
    )
    def test_probes(self, state: Fitness, probes: str, after: Fitness) -> None:
        engine = self.engine(state)
        results = {
            "o": ProbeResult.OK,
            "f": ProbeResult.FAILED,
            "w": ProbeResult.WRONG_ANSWER,
            "s": ProbeResult.SLOW,
            "b": ProbeResult.BUSY,
        }
        before = engine.state
        for probe in probes:
            has_changed = engine.probed(results[probe])
            assert has_changed is (engine.state is not before)
            before = engine.state
        assert engine.state is after

    @pytest.mark.parametrize(
        ("state", "event", "after"),
        [
            (Fitness.PROVING, FitnessEvent.TAKE_OUT, Fitness.MENDING),
            (Fitness.FIT, FitnessEvent.TAKE_OUT, Fitness.MENDING),
            (Fitness.UNFIT, FitnessEvent.TAKE_OUT, Fitness.MENDING),
            (Fitness.UNFIT, FitnessEvent.GIVE_UP, Fitness.GIVEN_UP),
            (Fitness.MENDING, FitnessEvent.MENDED, Fitness.FIT),
            (Fitness.MENDING, FitnessEvent.MEND_FAILED, Fitness.UNFIT),
            (Fitness.MENDING, FitnessEvent.GIVE_UP, Fitness.GIVEN_UP),
            (Fitness.GIVEN_UP, FitnessEvent.HEAL, Fitness.PROVING),
            (Fitness.FIT, FitnessEvent.UNLOADED, Fitness.PROVING),
            (Fitness.UNFIT, FitnessEvent.UNLOADED, Fitness.PROVING),
            (Fitness.PROVING, FitnessEvent.UNLOADED, Fitness.PROVING),
            (Fitness.MENDING, FitnessEvent.UNLOADED, Fitness.MENDING),
            (Fitness.GIVEN_UP, FitnessEvent.UNLOADED, Fitness.PROVING),
        ],
    )
    def test_events(self, state: Fitness, event: FitnessEvent, after: Fitness) -> None:
        engine = self.engine(state)
        reason = engine.reason
        assert engine.apply(event, "because") is (state is not after)
        assert engine.state is after
        assert engine.reason == (reason if state is after else "because")

    @pytest.mark.parametrize(
        ("state", "event"),
        [
            (state, event)
            for state in Fitness
            for event in FitnessEvent
            if event not in FITNESS_TRANSITIONS[state]
        ],
    )
    def test_an_illegal_event_raises_and_changes_nothing(
        self, state: Fitness, event: FitnessEvent
    ) -> None:
        engine = self.engine(state)
        shown = repr(engine)
        with pytest.raises(IllegalEvent, match=f"engine 'damage' is {state}: {event} does not"):
            engine.apply(event, "because")
        assert repr(engine) == shown

    def test_illegal_are_just_these(self) -> None:
        illegal = {
            (state, event)
            for state in Fitness
            for event in FitnessEvent
            if event not in FITNESS_TRANSITIONS[state]
        }
        mending = {FitnessEvent.MENDED, FitnessEvent.MEND_FAILED}
        probed = {Fitness.PROVING, Fitness.FIT, Fitness.UNFIT}
        expected = {(state, event) for state in probed for event in {*mending, FitnessEvent.HEAL}}
        expected |= {(state, FitnessEvent.GIVE_UP) for state in probed - {Fitness.UNFIT}}
        expected |= {(Fitness.GIVEN_UP, event) for event in mending}
        expected |= {
            (Fitness.MENDING, FitnessEvent.TAKE_OUT),
            (Fitness.MENDING, FitnessEvent.HEAL),
            (Fitness.GIVEN_UP, FitnessEvent.TAKE_OUT),
            (Fitness.GIVEN_UP, FitnessEvent.GIVE_UP),
        }
        assert illegal == expected

    def test_a_change_begins_new_rows(self) -> None:
        engine = self.engine(Fitness.FIT)
        engine.probed(ProbeResult.FAILED)
        engine.apply(FitnessEvent.UNLOADED, "gone")
        engine.probed(ProbeResult.OK)
        engine.probed(ProbeResult.FAILED)
        assert engine.state is Fitness.FIT
        assert repr(engine) == "<EngineFitness damage fit: probe: ok>"
        engine.probed(ProbeResult.FAILED)
        assert repr(engine) == "<EngineFitness damage unfit: probe: failed>"

    def test_one_wrong_answer_is_enough_however_many_failures_are_allowed(self) -> None:
        engine = EngineFitness("damage", failed_probes=7, good_probes=1)
        engine.probed(ProbeResult.OK)
        engine.probed(ProbeResult.WRONG_ANSWER)
        assert engine.state is Fitness.UNFIT
        engine.probed(ProbeResult.OK)
        assert engine.state is Fitness.FIT
