"""Where each box's label goes: inside the frame, and off the other labels where it can.

Pure geometry in whole pixels; drawing is ``annotation``'s. Labels are placed one after the
other, each at the cheapest of a few places around its box: covering another label is worst,
covering another box is bad, and a shorter text is taken before either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# A label this much over other boxes hides what it should explain.
TOLERATED_COVER = 0.35
# A place that costs less than this is taken without looking further.
GOOD_ENOUGH = 0.02
# So many heights of its own may a label stand off its box, when all nearer places are taken.
FARTHEST = 4


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Pixels from (left, top) up to, not including, (right, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)

    def overlap(self, other: Rectangle) -> int:
        """Shared pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 and height > 0 else 0

    def moved_into(self, frame: Rectangle) -> Rectangle:
        """The same size, shifted inside the frame; what is too large keeps to its top left."""
        dx = min(0, frame.right - self.right)
        dx = max(dx, frame.left - self.left)
        dy = min(0, frame.bottom - self.bottom)
        dy = max(dy, frame.top - self.top)
        return Rectangle(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to say a label, from the fullest to the shortest; size of its plate."""

    text: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A label with its place."""

    wording: Wording
    plate: Rectangle


def place_labels(
    boxes: Sequence[Rectangle], wordings: Sequence[Sequence[Wording]], frame: Rectangle
) -> list[Placed]:
    """One place for each box's label, in the order of the boxes.

    wordings: for each box its texts, the fullest first; at least one.
    """
    placed: list[Placed | None] = [None] * len(boxes)
    taken: list[Rectangle] = []
    # Large boxes have more room to give, so the small ones choose first.
    for index in sorted(range(len(boxes)), key=lambda i: (boxes[i].area, boxes[i].top)):
        others = [box for at, box in enumerate(boxes) if at != index]
        choice = _choose(boxes[index], wordings[index], frame, taken=taken, others=others)
        placed[index] = choice
        taken.append(choice.plate)
    return [label for label in placed if label is not None]


def _choose(
    box: Rectangle,
    wordings: Sequence[Wording],
    frame: Rectangle,
    *,
    taken: Sequence[Rectangle],
    others: Sequence[Rectangle],
) -> Placed:
    # Only what a label of this box could reach matters: a photo may hold a thousand boxes.
    reach = _reach_of(box, wordings)
    taken = [label for label in taken if label.overlap(reach)]
    others = [other for other in others if other.overlap(reach)]
    best: tuple[float, Placed] | None = None
    for rank, wording in enumerate(wordings):
        for steps, plate in _places_around(box, wording, frame):
            cost = 0.5 * rank + 0.8 * steps
            cost += _cost_of(plate, box, taken=taken, others=others)
            if best is None or cost < best[0]:
                best = (cost, Placed(wording, plate))
            if cost < GOOD_ENOUGH:
                return Placed(wording, plate)
    if best is None:
        raise ValueError("a label needs at least one wording")
    return best[1]


def _cost_of(
    plate: Rectangle, box: Rectangle, *, taken: Sequence[Rectangle], others: Sequence[Rectangle]
) -> float:
    area = max(plate.area, 1)
    on_labels = sum(plate.overlap(label) for label in taken) / area
    on_boxes = sum(plate.overlap(other) for other in others) / area
    cost = 0.1 * on_boxes + 0.3 * plate.overlap(box) / max(box.area, 1)
    if on_boxes > TOLERATED_COVER:
        cost += 1.0
    return cost + 10.0 + 20.0 * on_labels if on_labels else cost


def _reach_of(box: Rectangle, wordings: Sequence[Wording]) -> Rectangle:
    width = max((wording.width + wording.height for wording in wordings), default=0)
    height = max((wording.height for wording in wordings), default=0) * (FARTHEST + 2)
    # The frame may push a label back over its box, and as far again past it.
    return Rectangle(
        box.left - 2 * width, box.top - height, box.right + 2 * width, box.bottom + height
    )


def _places_around(
    box: Rectangle, wording: Wording, frame: Rectangle
) -> Iterator[tuple[int, Rectangle]]:
    """The places, each with how many steps it stands off its box."""
    width, height = wording.width, wording.height
    corners = (
        (box.left, box.top - height),  # above, the usual place
        (box.right - width, box.top - height),
        (box.left, box.bottom),
        (box.right - width, box.bottom),
        (box.right, box.top),
        (box.left - width, box.top),
        (box.right, box.bottom - height),
        (box.left - width, box.bottom - height),
        (box.left, box.top),  # inside
        (box.right - width, box.bottom - height),
    )
    for left, top in corners:
        yield 0, Rectangle(left, top, left + width, top + height).moved_into(frame)
    for step in range(1, FARTHEST + 1):
        away = step * height
        for left in (box.left, box.right - width, box.right + height, box.left - width - height):
            for top in (box.top - height - away, box.bottom + away):
                yield step, Rectangle(left, top, left + width, top + height).moved_into(frame)


def leader_of(box: Rectangle, plate: Rectangle) -> tuple[int, int, int, int] | None:
    """The shortest line from a label that stands off its box to the box, or None."""
    ends = []
    for low, high, from_low, from_high in (
        (box.left, box.right, plate.left, plate.right),
        (box.top, box.bottom, plate.top, plate.bottom),
    ):
        if from_high < low:
            ends.append((from_high, low))
        elif high < from_low:
            ends.append((from_low, high))
        else:
            shared = (max(low, from_low) + min(high, from_high)) // 2
            ends.append((shared, shared))
    (plate_x, box_x), (plate_y, box_y) = ends
    is_touching = plate_x == box_x and plate_y == box_y
    return None if is_touching else (plate_x, plate_y, box_x, box_y)
