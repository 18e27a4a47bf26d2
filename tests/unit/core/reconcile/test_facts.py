"""Ready is what serves and has proved it, as long as it serves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.core.loading import LoadTwin, LoadVersions
from control_plane.core.mending import UnloadComponent, UnloadTwin
from control_plane.core.reconcile import (
    Action,
    InstanceFacts,
    NarrowVersions,
    Prove,
    keep_proofs,
    routable,
)
from tests.unit.core.reconcile.seeing import KNOWN, NEW, OLD, having, serving
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, VOLUME


def test_ready_is_serving_and_proved() -> None:
    facts = serving(DAMAGE, DAMAGE_NEXT)
    assert facts.is_ready(DAMAGE_NEXT)
    unproved = replace(facts, proved=frozenset({OLD}))
    assert unproved.is_serving(DAMAGE_NEXT)
    assert not unproved.is_ready(DAMAGE_NEXT)
    lost = replace(facts, observed=having(DAMAGE))
    assert not lost.is_serving(DAMAGE_NEXT)
    assert not lost.is_ready(DAMAGE_NEXT)


@pytest.mark.parametrize(
    "action",
    [
        UnloadTwin(DAMAGE_NEXT),
        UnloadComponent("preprocess"),
        NarrowVersions("damage_detector", (1,)),
        LoadVersions("damage_detector", (1, 3)),
    ],
)
def test_what_is_being_taken_away_is_not_ready(action: Action) -> None:
    facts = replace(serving(DAMAGE, DAMAGE_NEXT), under_way=(Prove(DAMAGE), action))
    assert not facts.is_ready(DAMAGE_NEXT)
    assert facts.is_serving(DAMAGE_NEXT)
    assert not facts.is_ready(VOLUME)


@pytest.mark.parametrize(
    "action",
    [
        UnloadTwin(DAMAGE),
        UnloadComponent("volume"),
        NarrowVersions("damage_detector", (2,)),
        NarrowVersions("volume", (4,)),
        LoadVersions("damage_detector", (2, 1)),
        LoadTwin(DAMAGE_NEXT),
        Prove(DAMAGE_NEXT),
    ],
)
def test_what_stays_is_ready(action: Action) -> None:
    facts = replace(serving(DAMAGE, DAMAGE_NEXT), under_way=(action,))
    assert facts.is_ready(DAMAGE_NEXT)


def test_what_does_not_answer_serves_nothing() -> None:
    assert not InstanceFacts(None, frozenset({OLD})).is_ready(DAMAGE)


def test_what_answers_and_is_not_held_back_can_be_changed() -> None:
    assert serving(DAMAGE).can_be_changed
    assert replace(serving(DAMAGE), resting=(Prove(DAMAGE),)).can_be_changed
    assert not replace(serving(DAMAGE), is_held_back=True).can_be_changed
    assert not InstanceFacts().can_be_changed


def test_a_proof_lasts_as_long_as_what_was_proved_is_there() -> None:
    both = frozenset({OLD, NEW})
    assert keep_proofs(both, KNOWN, having(DAMAGE, DAMAGE_NEXT)) == both
    assert keep_proofs(both, KNOWN, having(DAMAGE)) == {OLD}
    assert keep_proofs({NEW}, KNOWN, having(DAMAGE, DAMAGE_NEXT)) == {NEW}
    assert keep_proofs(both, KNOWN, having()) == frozenset()


def test_a_release_is_routable_when_it_is_ready_somewhere() -> None:
    fleet = {"a": serving(DAMAGE), "b": serving(DAMAGE, DAMAGE_NEXT), "c": InstanceFacts()}
    assert routable(iter(KNOWN), fleet) == {OLD, NEW}
    assert routable(KNOWN, {"a": fleet["a"]}) == {OLD}
    assert routable(KNOWN, {}) == frozenset()


def test_an_instance_that_takes_no_requests_makes_nothing_routable() -> None:
    fleet = {"a": serving(DAMAGE), "b": replace(serving(DAMAGE_NEXT), is_held_back=True)}
    assert routable(KNOWN, fleet) == {OLD}
