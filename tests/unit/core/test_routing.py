"""Routing splits by hash: evenly, the same way every time, and a canary only ever gains keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.catalogue import Release
from control_plane.core.routing import (
    ALL_BP,
    Route,
    RoutingTable,
    Shadow,
    Trial,
    all_to_stable,
    bucket,
    choose_release,
    is_settled,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, ENGINES, MATERIALS, TABLE, VOLUME

KNOWN = frozenset({"1.0.0", "1.1.0", "2.0.0"})


def split(weights_bp: dict[str, int], *, canary: str | None = "1.1.0", salt: str = "salt") -> Route:
    return Route(
        engine="damage",
        salt=salt,
        stable="1.0.0",
        weights_bp=weights_bp,
        serving={"1.0.0": DAMAGE, "1.1.0": DAMAGE_NEXT},
        known=KNOWN,
        canary=canary,
    )


def canary_at(weight_bp: int, salt: str = "salt") -> Route:
    return split({"1.0.0": ALL_BP - weight_bp, "1.1.0": weight_bp}, salt=salt)


def refusal_of(route: Route, wanted: str) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as refusal:
        choose_release(route, wanted, "key")
    assert refusal.value.field == "model_version"
    return refusal.value


@given(st.text(), st.text(), st.integers(0, ALL_BP), st.integers(0, ALL_BP))
def test_a_key_in_the_canary_stays_as_the_canary_grows(
    key: str, salt: str, one: int, other: int
) -> None:
    less, more = sorted((one, other))
    if choose_release(canary_at(less, salt), "", key) is DAMAGE_NEXT:
        assert choose_release(canary_at(more, salt), "", key) is DAMAGE_NEXT


@given(st.text(), st.text(), st.integers(0, ALL_BP))
def test_the_canary_has_the_top_of_the_range(key: str, salt: str, weight_bp: int) -> None:
    is_canary = bucket(salt, key) >= ALL_BP - weight_bp
    chosen = choose_release(canary_at(weight_bp, salt), "", key)
    assert chosen is (DAMAGE_NEXT if is_canary else DAMAGE)


@given(st.text())
def test_no_weight_gets_nothing_and_all_weight_gets_everything(key: str) -> None:
    assert choose_release(canary_at(0), "", key) is DAMAGE
    assert choose_release(canary_at(ALL_BP), "", key) is DAMAGE_NEXT


@given(st.text(), st.text())
def test_a_bucket_is_a_point_of_the_range_and_never_moves(salt: str, key: str) -> None:
    assert 0 <= bucket(salt, key) < ALL_BP
    assert bucket(salt, key) == bucket(salt, key)


def test_buckets_stay_what_they_were_in_earlier_releases() -> None:
    # A change of these moves every caller of every running split.
    points = [bucket("damage", key) for key in ("", "a", "user-7", "ü")]
    assert points == [237, 2309, 9307, 4357]


def test_buckets_are_uniform() -> None:
    tenths = [0] * 10
    for number in range(20_000):
        tenths[bucket("damage", f"user-{number}") // 1000] += 1
    # Chi-squared with 9 degrees of freedom; 27.9 is exceeded by chance once in a thousand.
    assert sum((seen - 2000) ** 2 / 2000 for seen in tenths) < 27.9


def test_salts_split_independently() -> None:
    keys = [f"user-{number}" for number in range(20_000)]
    both = sum(bucket("one", key) < 1000 and bucket("two", key) < 1000 for key in keys)
    assert 140 < both < 260  # 200 expected


def test_a_long_salt_is_cut_to_what_the_hash_takes() -> None:
    assert bucket("s" * 64, "key") == bucket("s" * 65, "key")
    assert bucket("s" * 63, "key") != bucket("s" * 64, "key")


def test_a_split_keeps_its_proportions() -> None:
    chosen = [choose_release(canary_at(2500), "", f"user-{number}") for number in range(10_000)]
    assert 2350 < chosen.count(DAMAGE_NEXT) < 2650


def test_three_releases_share_from_the_top() -> None:
    third = Release("damage", "2.0.0", {"damage_detector": 2}, is_ensemble=True)
    route = replace(
        split({"1.0.0": ALL_BP}),
        weights_bp={"1.0.0": 5000, "1.1.0": 3000, "2.0.0": 2000},
        serving={"1.0.0": DAMAGE, "1.1.0": DAMAGE_NEXT, "2.0.0": third},
    )
    for number in range(500):
        point = bucket("salt", str(number))
        expected = third if point >= 8000 else DAMAGE_NEXT if point >= 5000 else DAMAGE
        assert choose_release(route, "", str(number)) is expected


def test_the_only_release_with_weight_takes_all() -> None:
    assert choose_release(split({"1.0.0": ALL_BP}), "", "key") is DAMAGE
    assert choose_release(split({"1.1.0": ALL_BP}), "", "key") is DAMAGE_NEXT


@pytest.mark.parametrize(
    ("wanted", "release"),
    [("1.0.0", DAMAGE), ("1.1.0", DAMAGE_NEXT), ("stable", DAMAGE), ("canary", DAMAGE_NEXT)],
)
def test_a_wanted_release_is_honoured_with_or_without_weight(wanted: str, release: Release) -> None:
    assert choose_release(split({"1.0.0": ALL_BP}), wanted, "key") is release


def test_a_release_that_is_known_and_not_served_may_come_later() -> None:
    refusal = refusal_of(split({"1.0.0": ALL_BP}), "2.0.0")
    assert refusal.code is ErrorCode.RELEASE_NOT_READY
    assert refusal.message == (
        "release 2.0.0 of engine 'damage' is not served now; served: 1.0.0, 1.1.0"
    )


def test_a_release_that_nobody_knows_never_comes() -> None:
    refusal = refusal_of(split({"1.0.0": ALL_BP}), "9" * 100)
    assert refusal.code is ErrorCode.UNKNOWN_RELEASE
    assert refusal.message == (
        f"engine 'damage' has no release '{'9' * 80}'; releases: 1.0.0, 1.1.0, 2.0.0"
    )


def test_without_a_canary_none_is_given() -> None:
    refusal = refusal_of(split({"1.0.0": ALL_BP}, canary=None), "canary")
    assert refusal.code is ErrorCode.RELEASE_NOT_READY
    assert refusal.message == "engine 'damage' has no canary now"


@pytest.mark.parametrize(
    "weights_bp",
    [
        {},
        {"1.0.0": 9999},
        {"1.0.0": 10_001},
        {"1.0.0": 9000, "1.1.0": 999},
        {"1.0.0": 10_001, "1.1.0": -1},
    ],
)
def test_weights_are_shares_of_ten_thousand(weights_bp: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"^weights of 'damage' must be >= 0 and sum to 10000$"):
        split(weights_bp)


def test_a_route_never_weighs_what_it_does_not_serve() -> None:
    with pytest.raises(
        ValueError, match=r"^route of 'damage' weighs a release that it does not serve$"
    ):
        split({"1.0.0": 9000, "2.0.0": 1000})


def test_at_first_every_stable_release_takes_all() -> None:
    assert TABLE.revision == 1
    assert TABLE.route("damage") == Route(
        engine="damage",
        salt="damage",
        stable="1.0.0",
        weights_bp={"1.0.0": 10_000},
        serving={"1.0.0": DAMAGE},
        known=frozenset({"1.0.0", "1.1.0"}),
        canary=None,
    )
    assert TABLE.releases() == (DAMAGE, MATERIALS, VOLUME)
    assert all_to_stable(ENGINES.values(), revision=7).revision == 7


def test_what_an_engine_falls_back_to_is_served_by_name_and_gets_no_share() -> None:
    table = all_to_stable(ENGINES.values(), revision=1, fallbacks={"damage": "1.1.0"})
    route = table.route("damage")
    assert (route.fallback, route.weights_bp) == ("1.1.0", {"1.0.0": ALL_BP})
    assert choose_release(route, "1.1.0", "key") is DAMAGE_NEXT
    assert DAMAGE_NEXT in table.releases()
    assert table.route("volume").fallback is None


def test_a_route_cannot_fall_back_to_what_it_does_not_serve() -> None:
    with pytest.raises(ValueError, match="falls back"):
        replace(TABLE.route("damage"), fallback="1.1.0")


def test_an_unknown_engine_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ControlPlaneError) as refusal:
        TABLE.route("x" * 100)
    assert refusal.value.code is ErrorCode.UNKNOWN_ENGINE
    assert refusal.value.field == "model_name"
    assert refusal.value.message == (
        f"unknown model '{'x' * 80}'; engines: damage, materials, volume"
    )
    with pytest.raises(ControlPlaneError, match="unknown model 'damage'; engines: none"):
        RoutingTable().route("damage")


def test_at_first_the_stable_release_takes_all_traffic_of_its_engine() -> None:
    table = all_to_stable(ENGINES.values(), revision=7)
    assert table.revision == 7
    assert list(table.routes) == ["damage", "materials", "volume"]
    assert table.routes["damage"] == Route(
        engine="damage",
        salt="damage",
        stable="1.0.0",
        weights_bp={"1.0.0": ALL_BP},
        serving={"1.0.0": DAMAGE},
        known=frozenset({"1.0.0", "1.1.0"}),
        canary=None,
    )


def test_the_table_names_what_it_serves() -> None:
    both = replace(TABLE.routes["damage"], serving={"1.0.0": DAMAGE, "1.1.0": DAMAGE_NEXT})
    table = RoutingTable(2, {**TABLE.routes, "damage": both})
    assert table.releases() == (DAMAGE, DAMAGE_NEXT, MATERIALS, VOLUME)


def test_a_route_cannot_shadow_what_it_does_not_serve() -> None:
    route = split({"1.0.0": ALL_BP})
    assert replace(route, shadow=Shadow("1.1.0", 500)).shadow == Shadow("1.1.0", 500)
    with pytest.raises(ValueError, match=r"^route of 'damage' shadows what it does not serve$"):
        replace(route, shadow=Shadow("2.0.0", 500))


def test_a_route_is_settled_while_nothing_is_tried_on_it() -> None:
    alone = split({"1.0.0": ALL_BP}, canary=None)
    assert is_settled(alone)
    assert is_settled(replace(alone, fallback="1.1.0"))
    assert not is_settled(split({"1.0.0": ALL_BP}, canary="1.1.0"))
    assert not is_settled(split({"1.0.0": 5000, "1.1.0": 5000}, canary=None))
    assert not is_settled(replace(alone, shadow=Shadow("1.1.0", 100)))
    assert not is_settled(replace(alone, trial=Trial("r-1", 1, 0.5)))
