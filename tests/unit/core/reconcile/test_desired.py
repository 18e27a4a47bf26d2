"""Nothing is let go while somebody may be using it."""

from __future__ import annotations

from dataclasses import replace

from control_plane.core.reconcile import InstanceFacts, Reason, Wanted, desired_of
from tests.unit.core.reconcile.seeing import CANARY, DRAINING, KNOWN, NEW, STABLE, serving
from tests.unit.samples import DAMAGE, DAMAGE_NEXT

FLEET = {"a": serving(DAMAGE, DAMAGE_NEXT), "b": InstanceFacts()}


def test_every_instance_should_have_what_is_wanted() -> None:
    desired = desired_of(iter((*STABLE, CANARY)), known=iter(KNOWN), fleet=FLEET, routed={NEW})
    assert desired == {"a": (*STABLE, CANARY), "b": (*STABLE, CANARY)}


def test_what_is_wanted_no_more_is_let_go() -> None:
    desired = desired_of(STABLE, known=KNOWN, fleet=FLEET, routed={("materials", "1.1.0")})
    assert desired == {"a": STABLE, "b": STABLE}


def test_what_a_route_names_is_kept_everywhere() -> None:
    desired = desired_of(STABLE, known=KNOWN, fleet=FLEET, routed={NEW})
    assert desired == {"a": (*STABLE, DRAINING), "b": (*STABLE, DRAINING)}
    assert Wanted(DAMAGE_NEXT, Reason.DRAINING) == DRAINING


def test_what_is_being_answered_is_kept_there() -> None:
    fleet = {
        "a": replace(FLEET["a"], in_flight={NEW: 1}),
        "b": replace(FLEET["b"], in_flight={NEW: 0}),
    }
    desired = desired_of(STABLE, known=KNOWN, fleet=fleet, routed=())
    assert desired == {"a": (*STABLE, DRAINING), "b": STABLE}
