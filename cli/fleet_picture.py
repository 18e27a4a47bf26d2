"""The fleet as a person takes it in at a glance.

Every state has a colour, a mark and a word, so that none of them has to be told by its
colour. Only what is not as it should be gets a line of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.printing import style_of, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

WATCHED_CHANGES = 8
GIB = 2**30

HEALTH_MARKS = {
    "healthy": "●",
    "degraded": "◐",
    "unhealthy": "✗",
    "draining": "↓",
    "isolated": "■",
    "unknown": "?",
}
FITNESS_MARKS = {
    "fit": "✓",
    "unprobed": "○",
    "proving": "…",
    "unfit": "✗",
    "mending": "~",
    "given_up": "■",
}
BREAKER_MARK = "▲"
WELL = frozenset({"fit", "unprobed"})

Instance = Mapping[str, Any]
Change = Mapping[str, Any]


def fleet_picture(
    answer: Mapping[str, Any], now: datetime, *, with_url: bool = False, with_load: bool = True
) -> RenderableType:
    """All instances, and why some are not well. now: aware; what "since" is counted to."""
    from rich.console import Group
    from rich.text import Text

    instances = answer.get("instances", [])
    parts: list[RenderableType] = [
        instance_table(instances, now, with_url=with_url, with_load=with_load)
    ]
    reasons = [row for instance in instances for row in _reasons(instance)]
    if reasons:
        parts += ["", table(["instance", "is", "why"], reasons)]
    if any(there["fitness"] == "unprobed" for one in instances for there in _engines(one).values()):
        parts += ["", Text("○ takes requests without a probe", style="dim")]
    return Group(*parts)


def watched_picture(answer: Mapping[str, Any], url: str, now: datetime) -> RenderableType:
    """The fleet, headed by how many are in which state and followed by what changed lately."""
    from rich.console import Group
    from rich.text import Text

    counts = Counter(str(one.get("health")) for one in answer.get("instances", []))
    summary = Text(f"{now:%H:%M:%S}  {url}  ")
    summary += Text(", ").join(
        Text(f"{count} {word}", style=style_of(word)) for word, count in counts.items()
    )
    parts: list[RenderableType] = [summary, "", fleet_picture(answer, now)]
    latest = answer.get("changes", [])[:WATCHED_CHANGES]
    if latest:
        parts += ["", change_table(latest, now)]
    return Group(*parts)


def instance_table(
    instances: Iterable[Instance], now: datetime, *, with_url: bool, with_load: bool
) -> Table:
    """One line for each."""
    rows: list[list[str | Text]] = [
        [
            str(one["name"]),
            health_of(one),
            _engine_marks(one),
            str(one.get("in_flight", "-")),
            *([load_of(one)] if with_load else []),
            age_of(one.get("health_since"), now),
            *([str(one.get("url", "-"))] if with_url else []),
        ]
        for one in instances
    ]
    headers = ["instance", "health", "engines", "in flight"]
    headers += [*(["load"] if with_load else []), "since", *(["url"] if with_url else [])]
    return table(headers, rows)


def load_of(instance: Instance) -> str:
    """Its load in a few words; ? where it is not known."""
    load = instance.get("load")
    if not load:
        return "?"
    parts = [
        f"{name} {100 * load[key]:.0f} %"
        for name, key in (("gpu", "gpu_utilization"), ("cpu", "cpu_utilization"))
        if load.get(key) is not None
    ]
    parts.append(f"{load['pending']} wait")
    if load["queue_ms"]:
        parts.append(f"{max(load['queue_ms'].values()):.0f} ms")
    return ", ".join(parts)


def instance_picture(instance: Instance, now: datetime) -> RenderableType:
    """One instance with its engines and its history."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    seen = instance.get("observed_ago_s")
    since = instance.get("health_since")
    facts = Table.grid(padding=(0, 2, 0, 0))
    for name, fact in (
        ("why", str(instance.get("health_reason") or "-")),
        ("since", f"{time_of(since, now)}, {age_of(since, now)} ago" if since else "-"),
        ("seen", "never" if seen is None else f"{seen:.1f} s ago: {_state_of(instance)}"),
        ("in flight", str(instance.get("in_flight", "-"))),
        *_load_facts(instance),
        ("url", str(instance.get("url", "-"))),
    ):
        facts.add_row(Text(name, style="bold"), Text(fact))
    head = Text.assemble((str(instance["name"]), "bold"), "  ", health_of(instance))
    parts: list[RenderableType] = [head, facts, ""]
    parts.append(
        table(
            ["engine", "fitness", "releases", "in flight", "breaker", "why"],
            [_engine_row(instance, engine) for engine in _engines(instance)],
        )
    )
    if instance.get("history"):
        parts += ["", change_table(instance["history"], now, with_instance=False)]
    return Group(*parts)


def change_table(changes: Sequence[Change], now: datetime, *, with_instance: bool = True) -> Table:
    """What changed, as it comes: the latest first."""
    rows: list[list[str | Text]] = [
        [
            time_of(one["at"], now),
            *([str(one["instance"])] if with_instance else []),
            str(one.get("engine") or "health"),
            _moved(one),
            str(one.get("reason") or "-"),
        ]
        for one in changes
    ]
    headers = ["changed", *(["instance"] if with_instance else []), "what", "from → to", "why"]
    return table(headers, rows)


def health_of(instance: Instance) -> Text:
    from rich.text import Text

    word = str(instance.get("health") or "unknown")
    return Text(f"{HEALTH_MARKS.get(word, '?')} {_words(word)}", style=style_of(word))


def age_of(at: str | None, now: datetime) -> str:
    """How long ago, in the largest unit that says enough."""
    if not at:
        return "-"
    # The clocks of two machines may differ.
    age_s = max(0.0, (now - datetime.fromisoformat(at)).total_seconds())
    for unit_s, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if age_s >= unit_s:
            return f"{age_s // unit_s:.0f} {unit}"
    return f"{age_s:.0f} s"


def time_of(at: str, now: datetime) -> str:
    """In the time zone of this terminal; with its date when that is not today's."""
    there = datetime.fromisoformat(at).astimezone(now.tzinfo)
    return f"{there:%H:%M:%S}" if there.date() == now.date() else f"{there:%Y-%m-%d %H:%M:%S}"


def _engines(instance: Instance) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = instance.get("engines") or {}
    return found


def _engine_marks(instance: Instance) -> Text:
    """A mark on each engine's name, so that no line ends between, and a word if all is not well."""
    from rich.text import Text

    cells = []
    for engine, there in _engines(instance).items():
        fitness, breaker = str(there["fitness"]), _breaker(instance, engine)
        if breaker and fitness in WELL:
            said = f"{BREAKER_MARK}{engine} breaker {_words(breaker)}"
            cells.append(Text(said, style=style_of(breaker)))
        else:
            mark = FITNESS_MARKS.get(fitness, "?")
            said = f"{mark}{engine}" if fitness in WELL else f"{mark}{engine} {_words(fitness)}"
            cells.append(Text(said, style=style_of(fitness)))
    return Text("  ").join(cells) if cells else Text("-")


def _engine_row(instance: Instance, engine: str) -> list[str | Text]:
    from rich.text import Text

    there = _engines(instance)[engine]
    fitness = str(there["fitness"])
    mark = FITNESS_MARKS.get(fitness, "?")
    return [
        engine,
        Text(f"{mark} {_words(fitness)}", style=style_of(fitness)),
        ", ".join(instance.get("serving", {}).get(engine, [])) or "-",
        str(there.get("in_flight", "-")),
        _words(_breaker(instance, engine) or "closed"),
        str(there.get("reason") or "-"),
    ]


def _breaker(instance: Instance, engine: str) -> str | None:
    """The worst of its releases' breakers that are not closed."""
    found = [
        str(state)
        for served, state in (instance.get("breakers") or {}).items()
        if served.partition(" ")[0] == engine
    ]
    return min(found, key=["isolated", "open", "half_open"].index, default=None)


def _reasons(instance: Instance) -> list[list[str]]:
    """Why it, and each engine there, is as it is, where that is not well."""
    name, health, state = (str(instance.get(key, "-")) for key in ("name", "health", "state"))
    why, why_not_ready = str(instance.get("health_reason") or "-"), str(instance.get("reason"))
    found: list[list[str]] = []
    if health != "healthy":
        found.append([name, health, why])
    # What is loading has nothing more to say than that, and what is dead says it once.
    if state != "ready" and why_not_ready not in ("", state, why):
        found.append([name, state, why_not_ready])
    for engine, there in _engines(instance).items():
        if there["fitness"] not in WELL:
            what = f"{engine}: {_words(str(there['fitness']))}"
            found.append([name, what, str(there.get("reason") or "-")])
    return found


def _load_facts(instance: Instance) -> list[tuple[str, str]]:
    """What it says of its own load, and of nothing that it does not say."""
    load = instance.get("load")
    if not load:
        return [("load", f"unknown: {instance.get('load_reason') or '-'}")]
    facts = [("waiting", f"{load['pending']} there, whoever sent them")]
    if load["queue_ms"]:
        waits = (f"{served} {wait_ms:.1f} ms" for served, wait_ms in load["queue_ms"].items())
        facts.append(("queue time", ", ".join(waits)))
    for name in ("gpu", "cpu"):
        utilization, used, total = (
            load.get(f"{name}_{what}")
            for what in ("utilization", "memory_used_bytes", "memory_total_bytes")
        )
        said = [] if utilization is None else [f"{100 * utilization:.0f} %"]
        if used is not None and total is not None:
            said.append(f"{used / GIB:.1f} of {total / GIB:.1f} GiB")
        if said:
            facts.append((name, ", ".join(said)))
    return facts


def _state_of(instance: Instance) -> str:
    state, reason = str(instance.get("state", "-")), instance.get("reason")
    return f"{state}: {reason}" if reason and state != "ready" else state


def _moved(change: Change) -> Text:
    from rich.text import Text

    was, now = str(change["was"]), str(change["now"])
    return Text.assemble(f"{_words(was)} → ", (_words(now), style_of(now)))


def _words(word: str) -> str:
    return word.replace("_", " ")
