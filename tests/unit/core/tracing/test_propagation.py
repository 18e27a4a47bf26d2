from __future__ import annotations

import pytest

from control_plane.core.tracing import (
    CARRIERS,
    Propagation,
    TraceContext,
    read_context,
    write_context,
)

TRACE, SPAN = "5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
W3C = ("traceparent", f"00-{TRACE}-{SPAN}-01")
STATE = ("tracestate", "a=1")
XRAY = ("x-amzn-trace-id", f"Root=1-5759e988-bd862e3fe1be46a994272793;Parent={SPAN};Sampled=1")
CONTEXT = TraceContext(TRACE, SPAN, True)


@pytest.mark.parametrize(
    ("propagation", "written"),
    [
        (Propagation.W3C, (W3C,)),
        (Propagation.XRAY, (XRAY,)),
        (Propagation.BOTH, (W3C, XRAY)),
    ],
)
def test_each_kind_writes_what_it_reads(
    propagation: Propagation, written: tuple[tuple[str, str], ...]
) -> None:
    assert write_context(CONTEXT, propagation) == written
    assert read_context(dict(written), propagation) == CONTEXT


def test_a_state_is_written_where_there_is_one() -> None:
    with_state = TraceContext(TRACE, SPAN, True, "a=1")

    assert write_context(with_state, Propagation.W3C) == (W3C, STATE)
    assert read_context(dict((W3C, STATE)), Propagation.W3C) == with_state
    assert write_context(with_state, Propagation.XRAY) == (XRAY,)


def test_each_kind_is_deaf_to_the_other() -> None:
    assert read_context(dict([XRAY]), Propagation.W3C) is None
    assert read_context(dict([W3C]), Propagation.XRAY) is None


def test_of_both_the_w3cs_counts_and_the_other_where_it_is_none() -> None:
    other = ("x-amzn-trace-id", "Root=1-00000000-bd862e3fe1be46a994272793")
    broken = ("traceparent", "broken")

    assert read_context(dict((W3C, other)), Propagation.BOTH) == CONTEXT
    assert read_context(dict((broken, XRAY)), Propagation.BOTH) == CONTEXT
    assert read_context({}, Propagation.BOTH) is None


def test_every_header_that_is_read_is_looked_for() -> None:
    assert frozenset({W3C[0], STATE[0], XRAY[0]}) == CARRIERS
