"""The header ``X-Amzn-Trace-Id``, as AWS X-Ray has it.

https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader:
``Root=1-EPOCH8-24HEX;Parent=16HEX;Sampled=1``. A load balancer sends the root alone, and
``Sampled=?`` asks for a decision; what else is in it, such as ``Lineage``, is not ours.
"""

from __future__ import annotations

import re

from control_plane.core.tracing.context import TraceContext

HEADER = "x-amzn-trace-id"
MAX_CHARACTERS = 512

_ROOT = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})", re.IGNORECASE)
_PARENT = re.compile(r"[0-9a-f]{16}", re.IGNORECASE)
_DECISIONS = {"1": True, "0": False}
_ZERO = "0"


def read_xray(text: str) -> TraceContext | None:
    """The context that the header names; None for what names none."""
    if len(text) > MAX_CHARACTERS:
        return None
    fields = _fields(text)
    root = _ROOT.fullmatch(fields.get("root", ""))
    if root is None:
        return None
    trace_id = (root[1] + root[2]).lower()
    if not trace_id.strip(_ZERO):
        return None
    parent = fields.get("parent", "").lower()
    if _PARENT.fullmatch(parent) is None or not parent.strip(_ZERO):
        parent = ""
    return TraceContext(trace_id, parent, _DECISIONS.get(fields.get("sampled", "")))


def write_xray(context: TraceContext) -> str:
    root = f"1-{context.trace_id[:8]}-{context.trace_id[8:]}"
    return f"Root={root};Parent={context.span_id};Sampled={1 if context.is_sampled else 0}"


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for piece in text.split(";"):
        name, _, value = piece.partition("=")
        # The first one counts, whoever adds another behind it.
        fields.setdefault(name.strip().lower(), value.strip())
    return fields
