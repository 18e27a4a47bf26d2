"""Spans as they are under way: which one is current, and what is told of it.

What a span costs is paid by every request, so there is little of it here: no locks, no formats, no
time of day. A context variable holds the span that is current.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Protocol, Self

import structlog

from control_plane.core.tracing import (
    Attribute,
    Bits,
    Propagation,
    Recording,
    Span,
    SpanKind,
    TraceContext,
    new_span_id,
    write_context,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import CallMetadata

MOST_WORDS = 240
"""Characters of what is told of a failure."""


class Traced(Protocol):
    """A span that is under way, or nothing at all."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def put(self, **attributes: Attribute | None) -> None:
        """What is known of it meanwhile. A value of None is left out."""
        ...

    def tell(self, error: BaseException) -> None:
        """What it ended with, where nothing is raised, or something that says less."""
        ...


class Keeper(Protocol):
    """Where recordings go when they end."""

    now_s: Callable[[], float]
    bits: Bits
    propagation: Propagation

    def name(self, recording: Recording, subject: str) -> None: ...

    def end(self, recording: Recording) -> None: ...


class Scope:
    """A span from its entry to its end; what is begun meanwhile belongs to it."""

    __slots__ = ("_before", "_is_told", "made", "recording", "tracing")

    def __init__(self, tracing: Keeper, recording: Recording, made: Span) -> None:
        self.tracing = tracing
        self.recording = recording
        self.made = made
        self._before: Scope | None = None
        self._is_told = False

    def __enter__(self) -> Self:
        self._before = _CURRENT.get()
        _CURRENT.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Not a token: a generator may be closed in another context than it was begun in.
        _CURRENT.set(self._before)
        if error is not None:
            self.tell(error)
        self.made.ended_s = self.tracing.now_s()

    def put(self, **attributes: Attribute | None) -> None:
        self.made.put(attributes)

    def tell(self, error: BaseException) -> None:
        if not self._is_told:
            self._is_told = True
            _tell(self.made, error)


class Root(Scope):
    """The first span of a recording; all ends with it."""

    __slots__ = ()

    def __enter__(self) -> Self:
        structlog.contextvars.bind_contextvars(trace_id=self.recording.trace_id)
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        self.tracing.end(self.recording)


class _Nothing:
    """Where no trace is current."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def put(self, **attributes: Attribute | None) -> None:
        del attributes

    def tell(self, error: BaseException) -> None:
        del error


NOTHING: Traced = _Nothing()

_CURRENT: ContextVar[Scope | None] = ContextVar("span", default=None)


def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    is_minor: bool = False,
    **attributes: Attribute | None,
) -> Traced:
    """A piece of work within the one that is current.

    is_minor: whether a failure of it is no failure of the whole.
    """
    within = _CURRENT.get()
    # A task that outlives its request does not write in it any more.
    if within is None or within.recording.ended_s is not None:
        return NOTHING
    tracing, recording = within.tracing, within.recording
    made = Span(
        name,
        new_span_id(tracing.bits),
        within.made.span_id,
        kind,
        tracing.now_s(),
        is_minor=is_minor,
    )
    made.put(attributes)
    recording.begin(made)
    return Scope(tracing, recording, made)


def record(name: str, *, started_s: float, ended_s: float, **attributes: Attribute | None) -> None:
    """A piece of work that is over, and was done before anybody knew what it belongs to."""
    within = _CURRENT.get()
    if within is None or within.recording.ended_s is not None:
        return
    made = Span(
        name,
        new_span_id(within.tracing.bits),
        within.made.span_id,
        SpanKind.INTERNAL,
        started_s,
        ended_s,
    )
    made.put(attributes)
    within.recording.begin(made)


def put(**attributes: Attribute | None) -> None:
    """Told of the span that is current."""
    within = _CURRENT.get()
    if within is not None:
        within.made.put(attributes)


def name_subject(subject: str) -> None:
    """The id of the request or job that the current trace is about; it is found by it."""
    within = _CURRENT.get()
    if within is not None:
        within.tracing.name(within.recording, subject)


def context_now() -> TraceContext | None:
    """Where the current trace is now, for whoever goes on with it later."""
    within = _CURRENT.get()
    if within is None:
        return None
    recording = within.recording
    return TraceContext(
        recording.trace_id, within.made.span_id, recording.is_sampled, recording.state
    )


def outgoing(*, only_if_sampled: bool = False) -> CallMetadata:
    """The headers that say to somebody else which span asks him."""
    within = _CURRENT.get()
    if within is None or (only_if_sampled and not within.recording.is_sampled):
        return ()
    context = context_now()
    return () if context is None else write_context(context, within.tracing.propagation)


def _tell(made: Span, error: BaseException) -> None:
    if isinstance(error, ControlPlaneError):
        if error.code is ErrorCode.CANCELLED:
            made.put({"outcome": error.code.value})
        elif error.is_callers_mistake:
            # Nothing failed here: a caller who is wrong a thousand times must not fill the traces.
            made.put({"refused": error.code.value, "reason": error.message})
        else:
            made.error = f"{error.code.value}: {error.message}"[:MOST_WORDS]
    elif isinstance(error, Exception):
        made.error = type(error).__name__
    else:
        made.put({"outcome": ErrorCode.CANCELLED.value})
