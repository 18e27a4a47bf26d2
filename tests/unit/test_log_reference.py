"""docs/logs.md has every line that the code may log, with its levels and fields, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.log_events import logged

FILE = Path(__file__).parents[2] / "docs" / "logs.md"
ROW = re.compile(r"^\| `(?P<event>[^`|]+)` \| (?P<levels>[a-z, ]+) \| (?P<fields>[^|]*) \|.*\|$")
# What loggers are bound to before, and so is not named at each call.
BOUND = frozenset({"instance", "engine", "release", "instances", "ending", "action", "subject"}) | {
    "code",
    "field",
    "reason",
}


def rows() -> dict[str, tuple[set[str], set[str]]]:
    """Levels and fields of each event of the page."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for line in FILE.read_text().splitlines():
        if matched := ROW.match(line):
            assert matched["event"] not in found, f"{matched['event']} has two rows"
            levels = set(matched["levels"].split(", "))
            found[matched["event"]] = levels, set(re.findall(r"`(\w+)`", matched["fields"]))
    return found


def of_the_code() -> dict[str, tuple[set[str], set[str]]]:
    found: dict[str, tuple[set[str], set[str]]] = {}
    for one in logged():
        levels, fields = found.setdefault(one.event, (set(), set()))
        levels |= one.levels
        fields |= one.fields
    return found


def test_every_event_has_a_row_and_every_row_an_event() -> None:
    page, code = set(rows()), set(of_the_code())

    assert code - page == set(), "docs/logs.md lacks them"
    assert page - code == set(), "nothing logs them any more"


def test_levels_and_fields_are_those_of_the_code() -> None:
    page = rows()
    for event, (levels, fields) in of_the_code().items():
        assert page[event][0] == levels, event
        assert fields <= page[event][1] <= fields | BOUND, event


def test_the_scan_sees_every_way_in_which_lines_are_logged() -> None:
    found = of_the_code()

    assert found["health changed"][0] == {"info", "warning"}  # picked before
    assert "took_s" in found["action done"][1]  # bound before
    assert "ready to serve" in found  # one of two
    assert "the registry is away; it is asked again" in found  # spoken by name
    assert found["unexpected error"][0] == {"error"}  # with a traceback


def test_events_are_words_and_no_names_of_code() -> None:
    assert {event for event in of_the_code() if "_" in event} == set()
