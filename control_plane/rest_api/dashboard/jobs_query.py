"""Which jobs a page shows, as its address says: the filters of the list, and where it goes on.

A form leaves empty what is not chosen, so here what is empty does not matter; the interface for
programs refuses it instead (``job_filters``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast, get_args
from urllib.parse import urlencode

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import JobFilter
from control_plane.errors import ControlPlaneError, InvalidArgument
from control_plane.rest_api.job_filters import JobQuery, check_code, filter_of_query
from control_plane.rest_api.job_schemas import Dead

PAGE_ROWS = 50
UNDELIVERED = "true"
FIELDS = ("state", "priority", "dead", "engine", "code", "correlation_id", "undelivered")
MAX_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class JobsQuery:
    """What was chosen, word for word, and what it means.

    chosen: by field, without what is empty. before: the job after which the page begins.
    problem: why the address means nothing, and of which field; empty when it does mean something.
    """

    chosen: dict[str, str] = field(default_factory=dict)
    before: str = ""
    wanted: JobFilter = field(default_factory=JobFilter)
    problem: str = ""
    problem_field: str = ""

    @property
    def is_filtered(self) -> bool:
        return bool(self.chosen)

    @property
    def query(self) -> str:
        """The filters as the part of an address behind its question mark, without the page."""
        return urlencode(self.chosen)

    def at(self, before: str | None) -> str:
        """The same filters on the page that begins after that job."""
        return urlencode({**self.chosen, **({"before": before} if before else {})})

    def describe(self) -> str:
        """The filters in words; empty without any."""
        return ", ".join(f"{_WORDS[name]} {value}" for name, value in self.chosen.items())


_WORDS = {
    "state": "state",
    "priority": "priority",
    "dead": "dead letters:",
    "engine": "engine",
    "code": "error",
    "correlation_id": "correlation id",
    "undelivered": "result given up:",
}


def read_query(pairs: Iterable[tuple[str, str]]) -> JobsQuery:
    """pairs: of the address. It never raises: what is wrong is told on the page."""
    said = {name: value.strip()[:MAX_CHARACTERS] for name, value in pairs if value.strip()}
    chosen = {name: said[name] for name in FIELDS if name in said}
    read = JobsQuery(chosen, said.get("before", ""))
    try:
        return replace(read, wanted=_filter(read))
    except ControlPlaneError as error:
        return replace(read, problem=error.message, problem_field=error.field or "")


def _filter(read: JobsQuery) -> JobFilter:
    """Raises ControlPlaneError."""
    chosen = read.chosen
    state, priority, code = (chosen.get(name) for name in ("state", "priority", "code"))
    dead = _one_of(get_args(Dead), chosen.get("dead"), "dead")
    undelivered = _one_of((UNDELIVERED,), chosen.get("undelivered"), "undelivered")
    _one_of(tuple(DetectionStatus), state, "state")
    _one_of(tuple(Priority), priority, "priority")
    return filter_of_query(
        JobQuery(
            state=None if state is None else [DetectionStatus(state)],
            priority=None if priority is None else Priority(priority),
            dead=cast("Dead | None", dead),
            engine=chosen.get("engine"),
            code=None if code is None else check_code(code),
            correlation_id=chosen.get("correlation_id"),
            undelivered=None if undelivered is None else True,
            before=read.before or None,
        )
    )


def _one_of(known: Sequence[str], said: str | None, name: str) -> str | None:
    if said is not None and said not in known:
        raise InvalidArgument(
            f"unknown {name} {said[:80]!r}; known: {', '.join(known)}", field=name
        )
    return said
