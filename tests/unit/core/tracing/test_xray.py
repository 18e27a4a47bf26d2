from __future__ import annotations

import pytest

from control_plane.core.tracing import TraceContext
from control_plane.core.tracing.xray import MAX_CHARACTERS, read_xray, write_xray

TRACE, SPAN = "5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"
GOOD = f"{ROOT};Parent={SPAN};Sampled=1"


def test_what_is_written_is_read() -> None:
    assert write_xray(TraceContext(TRACE, SPAN, True)) == GOOD
    assert read_xray(GOOD) == TraceContext(TRACE, SPAN, True)


def test_what_is_undecided_is_written_as_not_sampled() -> None:
    assert write_xray(TraceContext(TRACE, SPAN)) == f"{ROOT};Parent={SPAN};Sampled=0"


@pytest.mark.parametrize(
    ("header", "span_id", "is_sampled"),
    [
        (ROOT, "", None),
        (f"{ROOT};Sampled=?", "", None),
        (f"{ROOT};Parent={SPAN};Sampled=0", SPAN, False),
        (f"Sampled=1; {ROOT} ; Parent={SPAN}", SPAN, True),
        (f"Self=1-67891234-abc;{ROOT};Lineage=25:a87bd80c:1;Sampled=1", "", True),
        (GOOD.replace("Root", "root").replace("bd", "BD"), SPAN, True),
        (f"{ROOT};Parent=short;Sampled=1", "", True),
        (f"{ROOT};Parent={'0' * 16};Sampled=1", "", True),
        (f"{GOOD};Sampled=0;Parent={'1' * 16}", SPAN, True),
    ],
)
def test_what_is_left_out_is_left_to_us(header: str, span_id: str, is_sampled: bool | None) -> None:
    assert read_xray(header) == TraceContext(TRACE, span_id, is_sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Parent=53995c3f42cd8ad8;Sampled=1",
        "Root=2-5759e988-bd862e3fe1be46a994272793",
        "Root=1-5759e98-bd862e3fe1be46a994272793",
        "Root=1-5759e988-bd862e3fe1be46a99427279",
        "Root=1-5759e988-bd862e3fe1be46a9942727zz",
        f"Root=1-{'0' * 8}-{'0' * 24}",
        "Root",
    ],
)
def test_what_names_no_trace_is_no_context(header: str) -> None:
    assert read_xray(header) is None


def test_a_header_has_a_bound() -> None:
    fits = GOOD + ";x=" + "y" * (MAX_CHARACTERS - len(GOOD) - 3)

    assert read_xray(fits) is not None
    assert read_xray(fits + "y") is None
