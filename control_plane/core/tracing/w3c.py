"""The headers ``traceparent`` and ``tracestate``, as W3C Trace Context has them.

https://www.w3.org/TR/trace-context/. What is not as the specification says is no context: a trace
is begun anew, as it asks for. A ``tracestate`` that is wrong costs only itself.
"""

from __future__ import annotations

import re

from control_plane.core.tracing.context import TraceContext

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"

MAX_TRACEPARENT_CHARACTERS = 256
"""Of a version that is not known yet; of the one that is, the length is fixed."""

MAX_STATE_CHARACTERS = 512
MAX_MEMBERS = 32
LONG_MEMBER_CHARACTERS = 128
"""Those that are longer are left out first."""

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_MEMBER = re.compile(
    r"([a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])"
)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_INVALID_VERSION = "ff"
_SAMPLED = 1


def read_traceparent(parent: str, state: str = "") -> TraceContext | None:
    """The context that the headers name; None for what names none."""
    if len(parent) > MAX_TRACEPARENT_CHARACTERS:
        return None
    matched = _PARENT.fullmatch(parent)
    if matched is None:
        return None
    version, trace_id, span_id, flags, rest = matched.groups()
    # Newer versions may have more fields, behind another dash; this one has none.
    if version == _INVALID_VERSION or (version == "00" and rest is not None):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED), read_state(state))


def write_traceparent(context: TraceContext) -> str:
    return f"00-{context.trace_id}-{context.span_id}-{'01' if context.is_sampled else '00'}"


def read_state(text: str) -> str:
    """The members that are passed on; none of them where one is wrong, or there twice."""
    if len(text) > 2 * MAX_MEMBERS * MAX_STATE_CHARACTERS:
        return ""
    members: dict[str, str] = {}
    for piece in text.split(","):
        member = piece.strip(" \t")
        if not member:
            continue
        matched = _MEMBER.fullmatch(member)
        if matched is None or matched[1] in members:
            return ""
        members[matched[1]] = member
    return _bounded(list(members.values()))


def _bounded(members: list[str]) -> str:
    """Without what is too much: more than 32 are wrong, then long ones go, then the oldest."""
    if len(members) > MAX_MEMBERS:
        return ""
    if len(",".join(members)) > MAX_STATE_CHARACTERS:
        members = [one for one in members if len(one) <= LONG_MEMBER_CHARACTERS]
    while len(",".join(members)) > MAX_STATE_CHARACTERS:
        members.pop()
    return ",".join(members)
