"""What to try when the control plane has refused something of a rollout, in the CLI's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cli.failure import Refused
from cli.rollout_options import elsewhere


@contextmanager
def hinted(name: str | None, url: str) -> Iterator[None]:
    """Adds to a refusal what to type. name: of the rollout or the engine that was asked for."""
    try:
        yield
    except Refused as refusal:
        refusal.hint = refusal.hint or _hint(refusal, name, url)
        raise


def _hint(refusal: Refused, name: str | None, url: str) -> str | None:
    match refusal.code, refusal.field:
        case "not_found", "engine":
            return f"begin one: tidegate promote {name} RELEASE{elsewhere(url)}"
        case "not_found", "rollout":
            return f"tidegate rollout list{elsewhere(url)}"
    return None
