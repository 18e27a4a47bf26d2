"""What rests on an instance after it has failed, and what was refused there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from control_plane.core.loading import LoadTwin, LoadVersions, Observation
from control_plane.core.mending import UnloadComponent, UnloadTwin
from control_plane.core.reconcile import Action, Failure, NarrowVersions, Prove, Record
from tests.unit.core.reconcile.seeing import KNOWN, NEW, OLD, having
from tests.unit.samples import DAMAGE, DAMAGE_NEXT

WIDEN = LoadVersions("damage_detector", (1, 2))
TWIN = LoadTwin(DAMAGE_NEXT)
EMPTY = Observation()


class Highest:
    """Draws the longest rest."""

    def random(self) -> float:
        return 1.0


def failing(action: Action, *, is_telling: bool = True) -> Failure:
    return Failure(action, "no such op", is_telling)


def end(
    record: Record,
    *failures: Failure,
    done: Sequence[Action] = (),
    observed: Observation | None = EMPTY,
    now_s: float = 0.0,
) -> tuple[Failure, ...]:
    return record.ended(done, failures, observed, known=KNOWN, now_s=now_s, rng=Highest())


def test_at_first_nothing_rests_and_nothing_is_refused() -> None:
    record = Record()
    assert record.is_clean
    assert not record.has_rests
    assert (record.resting(0.0), record.refused) == ((), {})
    assert repr(record) == "<Record of 0 at rest, strikes {}>"


def test_what_has_failed_rests_longer_each_time() -> None:
    record, now_s = Record(), 0.0
    for rest_s in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        end(record, failing(TWIN), now_s=now_s)
        assert record.resting(now_s + rest_s - 0.001) == (TWIN,)
        assert record.resting(now_s + rest_s) == ()
        now_s += rest_s


@pytest.mark.parametrize(
    "action",
    [TWIN, WIDEN, Prove(DAMAGE), UnloadTwin(DAMAGE), UnloadComponent("volume")],
)
def test_each_action_rests_by_itself_until_it_is_done(action: Action) -> None:
    record = Record()
    narrow = NarrowVersions("preprocess", (1,))
    end(record, failing(action), failing(narrow))
    assert record.resting(0.5) == (action, narrow)
    seen = Observation(
        {"damage_detector": frozenset({1, 2})}, {DAMAGE_NEXT.model_name: DAMAGE_NEXT.pins}
    )
    if isinstance(action, LoadTwin | LoadVersions):
        end(record, done=[action], observed=seen)
    else:
        end(record, done=[action])
    assert record.resting(0.5) == (narrow,)


def test_with_other_versions_it_is_another_action_whose_rests_begin_anew() -> None:
    record = Record()
    for _ in range(3):
        end(record, failing(WIDEN))
    other = LoadVersions("damage_detector", (1, 3))
    end(record, failing(other))
    assert record.resting(0.5) == (other,)
    assert record.resting(1.0) == ()


@pytest.mark.parametrize(
    ("action", "keys"),
    [
        (TWIN, {NEW}),
        (Prove(DAMAGE_NEXT), {NEW}),
        (WIDEN, {OLD, NEW}),
        (UnloadTwin(DAMAGE), set()),
    ],
)
def test_two_failures_in_a_row_are_a_refusal(action: Action, keys: set[tuple[str, str]]) -> None:
    record = Record()
    end(record, failing(action))
    assert record.refused == {}
    end(record, failing(action))
    assert record.refused == dict.fromkeys(keys, "no such op")
    assert record.has_rests


def test_what_says_nothing_of_the_release_is_no_step_towards_a_refusal() -> None:
    record = Record()
    for _ in range(3):
        end(record, failing(TWIN, is_telling=False))
    assert record.refused == {}
    assert record.resting(3.0) == (TWIN,)


def test_after_which_the_instance_was_away_it_is_one_and_nothing_rests() -> None:
    record = Record()
    for _ in range(2):
        failed = end(record, failing(TWIN, is_telling=False), done=[WIDEN], observed=None)
        assert failed == (failing(TWIN, is_telling=False),)
    assert record.refused == {NEW: "no such op"}
    assert not record.has_rests
    assert not record.is_clean


def test_what_was_only_said_to_be_done_has_failed() -> None:
    record = Record()
    (failed,) = end(record, done=[WIDEN], observed=having(DAMAGE))
    assert failed == Failure(WIDEN, "damage_detector 2 was loaded and is not ready", True)
    assert record.resting(0.5) == (WIDEN,)


def test_a_proof_forgives_and_so_does_not_being_wanted() -> None:
    record = Record()
    for _ in range(2):
        end(record, failing(WIDEN))
    record.proved(OLD)
    assert record.refused == {NEW: "no such op"}
    record.keep({OLD})
    assert record.refused == {}
