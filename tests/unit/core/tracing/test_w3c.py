from __future__ import annotations

import pytest

from control_plane.core.tracing import TraceContext
from control_plane.core.tracing.w3c import (
    MAX_TRACEPARENT_CHARACTERS,
    read_state,
    read_traceparent,
    write_traceparent,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_what_is_written_is_read() -> None:
    context = TraceContext(TRACE, SPAN, True)

    assert write_traceparent(context) == GOOD
    assert read_traceparent(GOOD) == context


def test_the_flag_says_whether_it_is_sampled() -> None:
    unsampled = read_traceparent(f"00-{TRACE}-{SPAN}-00")

    assert unsampled == TraceContext(TRACE, SPAN, False)
    assert unsampled is not None
    assert write_traceparent(unsampled) == f"00-{TRACE}-{SPAN}-00"


def test_flags_that_are_not_known_are_no_matter() -> None:
    assert read_traceparent(f"00-{TRACE}-{SPAN}-ff") == TraceContext(TRACE, SPAN, True)
    assert read_traceparent(f"00-{TRACE}-{SPAN}-fe") == TraceContext(TRACE, SPAN, False)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-zz",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01.",
        f"01-{TRACE}-{SPAN}-01.",
        f" {GOOD}",
        f"{GOOD} ",
        f"{GOOD},{GOOD}",
        f"00_{TRACE}_{SPAN}_01",
        GOOD.replace("4", "\u0664", 1),
    ],
)
def test_what_is_not_as_specified_is_no_context(header: str) -> None:
    assert read_traceparent(header) is None


@pytest.mark.parametrize("rest", ["", "-what-the-future-adds", "-"])
def test_a_newer_version_is_read_as_far_as_it_is_known(rest: str) -> None:
    assert read_traceparent(f"cc-{TRACE}-{SPAN}-01{rest}") == TraceContext(TRACE, SPAN, True)


def test_a_newer_version_has_a_bound() -> None:
    head = f"cc-{TRACE}-{SPAN}-01-"
    fits = head + "x" * (MAX_TRACEPARENT_CHARACTERS - len(head))

    assert read_traceparent(fits) is not None
    assert read_traceparent(fits + "x") is None


def test_the_state_goes_along() -> None:
    read = read_traceparent(GOOD, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")

    assert read is not None
    assert read.state == "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


def test_a_wrong_state_costs_only_itself() -> None:
    assert read_traceparent(GOOD, "no member") == TraceContext(TRACE, SPAN, True)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("a=1", "a=1"),
        (" a=1 ,\tb=2\t", "a=1,b=2"),
        ("a=1,,b=2,", "a=1,b=2"),
        ("fw529a3039@dt=FfD6Y", "fw529a3039@dt=FfD6Y"),
        ("0tenant@sys=x", "0tenant@sys=x"),
        ("a_-*/0=with space", "a_-*/0=with space"),
        ("a=1,a=2", ""),
        ("A=1", ""),
        ("0a=1", ""),
        ("a=", ""),
        ("a=1=2", ""),
        ("a", ""),
        ("a=\u00e9", ""),
        ("@a=1", ""),
        ("a@0b=1", ""),
        ("a@" + "b" * 15 + "=1", ""),
        ("a" * 257 + "=1", ""),
        ("a=" + "b" * 257, ""),
    ],
)
def test_the_members_of_a_state(text: str, kept: str) -> None:
    assert read_state(text) == kept


def test_a_state_has_at_most_32_members() -> None:
    members = [f"k{n}={n}" for n in range(32)]

    assert read_state(",".join(members)) == ",".join(members)
    assert read_state(",".join([*members, "one=more"])) == ""


def test_of_a_long_state_the_long_members_go_first_and_then_the_last() -> None:
    long = "long=" + "x" * 200
    short = [f"k{n}=" + "x" * 60 for n in range(9)]

    assert read_state(",".join([long, *short[:7]])) == ",".join(short[:7])
    assert read_state(",".join([long, short[0]])) == ",".join([long, short[0]])
    assert read_state(",".join(short)) == ",".join(short[:8])


def test_a_state_of_512_characters_is_kept() -> None:
    fits = ",".join(["a=" + "x" * 253, "b=" + "x" * 254])

    assert len(fits) == 512
    assert read_state(fits) == fits
    assert read_state(fits + "x") == ""


def test_a_state_that_is_far_too_long_is_not_looked_at() -> None:
    assert read_state("a=1" + "," * 32_765) == "a=1"
    assert read_state("a=1" + "," * 32_766) == ""
