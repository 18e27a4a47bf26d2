"""Which classes an engine tells apart, so that a misspelt one is no object that it missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from types import MappingProxyType

from control_plane.core.accuracy.found import Found
from control_plane.core.accuracy.truth import BoxTruth, CountTruth, Truth
from control_plane.errors import InvalidArgument

CLASSES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "damage": frozenset({"hail", "wind", "missing_shingle"}),
        "materials": frozenset({"shingle", "plywood"}),
    }
)
"""Of the engines that come with Tidegate."""
SHOWN_CHARACTERS = 80


def classes_of(engine: str, found: Found) -> Set[str]:
    """The classes that the engine knows; none where that is not known.

    A model of somebody's own may bear the engine's name: its answer betrays it.
    """
    known = CLASSES.get(engine, frozenset())
    return known if all(one.label in known for one in found.boxes or ()) else frozenset()


def check_classes(truth: Truth, known: Set[str], field: str) -> None:
    """Raises InvalidArgument naming the first class that is not known, and those that are.

    known: none lets all of them through. field: where the truth was said.
    """
    if not known:
        return
    for where, label in _said(truth, field):
        if label not in known:
            raise InvalidArgument(
                f"{where} names {label[:SHOWN_CHARACTERS]!r}, a class that the engine does not "
                f"know; it knows: {', '.join(sorted(known))}",
                field=where,
            )


def _said(truth: Truth, field: str) -> Iterable[tuple[str, str]]:
    if isinstance(truth, BoxTruth):
        return [
            (f"{field}.boxes[{number}].class", one.label) for number, one in enumerate(truth.boxes)
        ]
    if isinstance(truth, CountTruth):
        return [(f"{field}.counts", label) for label in truth.counts]
    return ()
