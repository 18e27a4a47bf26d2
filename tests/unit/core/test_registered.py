"""Registered releases beside declared ones, and what is in use and stays whatever is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from control_plane.core.catalogue import Engine, Release
from control_plane.core.registered import (
    ReleaseRecord,
    add_registered,
    files_complaints,
    keep_in_use,
    releases_in_use,
    same_precedence,
    with_releases,
)
from control_plane.core.rollout import Plan, start
from control_plane.core.routing import RoutingTable, all_to_stable
from control_plane.core.state import EngineState, State
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, ENGINES, SPECS, VOLUME, plain

FILE = "damage--1.2.0.release.json"


def record(release: str = "1.2.0", pins: dict[str, Any] | None = None, **more: Any) -> Any:
    pins = {"damage_detector": 2} if pins is None else pins
    return ReleaseRecord("damage", release, pins, source=FILE, **more)


def complaint_of(*records: ReleaseRecord) -> str:
    engines, (complaint,) = add_registered(ENGINES, SPECS, records)
    assert engines == ENGINES
    return complaint


def test_a_record_becomes_a_release_in_its_place() -> None:
    engines, complaints = add_registered(ENGINES, SPECS, [record("1.0.5", {"damage_detector": 2})])
    assert complaints == ()
    damage = engines["damage"]
    assert list(damage.releases) == ["1.0.0", "1.0.5", "1.1.0"]
    pins = {"preprocess": 1, "damage_detector": 2}
    assert damage.releases["1.0.5"] == Release("damage", "1.0.5", pins, True)
    assert (damage.stable, engines["volume"]) == ("1.0.0", ENGINES["volume"])
    assert list(ENGINES["damage"].releases) == ["1.0.0", "1.1.0"]


def test_what_was_a_file_before_is_missed_with_the_command_that_brings_it_back() -> None:
    assert files_complaints(ENGINES, [record()]) == (
        "release 1.2.0 of 'damage' was registered as a file (damage--1.2.0.release.json), and "
        "registry.kind is mlflow; it is not served unless it is registered there too: "
        "tidegate register damage 1.2.0 --pin damage_detector=2",
    )


@pytest.mark.parametrize(
    "given", [record("1.1.0"), record("1.1.0+b"), replace(record(), engine="roof")]
)
def test_a_file_that_the_catalogue_has_or_nothing_could_serve_is_not_missed(
    given: ReleaseRecord,
) -> None:
    assert files_complaints(ENGINES, [given]) == ()


def test_where_it_is_written_down_makes_no_other_record() -> None:
    assert record() == replace(record(), source="elsewhere")
    assert record() != record(who="ann")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (
            replace(record(), engine="roof"),
            "release 1.2.0 of 'roof': there is no such engine",
        ),
        (record("1.2"), "release 1.2 of 'damage': not a semantic version such as 1.2.0"),
        (
            record(pins={"damage_detector": 9}),
            "release 1.2.0 of 'damage' pins 'damage_detector' to 9; "
            "the repository has versions: 1, 2",
        ),
        (
            record(pins={"volume": 3}),
            "release 1.2.0 of 'damage' pins 'volume', which is no component of 'damage': "
            "preprocess, damage_detector",
        ),
        (record("1.1.0", {"damage_detector": 1}), "release 1.1.0 of 'damage' is there already, "
         "with other pins"),
        (
            record("1.1.0+b"),
            "release 1.1.0+b of 'damage' differs from 1.1.0 in build metadata only",
        ),
    ],
)  # fmt: skip
def test_one_that_cannot_be_used_is_left_out(given: ReleaseRecord, complaint: str) -> None:
    assert complaint_of(given) == f"{FILE}: {complaint}; it is left out"


def test_a_record_without_a_source_is_still_complained_of() -> None:
    assert complaint_of(replace(record("1"), source="")).startswith("a record: release 1 of")


def test_what_is_declared_alike_needs_no_word() -> None:
    assert add_registered(ENGINES, SPECS, [record("1.1.0")]) == (ENGINES, ())


def test_of_two_records_of_one_release_the_first_one_counts() -> None:
    first, second = record(), record(pins={"damage_detector": 1})
    engines, (complaint,) = add_registered(ENGINES, SPECS, [first, second])
    assert engines["damage"].releases["1.2.0"].pins["damage_detector"] == 2
    assert "is there already, with other pins" in complaint


def test_the_rest_serves() -> None:
    engines, complaints = add_registered(ENGINES, SPECS, [record("1"), record("1.3.0")])
    assert list(engines["damage"].releases) == ["1.0.0", "1.1.0", "1.3.0"]
    assert len(complaints) == 1


def test_the_release_of_one_precedence() -> None:
    damage = ENGINES["damage"]
    assert same_precedence(damage, "1.1.0+b") == DAMAGE_NEXT
    assert same_precedence(damage, "1.2.0") is None


class TestInUse:
    def test_what_the_table_names(self) -> None:
        state = State(table=all_to_stable([ENGINES["damage"]], 1))
        assert releases_in_use(state, {}) == (DAMAGE,)

    def test_what_a_table_names_is_as_the_table_has_it(self) -> None:
        other = replace(DAMAGE, pins={"preprocess": 1, "damage_detector": 2})
        engine = with_releases(ENGINES["damage"], [other])
        state = State(
            table=all_to_stable([engine], 1), engines={"damage": EngineState(stable="1.0.0")}
        )
        assert releases_in_use(state, ENGINES) == (other,)

    def test_what_engines_are_moved_from_and_to(self) -> None:
        rollout = start(
            "r", ENGINES["damage"], stable="1.0.0", target="1.1.0", plan=Plan.direct(), last=None,
            now_s=0.0,
        )  # fmt: skip
        stored = EngineState(stable="1.1.0", rollout=rollout)
        state = State(engines={"damage": stored, "volume": EngineState(stable="4.0.0")})
        assert set(map(key, releases_in_use(state, ENGINES))) == {
            ("damage", "1.0.0"), ("damage", "1.1.0"), ("volume", "4.0.0"),
        }  # fmt: skip

    def test_what_nobody_knows_any_more_is_not_among_them(self) -> None:
        state = State(
            engines={"damage": EngineState(stable="7.0.0"), "roof": EngineState(stable="1.0.0")}
        )
        assert releases_in_use(state, ENGINES) == ()


def key(release: Release) -> tuple[str, str]:
    return release.engine, release.version


class TestKept:
    def test_what_is_as_it_was_needs_no_word(self) -> None:
        assert keep_in_use(ENGINES, SPECS, [DAMAGE, VOLUME]) == (ENGINES, ())

    def test_a_release_that_is_gone_from_the_catalogue(self) -> None:
        shrunk = {**ENGINES, "damage": Engine("damage", "1.0.0", {"1.0.0": DAMAGE})}
        kept, complaints = keep_in_use(shrunk, SPECS, [DAMAGE_NEXT])
        assert kept == ENGINES
        assert complaints == (
            "release 1.1.0 of 'damage' is in use, but not in the catalogue any more; "
            "it is kept as it was",
        )

    def test_a_release_whose_pins_have_changed(self) -> None:
        changed = replace(DAMAGE_NEXT, pins={"preprocess": 1, "damage_detector": 1})
        engines = {**ENGINES, "damage": with_releases(ENGINES["damage"], [changed])}
        kept, complaints = keep_in_use(engines, SPECS, [DAMAGE_NEXT])
        assert kept == ENGINES
        assert complaints == (
            "release 1.1.0 of 'damage' is in use with the pins preprocess 1, damage_detector 2, "
            "and the catalogue now says preprocess 1, damage_detector 1; it is kept as it was",
        )

    def test_a_release_whose_component_is_gone_from_the_repository(self) -> None:
        specs = {**SPECS, "damage_detector": plain("damage_detector", 1)}
        specs.pop("preprocess")
        kept, complaints = keep_in_use(ENGINES, specs, [DAMAGE_NEXT])
        assert kept == ENGINES
        assert complaints == (
            "release 1.1.0 of 'damage' is in use, but the repository has no preprocess 1, "
            "damage_detector 2 any more",
        )

    def test_a_release_whose_engine_is_gone(self) -> None:
        engines = {"volume": ENGINES["volume"]}
        kept, complaints = keep_in_use(engines, SPECS, [DAMAGE])
        assert kept == engines
        assert complaints == (
            "release 1.0.0 of 'damage' is in use, but the repository has no such engine",
        )


def test_nothing_is_in_use_of_an_empty_state() -> None:
    assert releases_in_use(State(table=RoutingTable()), ENGINES) == ()
