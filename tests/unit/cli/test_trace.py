"""A request as a waterfall, and the list of the latest ones."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console
from typer.testing import Result

from cli.trace_picture import FAILED, OPEN, WELL, bar_of, in_tree, took, trace_picture
from tests.unit.cli.plane import Plane, Reply, problem

Tidegate = Callable[..., Result]
NOW = datetime(2025, 1, 31, 13, tzinfo=UTC)
TRACES = "/api/v1/traces"


def span(
    name: str,
    span_id: str,
    parent_id: str | None,
    start_ms: float,
    duration_ms: float | None,
    error: str | None = None,
    **attributes: Any,
) -> dict[str, Any]:
    return {
        "span_id": span_id,
        "parent_id": parent_id,
        "name": name,
        "start_ms": start_ms,
        "duration_ms": duration_ms,
        "status": "error" if error else "ok",
        "error": error,
        "attributes": attributes,
    }


SUMMARY: dict[str, Any] = {
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "correlation_id": "c-1",
    "request_id": "0b6fd3a2-8c0e-4d5e-9f0a-2f6d2f1c7b11",
    "name": "detect",
    "engines": ["damage", "volume"],
    "started_at": "2025-01-31T12:00:00Z",
    "duration_ms": 100.0,
    "status": "ok",
    "error": None,
    "refusal": None,
    "is_sampled": False,
    "is_complete": True,
}
WHERE = {"engine": "damage", "release": "1.1.0"}
TRACE: dict[str, Any] = {
    **SUMMARY,
    "parent_id": None,
    "spans_left_out": 0,
    "spans": [
        span("detect", "a", None, 0, 100, edge="rest", engines="damage,volume", status="completed"),
        span("photo", "b", "a", 0, 20, scheme="https", bytes=123456),
        span("engine", "c", "a", 20, 80, **WHERE, instance="triton-1", attempts=2),
        span("engine", "g", "a", 20, 40, engine="volume", release="1.0.0", instance="triton-0"),
        span(
            *("attempt", "d", "c", 20, 20, "backend_unavailable: connection refused"),
            **WHERE,
            instance="triton-0",
            ending="unreachable",
            hedge=False,
        ),
        span("attempt", "e", "c", 40, 60, **WHERE, instance="triton-1", ending="success"),
        span("attempt", "f", "c", 80, 20, **WHERE, instance="triton-2", hedge=True),
    ],
}


def drawn(trace: dict[str, Any], *, width: int = 80) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None)
    console.print(trace_picture(trace, NOW, width=width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def changed(**fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(TRACE), **fields}


def test_each_span_is_a_bar_under_the_one_it_belongs_to() -> None:
    assert drawn(TRACE) == [
        "detect   100 ms   ok   12:00:00",
        "correlation c-1",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "request 0b6fd3a2-8c0e-4d5e-9f0a-2f6d2f1c7b11",
        "",
        "detect          ████████████████████    100 ms   status completed",
        "  photo         ████                   20.0 ms   scheme https, bytes 123456",
        "  engine damage     ████████████████   80.0 ms   1.1.0 on triton-1, attempts 2",
        "    attempt         ▒▒▒▒               20.0 ms ✗ unreachable, 1.1.0 on triton-0",
        "    attempt             ████████████   60.0 ms   1.1.0 on triton-1",
        "    hedge                       ████   20.0 ms   1.1.0 on triton-2",
        "  engine volume     ████████           40.0 ms   1.0.0 on triton-0",
        "",
        "✗ attempt on triton-0: backend_unavailable: connection refused",
    ]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_as_far_as_it_can(width: int) -> None:
    lines = drawn(TRACE, width=width)

    assert max(map(len, lines)) <= width
    assert sum(WELL in line for line in lines) == 6


def test_what_is_under_way_is_told_apart() -> None:
    spans = [span("detect", "a", None, 0, None), span("engine", "b", "a", 50, None)]
    lines = drawn(changed(spans=spans, is_complete=False, parent_id="00f067aa0ba902b7"))

    assert lines[0] == "detect   100 ms   under way   12:00:00"
    assert "caller's span 00f067aa0ba902b7" in lines
    assert [line.count(OPEN) for line in lines[-2:]] == [27, 14]
    assert "…" in lines[-1]


def test_what_failed_is_told_at_the_top() -> None:
    lines = drawn(changed(status="error", error="overloaded: too much", spans_left_out=7))

    assert lines[0] == "detect   100 ms   error: overloaded: too much   12:00:00"
    assert "and 7 more, which there was no room for" in lines


def test_what_a_server_says_commands_no_terminal() -> None:
    spans = [span("[red]\x1b[2J", "a", None, 0, 1, "\x1b[2J", engine="\x1b[2J", x="\x1b[2J[b]")]
    lines = drawn(changed(spans=spans, correlation_id="\x1b[2J", name="\x1b[2J"))

    assert "\x1b" not in "".join(lines)
    assert any("[red]?[2J" in line for line in lines)


@pytest.mark.parametrize(
    ("start_ms", "duration_ms", "whole_ms", "bar"),
    [
        (0, 100, 100, "██████████"),
        (0, 0, 100, "█         "),
        (100, 0, 100, "         █"),
        (95, 10, 100, "         █"),
        (45, 10, 100, "    ██    "),
        (0, 0, 0, "█         "),
        (50, None, 100, "     ░░░░░"),
    ],
)
def test_a_bar_lies_where_its_span_does(
    start_ms: float, duration_ms: float | None, whole_ms: float, bar: str
) -> None:
    assert bar_of(span("a", "a", None, start_ms, duration_ms), whole_ms, 10) == bar


def test_a_failure_has_a_bar_of_its_own() -> None:
    assert bar_of(span("a", "a", None, 0, 1, "internal"), 1, 3) == FAILED * 3


def test_children_follow_their_parents() -> None:
    spans = [
        span("a", "a", None, 0, 9),
        span("b", "b", "a", 1, 1),
        span("c", "c", "a", 2, 1),
        span("d", "d", "b", 3, 1),
        span("e", "e", None, 4, 1),
    ]

    assert [(depth, one["name"]) for depth, one in in_tree(spans)] == [
        (0, "a"),
        (1, "b"),
        (2, "d"),
        (1, "c"),
        (0, "e"),
    ]


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(None, "…"), (0.123, "0.12 ms"), (12.34, "12.3 ms"), (123.4, "123 ms"), (12_340, "12.3 s")],
)
def test_times_have_three_digits(milliseconds: float | None, words: str) -> None:
    assert took(milliseconds) == words


def test_a_trace_is_shown(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{TRACES}/c-1"] = Reply(TRACE)
    result = tidegate("trace", "c-1", "--url", plane.url)

    assert result.exit_code == 0
    assert "engine damage" in result.stdout
    assert json.loads(tidegate("trace", "c-1", "--json", "--url", plane.url).stdout) == TRACE


def test_an_id_is_no_path(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{TRACES}/a%2Fb"] = Reply(TRACE)

    assert tidegate("trace", "a/b", "--url", plane.url).exit_code == 0


def test_one_that_is_not_kept_is_refused_with_a_hint(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{TRACES}/c-9"] = problem(404, "not_found", "no trace is kept under 'c-9'")
    result = tidegate("trace", "c-9", "--url", plane.url)

    assert result.exit_code == 1
    assert "no trace is kept under 'c-9'" in result.stderr
    assert "tidegate trace lists what is kept" in result.stderr


def test_the_latest_are_listed(tidegate: Tidegate, plane: Plane) -> None:
    failed = {**SUMMARY, "status": "error", "error": "overloaded: too much", "engines": []}
    plane.replies[f"{TRACES}?limit=20"] = Reply({"traces": [SUMMARY, failed]})
    header, first, second = tidegate("trace", "--url", plane.url).stdout.splitlines()

    assert header.split() == ["WHEN", "TRACE", "WHAT", "ENGINES", "TOOK", "ENDED"]
    assert "c-1" in first
    assert first.rstrip().endswith("damage, volume  100 ms  ok")
    assert second.rstrip().endswith("-               100 ms  error: overloaded: too much")


def test_they_are_chosen_by_the_control_plane(tidegate: Tidegate, plane: Plane) -> None:
    path = f"{TRACES}?engine=damage&is_error=true&slower_than_ms=10.0&limit=3"
    plane.replies[path] = Reply({"traces": []})
    options = ["--engine", "damage", "--errors", "--slower-than-ms", 10, "--limit", 3]

    assert tidegate("trace", *options, "--url", plane.url).stdout == "no such trace is kept\n"
    shown = tidegate("trace", *options, "--json", "--url", plane.url).stdout
    assert json.loads(shown) == {"traces": []}


def test_nothing_yet_is_said(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{TRACES}?limit=20"] = Reply({"traces": []})

    assert tidegate("trace", "--url", plane.url).stdout == "no trace is kept yet\n"


def test_what_was_refused_is_told_with_its_whole_reason() -> None:
    reason = "the photo is neither a JPEG nor a PNG nor a WebP; it begins with the bytes of a PDF"
    refused = span("detect", "a", None, 0, 1, refused="photo_invalid", reason=reason)
    shown = changed(spans=[refused], status="refused", refusal=f"photo_invalid: {reason}")
    lines = drawn(shown, width=200)
    assert "refused: photo_invalid: the photo is neither" in lines[0]
    assert lines[-1] == f"✗ detect refused: photo_invalid: {reason}"


def test_where_none_failed_it_is_said_of_how_many(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{TRACES}?is_error=true&limit=20"] = Reply({"traces": []})
    plane.replies[f"{TRACES}?limit=500"] = Reply({"traces": [SUMMARY, SUMMARY]})
    shown = tidegate("trace", "--errors", "--url", plane.url).stdout
    assert shown == "none of the 2 kept failed\n"
