"""Where health says an engine stands, there it is placed: in turn, as a last resort, or not."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from structlog.testing import capture_logs

from control_plane.core.breaker import State as BreakerState
from control_plane.core.health import Fitness, IllegalEvent, ProbeResult
from control_plane.core.outcomes import Verdict
from control_plane.errors import ControlPlaneError
from control_plane.services.fleet import Fleet
from tests.unit.fakes import FakeClock, FakeInstance
from tests.unit.samples import DAMAGE, STABLE, VOLUME, make_fleet

SERVED = ("damage", "1.0.0")


def fleet_of(count: int, *, probed: Collection[str] = (), clock: FakeClock | None = None) -> Fleet:
    return make_fleet(*(FakeInstance() for _ in range(count)), probed=probed, clock=clock)


def look(fleet: Fleet, name: str = "triton-0", *, is_answering: bool = True) -> bool:
    return fleet.publish(
        name,
        serving=STABLE if is_answering else (),
        is_live=True,
        is_answering=is_answering,
        reason="",
        now_s=1000.0,
    )


def probe(fleet: Fleet, *results: ProbeResult, name: str = "triton-0") -> None:
    for result in results:
        fleet.probed(name, ("damage", "1.0.0"), result, "told")


def trip(fleet: Fleet, name: str = "triton-0") -> None:
    others = {instance.name for instance in fleet.instances} - {name}
    for _ in range(5):
        with fleet.reserve(DAMAGE, tried=others) as place:
            place.settle(Verdict.FAILURE)


def ready(fleet: Fleet) -> list[str]:
    return [instance.name for instance in fleet.ready_on(*SERVED)]


def reserved(fleet: Fleet, *tried: str) -> str:
    """Where the next request goes and is answered; "" for nowhere."""
    try:
        with fleet.reserve(DAMAGE, tried=tried) as place:
            place.settle(Verdict.SUCCESS)
            return place.instance.name
    except ControlPlaneError:
        return ""


class TestPlacing:
    def test_what_has_to_prove_itself_takes_nothing_before(self) -> None:
        fleet = fleet_of(1, probed=["damage"])
        assert (ready(fleet), reserved(fleet)) == ([], "")
        probe(fleet, ProbeResult.OK)
        assert (ready(fleet), reserved(fleet)) == (["triton-0"], "triton-0")

    def test_what_failed_its_probes_is_a_last_resort(self) -> None:
        fleet = fleet_of(2, probed=["damage"])
        for name in ("triton-0", "triton-1"):
            probe(fleet, ProbeResult.OK, name=name)
        probe(fleet, ProbeResult.FAILED, ProbeResult.FAILED)
        assert ready(fleet) == ["triton-1"]
        assert {reserved(fleet) for _ in range(10)} == {"triton-1"}
        probe(fleet, ProbeResult.FAILED, ProbeResult.FAILED, name="triton-1")
        assert ready(fleet) == []
        assert reserved(fleet) in ("triton-0", "triton-1")
        probe(fleet, ProbeResult.OK, ProbeResult.OK)
        assert ready(fleet) == ["triton-0"]

    def test_what_answered_wrongly_is_asked_by_nobody(self) -> None:
        fleet = fleet_of(1, probed=["damage"])
        probe(fleet, ProbeResult.OK, ProbeResult.WRONG_ANSWER)
        assert (ready(fleet), reserved(fleet)) == ([], "")

    def test_a_probe_moves_its_own_engine_only(self) -> None:
        fleet = fleet_of(1, probed=["damage"])
        probe(fleet, ProbeResult.OK, ProbeResult.WRONG_ANSWER)
        assert fleet.ready_on("volume", "4.0.0") == fleet.instances

    def test_what_hangs_keeps_what_it_served_as_a_last_resort(self) -> None:
        fleet = fleet_of(2)
        look(fleet, is_answering=False)
        look(fleet, is_answering=False)
        assert fleet.instance("triton-0").serving == STABLE
        assert not fleet.instance("triton-0").is_live
        assert ready(fleet) == ["triton-1"]
        fleet.publish("triton-1", serving=(), is_live=False, reason="", now_s=1000.0)
        assert reserved(fleet) == "triton-0"

    def test_what_is_gone_is_nowhere(self) -> None:
        fleet = fleet_of(1)
        fleet.publish("triton-0", serving=(), is_live=True, reason="", now_s=1000.0)
        assert reserved(fleet) == ""

    def test_a_change_of_what_is_served_asks_for_a_probe(self) -> None:
        fleet = fleet_of(1)
        again = fleet.instance("triton-0").probe_again
        again.clear()
        look(fleet)
        assert not again.is_set()
        fleet.publish("triton-0", serving=(), is_live=True, reason="", now_s=1000.0)
        assert again.is_set()

    def test_so_does_a_request_that_failed_and_no_other(self) -> None:
        fleet = fleet_of(1)
        (instance,) = fleet.instances
        instance.probe_again.clear()
        for verdict in (Verdict.SUCCESS, Verdict.IGNORED):
            fleet.reserve(DAMAGE).settle(verdict)
        assert not instance.probe_again.is_set()
        assert (instance.answered_at_s, instance.failed_at_s) == ({SERVED: 1000.0}, {})
        fleet.reserve(DAMAGE).settle(Verdict.FAILURE)
        assert instance.probe_again.is_set()
        assert instance.failed_at_s == {SERVED: 1000.0}


class TestReserving:
    def test_the_same_instance_again_is_better_than_a_last_resort(self) -> None:
        fleet = fleet_of(2, probed=["damage"])
        for name in ("triton-0", "triton-1"):
            probe(fleet, ProbeResult.OK, name=name)
        probe(fleet, ProbeResult.FAILED, ProbeResult.FAILED, name="triton-1")
        assert reserved(fleet, "triton-0") == "triton-0"

    def test_another_is_better_than_the_same(self) -> None:
        fleet = fleet_of(2)
        assert {reserved(fleet, "triton-0") for _ in range(5)} == {"triton-1"}
        assert fleet.has_other(DAMAGE, {"triton-0"})

    def test_a_last_resort_is_no_other(self) -> None:
        fleet = fleet_of(2)
        look(fleet, "triton-1", is_answering=False)
        look(fleet, "triton-1", is_answering=False)
        assert not fleet.has_other(DAMAGE, {"triton-0"})

    def test_a_retry_goes_to_a_last_resort_only_where_calls_are_answered(self) -> None:
        fleet = fleet_of(2)
        for name in ("triton-0", "triton-1") * 2:
            look(fleet, name, is_answering=False)
        assert reserved(fleet, "triton-0") == "", "neither has answered lately"
        first = reserved(fleet)
        assert reserved(fleet, *({"triton-0", "triton-1"} - {first})) == first

    def test_what_is_barred_is_not_asked_though_there_is_no_other(self) -> None:
        fleet = fleet_of(2)
        names = ["triton-0", "triton-1"]
        for _ in range(10):
            with fleet.reserve(DAMAGE, tried=names, barred=["triton-0"]) as place:
                assert place.instance.name == "triton-1"
        with pytest.raises(ControlPlaneError):
            fleet.reserve(DAMAGE, barred=names)

    def test_a_sequence_stays_on_one_last_resort(self) -> None:
        fleet = fleet_of(2)
        for name in ("triton-0", "triton-1") * 2:
            look(fleet, name, is_answering=False)
        homes = set()
        for _ in range(30):
            with fleet.reserve(DAMAGE, sequence="42") as place:
                place.settle(Verdict.SUCCESS)
                homes.add(place.instance.name)
        assert len(homes) == 1


class TestOperators:
    def test_a_drained_one_takes_nothing_new_and_finishes_what_it_has(self) -> None:
        fleet = fleet_of(2)
        place = fleet.reserve(DAMAGE, tried=["triton-1"])
        fleet.drain("triton-0", "maintenance")
        assert ready(fleet) == ["triton-1"]
        assert fleet.instance("triton-0").in_flight == 1
        place.settle(Verdict.SUCCESS)
        assert fleet.instance("triton-0").in_flight == 0
        look(fleet)
        assert ready(fleet) == ["triton-1"]

    @pytest.mark.parametrize("verb", ["drain", "isolate"])
    def test_who_is_held_back_is_no_last_resort(self, verb: str) -> None:
        fleet = fleet_of(1)
        getattr(fleet, verb)("triton-0", "maintenance")
        assert reserved(fleet) == ""

    @pytest.mark.parametrize(("out", "back"), [("drain", "undrain"), ("isolate", "heal")])
    def test_the_next_look_brings_it_back(self, out: str, back: str) -> None:
        fleet = fleet_of(1)
        getattr(fleet, out)("triton-0", "maintenance")
        again = fleet.instance("triton-0").look_again
        again.clear()
        getattr(fleet, back)("triton-0", "done")
        assert again.is_set()
        assert (ready(fleet), reserved(fleet)) == ([], "triton-0")  # until then, a last resort
        look(fleet)
        assert ready(fleet) == ["triton-0"]

    @pytest.mark.parametrize("verb", ["undrain", "take_out", "give_up", "mend_failed"])
    def test_what_makes_no_sense_is_refused_and_changes_nothing(self, verb: str) -> None:
        fleet = fleet_of(1)
        fleet.isolate("triton-0", "put aside")
        history = fleet.health("triton-0").history
        arguments = ("triton-0", "told") if verb == "undrain" else ("triton-0", "nobody", "told")
        with pytest.raises(IllegalEvent):
            getattr(fleet, verb)(*arguments)
        assert fleet.health("triton-0").history == history

    def test_a_heal_that_makes_no_sense_forgets_no_breaker(self) -> None:
        fleet = fleet_of(2)
        trip(fleet)
        fleet.drain("triton-0", "maintenance")
        with pytest.raises(IllegalEvent):
            fleet.heal("triton-0", "told")

    def test_heal_forgets_what_breakers_have_learnt(self) -> None:
        fleet = fleet_of(2)
        trip(fleet)
        assert fleet.breakers("triton-0") == {SERVED: BreakerState.OPEN}
        assert fleet.is_suspect("triton-0", ("damage", "1.0.0"))
        assert not fleet.is_suspect("triton-0", ("volume", "4.0.0"))
        assert not fleet.is_suspect("triton-1", ("damage", "1.0.0"))
        fleet.heal("triton-0", "seen to")
        assert fleet.breakers("triton-0") == {}
        assert ready(fleet) == ["triton-0", "triton-1"]
        assert fleet.instance("triton-0").probe_again.is_set()

    def test_a_call_in_flight_outlives_a_heal(self) -> None:
        fleet = fleet_of(1)
        place = fleet.reserve(DAMAGE)
        fleet.heal("triton-0", "seen to")
        place.settle(Verdict.SUCCESS)
        assert fleet.instance("triton-0").in_flight == 0


class TestMending:
    def proved(self) -> Fleet:
        fleet = fleet_of(2, probed=["damage"])
        for name in ("triton-0", "triton-1"):
            probe(fleet, ProbeResult.OK, name=name)
        return fleet

    def test_what_is_taken_out_is_not_even_a_last_resort(self) -> None:
        fleet = self.proved()
        fleet.take_out("triton-0", "damage 1.0.0", "being mended")
        fleet.drain("triton-1", "maintenance")
        assert (ready(fleet), reserved(fleet)) == ([], "")
        assert fleet.fit_elsewhere("damage 1.0.0", "triton-1") == 0

    def test_brought_back_it_begins_with_a_new_breaker(self) -> None:
        fleet = self.proved()
        trip(fleet)
        fleet.take_out("triton-0", "damage 1.0.0", "being mended")
        assert fleet.breakers("triton-0") == {}
        assert fleet.fit_elsewhere("damage 1.0.0", "triton-1") == 0
        fleet.bring_back("triton-0", "damage 1.0.0", "mended")
        assert fleet.health("triton-0").fitness("damage 1.0.0") is Fitness.FIT
        assert ready(fleet) == ["triton-0", "triton-1"]
        assert fleet.breakers("triton-0") == {}
        assert fleet.fit_elsewhere("damage 1.0.0", "triton-1") == 1

    def test_so_does_one_without_a_golden_input(self) -> None:
        fleet = fleet_of(1)
        trip(fleet)
        fleet.take_out("triton-0", "damage 1.0.0", "being mended")
        assert ready(fleet) == []
        fleet.bring_back("triton-0", "damage 1.0.0", "mended")
        assert (ready(fleet), fleet.breakers("triton-0")) == (["triton-0"], {})

    def test_not_mended_because_it_answers_wrongly_it_is_not_even_a_last_resort(self) -> None:
        fleet = self.proved()
        fleet.drain("triton-1", "maintenance")
        fleet.take_out("triton-0", "damage 1.0.0", "being mended")
        fleet.mend_failed("triton-0", "damage 1.0.0", "SCORES differ", is_wrong=True)
        assert reserved(fleet) == ""

    def test_not_mended_it_is_unfit_and_given_up_asked_by_nobody(self) -> None:
        fleet = self.proved()
        fleet.drain("triton-1", "maintenance")
        fleet.take_out("triton-0", "damage 1.0.0", "being mended")
        fleet.mend_failed("triton-0", "damage 1.0.0", "out of memory")
        assert (ready(fleet), reserved(fleet)) == ([], "triton-0")
        fleet.give_up("triton-0", "damage 1.0.0", "five mends")
        assert reserved(fleet) == ""
        assert fleet.health("triton-0").fitness_reason("damage 1.0.0") == "five mends"
        with fleet.reserve(VOLUME) as place:
            assert place.instance.name == "triton-0"


class TestTelling:
    def test_every_change_is_one_line_and_what_got_worse_a_warning(self) -> None:
        fleet = fleet_of(1, probed=["damage"])
        with capture_logs() as logs:
            probe(fleet, ProbeResult.OK, ProbeResult.WRONG_ANSWER, ProbeResult.WRONG_ANSWER)
            fleet.drain("triton-0", "maintenance")
            fleet.undrain("triton-0", "done")
        assert [(log["log_level"], log["engine"], log["was"], log["now"]) for log in logs] == [
            ("info", "damage 1.0.0", "proving", "fit"),
            ("warning", "damage 1.0.0", "fit", "unfit"),
            ("warning", None, "degraded", "draining"),
            ("info", None, "draining", "unknown"),
        ]
        assert logs[1] == {
            "event": "health changed",
            "log_level": "warning",
            "instance": "triton-0",
            "engine": "damage 1.0.0",
            "was": "fit",
            "now": "unfit",
            "reason": "probe: wrong_answer: told",
        }


class TestReleases:
    def test_each_release_is_judged_by_itself(self) -> None:
        both = frozenset({SERVED, ("damage", "1.1.0")})
        fleet = make_fleet(FakeInstance(), serving=both, probed=["damage"])
        fleet.probed("triton-0", ("damage", "1.1.0"), ProbeResult.OK, "")
        fleet.probed("triton-0", SERVED, ProbeResult.WRONG_ANSWER, "SCORES differ")
        assert fleet.ready_on(*SERVED) == ()
        assert fleet.ready_on("damage", "1.1.0") == fleet.instances
