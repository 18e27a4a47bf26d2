"""The words a caller may use about a photo."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.deadline import Deadline
from control_plane.core.detections import (
    MAX_ENGINES,
    DetectionRequest,
    DetectionStatus,
    Priority,
    check_detection_types,
    check_priority,
    check_releases,
    check_uuid,
    overall_status,
)
from control_plane.errors import InvalidArgument

KNOWN = ("volume", "damage", "materials")


def refusal_of(wanted: list[str], known: tuple[str, ...] = KNOWN) -> tuple[str, str | None]:
    with pytest.raises(InvalidArgument) as refusal:
        check_detection_types(wanted, known)
    return refusal.value.message, refusal.value.field


def test_engines_come_once_in_the_order_asked_with_aliases_resolved() -> None:
    wanted = ["volume", "material", "damage", "materials", "volume"]
    assert check_detection_types(wanted, KNOWN) == ("volume", "materials", "damage")


def test_known_engines_may_be_an_iterator() -> None:
    assert check_detection_types(["damage", "volume"], iter(KNOWN)) == ("damage", "volume")


def test_an_empty_list_is_refused() -> None:
    assert refusal_of([]) == (
        "detection_types is empty; name at least one engine",
        "detection_types",
    )


def test_an_overlong_list_is_refused() -> None:
    assert check_detection_types(["damage"] * MAX_ENGINES, KNOWN) == ("damage",)
    assert refusal_of(["damage"] * 33) == (
        "detection_types has 33 entries; the limit is 32",
        "detection_types",
    )


def test_an_unknown_type_is_named_with_its_place_and_those_that_are_known() -> None:
    assert refusal_of(["damage", "roof"]) == (
        "unknown detection type 'roof'; known: damage, materials, volume",
        "detection_types[1]",
    )
    assert refusal_of(["x" * 100], ()) == (
        f"unknown detection type '{'x' * 80}'; known: none",
        "detection_types[0]",
    )


def test_the_alias_works_only_where_its_engine_exists() -> None:
    assert refusal_of(["material"], ("damage",))[0] == (
        "unknown detection type 'material'; known: damage"
    )


@pytest.mark.parametrize(
    ("word", "priority", "level"),
    [("high", Priority.HIGH, 1), ("normal", Priority.NORMAL, 2), ("low", Priority.LOW, 3)],
)
def test_a_priority_has_tritons_level(word: str, priority: Priority, level: int) -> None:
    assert check_priority(word) is priority
    assert priority.triton_level == level


@pytest.mark.parametrize("word", ["", "HIGH", "urgent", "x" * 100])
def test_another_priority_is_refused(word: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        check_priority(word)
    assert refusal.value.message == f"unknown priority {word[:80]!r}; use high, normal or low"
    assert refusal.value.field == "priority"


@given(st.uuids())
def test_a_uuid_comes_back_in_its_canonical_form(value: uuid.UUID) -> None:
    for written in (str(value), str(value).upper(), value.hex, value.hex.upper()):
        assert check_uuid(written, "photo_id") == str(value)


GOOD = "12345678-1234-4234-9234-123456789abc"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "7",
        "g" * 32,
        "x" * 200,
        "0_" * 15 + "00",
        " " + "0" * 31,
        "+" + "0" * 31,
        "\u0660" * 32,
        f"{{{GOOD}}}",
        f"urn:uuid:{GOOD}",
        GOOD + "\n",
        GOOD.replace("-", "", 1),
        GOOD[1:] + "-",
    ],
)
def test_what_is_no_uuid_is_refused_with_its_field(value: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        check_uuid(value, "metadata.user_id")
    assert refusal.value.message == f"metadata.user_id is not a UUID: {value[:80]!r}"
    assert refusal.value.field == "metadata.user_id"


@pytest.mark.parametrize(
    ("succeeded", "failed", "status"),
    [
        (1, 0, DetectionStatus.COMPLETED),
        (3, 0, DetectionStatus.COMPLETED),
        (2, 1, DetectionStatus.PARTIAL),
        (1, 2, DetectionStatus.PARTIAL),
        (0, 1, DetectionStatus.FAILED),
        (0, 3, DetectionStatus.FAILED),
    ],
)
def test_the_status_of_the_whole(succeeded: int, failed: int, status: DetectionStatus) -> None:
    assert overall_status(succeeded, failed) is status


def test_a_request_does_not_print_its_photo() -> None:
    request = DetectionRequest(
        photo=b"secret roof",
        engines=("damage",),
        request_id="r",
        correlation_id="c",
        deadline=Deadline(1.0),
    )
    assert "secret" not in repr(request)
    assert (request.priority, request.releases, request.routing_key, request.photo_id) == (
        Priority.NORMAL,
        {},
        None,
        None,
    )


def test_releases_are_for_engines_that_are_asked() -> None:
    assert check_releases({"material": "1.0.0"}, ("damage", "materials")) == {"materials": "1.0.0"}
    assert check_releases({}, ("damage",)) == {}
    with pytest.raises(InvalidArgument, match="'volume', which is not asked") as refusal:
        check_releases({"damage": "1.0.0", "volume": "1.0.0"}, ("damage",))
    assert refusal.value.field == "releases"
