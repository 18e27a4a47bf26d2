"""The traces of the last requests, found by any id that names them.

    begin ─► open ─finish─► quick    or    notable: failed, or slow
                              │                │
                              └── the oldest goes, of each by itself

So a thousand good requests do not push out the one that failed. All of it is O(1) for a request;
who looks pays for what he reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from control_plane.core.tracing.keeping import is_notable
from control_plane.core.tracing.spans import Recording

MOST_OF_ONE_ID = 32
"""Recordings found by one id: a caller may send all his requests in one trace."""


@dataclass(frozen=True, slots=True)
class RecentOptions:
    """How many recordings are kept of each sort, and how many that have not ended."""

    max_quick: int = 1000
    max_notable: int = 1000
    max_open: int = 2000
    slow_s: float = 1.0


class RecentTraces:
    """Remembers recordings. One that is open is found, too."""

    def __init__(self, options: RecentOptions) -> None:
        self._options = options
        self._by_id: dict[str, tuple[Recording, ...]] = {}
        # As ordered sets; the values are not used.
        self._open: dict[Recording, None] = {}
        self._quick: deque[Recording] = deque()
        self._notable: deque[Recording] = deque()

    def __len__(self) -> int:
        return len(self._open) + len(self._quick) + len(self._notable)

    def __repr__(self) -> str:
        return (
            f"<RecentTraces {len(self._open)} open, {len(self._quick)} quick, "
            f"{len(self._notable)} notable>"
        )

    def begin(self, recording: Recording) -> None:
        self._add(recording.trace_id, recording)
        self._add(recording.correlation_id, recording)
        self._open[recording] = None
        if len(self._open) > self._options.max_open:
            # The oldest one may never end; it comes in again if it does.
            oldest = next(iter(self._open))
            del self._open[oldest]
            self._forget(oldest)

    def name(self, recording: Recording, subject: str) -> None:
        """The id of its request or job, by which it is found from now on. Once."""
        if recording.subject or not subject:
            return
        recording.subject = subject
        if recording in self._open:
            self._add(subject, recording)

    def finish(self, recording: Recording) -> None:
        """It has ended."""
        if recording in self._open:
            del self._open[recording]
        else:
            for name in _names(recording):
                self._add(name, recording)
        options = self._options
        if is_notable(recording, slow_s=options.slow_s) is None:
            row, most = self._quick, options.max_quick
        else:
            row, most = self._notable, options.max_notable
        row.append(recording)
        if len(row) > most:
            self._forget(row.popleft())

    def find(self, name: str) -> tuple[Recording, ...]:
        """Those of one trace that the id names, as they began; of several traces the latest's.

        name: of a trace, a correlation, a request or a job.
        """
        found = self._by_id.get(name, ())
        if not found:
            return ()
        latest = found[-1]
        # A part that was begun under another id belongs to it, too.
        whole = dict.fromkeys((*found, *self._by_id.get(latest.trace_id, ())))
        same = (one for one in whole if _is_of(one, latest, name))
        return tuple(sorted(same, key=lambda one: one.started_s))

    def latest(self) -> Iterator[Recording]:
        """All that are kept, the one that began last first."""
        kept = [*self._open, *self._quick, *self._notable]
        return iter(sorted(kept, key=lambda one: one.started_s, reverse=True))

    def _add(self, name: str, recording: Recording) -> None:
        known = self._by_id.get(name)
        if known is None:
            self._by_id[name] = (recording,)
        elif recording not in known:
            self._by_id[name] = (*known, recording)[-MOST_OF_ONE_ID:]

    def _forget(self, recording: Recording) -> None:
        for name in _names(recording):
            left = tuple([one for one in self._by_id.get(name, ()) if one is not recording])
            if left:
                self._by_id[name] = left
            else:
                self._by_id.pop(name, None)


def _names(recording: Recording) -> tuple[str, ...]:
    names = recording.trace_id, recording.correlation_id
    return (*names, recording.subject) if recording.subject else names


def _is_of(one: Recording, latest: Recording, name: str) -> bool:
    """Whether it belongs to what was asked for, and not to another request of the same trace."""
    if one.trace_id != latest.trace_id:
        return False
    return name == one.trace_id or one.correlation_id == latest.correlation_id
