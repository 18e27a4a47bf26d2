"""What to try when the control plane has refused something of a rollout, in the CLI's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cli.failure import Refused
from cli.rollout_options import elsewhere

SIGNED = {"who": "--who", "reason": "--reason"}
FIELD = re.compile(r"\w+")
"""Of ``steps_percent[1]``, and of ``steps_percent.1``, the flag is that of the whole."""


@contextmanager
def hinted(name: str, url: str, flags: Mapping[str, str] | None = None) -> Iterator[None]:
    """Adds to a refusal what to type.

    name: of the rollout or the engine that was asked for. flags: of the command, by the field of
    the API that each one sets.
    """
    try:
        yield
    except Refused as refusal:
        refusal.hint = refusal.hint or _hint(refusal, name, url, SIGNED | dict(flags or {}))
        raise


def _hint(refusal: Refused, name: str, url: str, flags: Mapping[str, str]) -> str | None:
    field = FIELD.match(refusal.field or "")
    if field is not None and field[0] in flags:
        return flags[field[0]]
    match refusal.code, refusal.field:
        case "not_found", "engine":
            return f"begin one: tidegate promote {name} RELEASE{elsewhere(url)}"
        case "conflict", _ if flags.keys() > SIGNED.keys():
            where = elsewhere(url)
            return (
                f"see the one under way: tidegate rollout watch {name}{where}; "
                f"end it: tidegate rollout abort {name}{where}"
            )
        case "conflict", _:
            return f"how it is now: tidegate rollout show {name}{elsewhere(url)}"
        case "not_found", "rollout":
            return f"tidegate rollout list{elsewhere(url)}"
    return None
