"""Boxes, truth and answers for the tests of accuracy."""

from __future__ import annotations

from hypothesis import strategies as st

from control_plane.core.accuracy import Box, BoxTruth, Found, FoundBox, Judged, TrueBox, judge

LABELS = ("hail", "wind")

_edges = st.integers(0, 12).map(float)
_sizes = st.integers(1, 6).map(float)
boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), _edges, _edges, _sizes, _sizes)
labels = st.sampled_from(LABELS)
found_boxes = st.builds(FoundBox, labels, st.sampled_from([0.2, 0.5, 0.8, 0.9]), boxes)
true_boxes = st.builds(TrueBox, labels, boxes)
photos = st.tuples(st.lists(found_boxes, max_size=6), st.lists(true_boxes, max_size=6))


def square(at: float = 0.0, size: float = 10.0) -> Box:
    return Box(at, at, at + size, at + size)


def hit(at: float = 0.0, *, label: str = "hail", confidence: float = 0.9) -> FoundBox:
    return FoundBox(label, confidence, square(at))


def there(at: float = 0.0, *, label: str = "hail") -> TrueBox:
    return TrueBox(label, square(at))


def judged(found: list[FoundBox], true: list[TrueBox]) -> Judged:
    return judge(Found(boxes=tuple(found)), BoxTruth(tuple(true)), "truth.damage")
