"""One answer held against the truth: what comes of it is all that is kept of the photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from control_plane.core.accuracy.found import Found, FoundBox
from control_plane.core.accuracy.matching import ClassMatches, match
from control_plane.core.accuracy.truth import CountTruth, RightTruth, Truth, VolumeTruth
from control_plane.errors import InvalidArgument


class Score(StrEnum):
    """How well one photo was answered, as a number in 0..1; releases are compared by it.

    F1: of the boxes. COUNT: 1 minus the share of objects that were counted too many or too few.
    VOLUME: 1 minus the error as a share of the greater one of the two volumes. RIGHT: 0 or 1.
    """

    F1 = "f1"
    COUNT = "count"
    VOLUME = "volume"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Counted:
    """All classes of one photo, counted.

    off: counted too many or too few, class by class, without regard to the sign. excess: with it.
    most: by class the greater of both counts, added up.
    """

    off: int
    excess: int
    most: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A volume in cubic metres."""

    found_m3: float
    true_m3: float

    @property
    def error_m3(self) -> float:
        return self.found_m3 - self.true_m3


@dataclass(frozen=True, slots=True)
class Judged:
    """One engine's answer about one photo; what the truth says nothing of is None.

    matches: by class. is_right: somebody's word.
    """

    matches: tuple[ClassMatches, ...] | None = None
    counted: Counted | None = None
    measured: Measured | None = None
    is_right: bool | None = None

    def scores(self) -> dict[Score, float]:
        """Those that the truth allows."""
        found: dict[Score, float] = {}
        if self.matches is not None:
            hits = sum(one.true_positives for one in self.matches)
            wrong = sum(one.false_positives + one.misses for one in self.matches)
            found[Score.F1] = 2 * hits / (2 * hits + wrong) if hits or wrong else 1.0
        if self.counted is not None:
            found[Score.COUNT] = 1 - self.counted.off / max(1, self.counted.most)
        if self.measured is not None:
            most_m3 = max(self.measured.found_m3, self.measured.true_m3)
            off_m3 = abs(self.measured.error_m3)
            found[Score.VOLUME] = max(0.0, 1 - off_m3 / most_m3) if off_m3 else 1.0
        if self.is_right is not None:
            found[Score.RIGHT] = float(self.is_right)
        return found


def judge(found: Found, truth: Truth, field: str) -> Judged:
    """field: where the truth was said. Raises InvalidArgument where it is of another kind."""
    if isinstance(truth, RightTruth):
        return Judged(is_right=truth.is_right)
    if isinstance(truth, VolumeTruth):
        if found.volume_m3 is None:
            raise InvalidArgument(
                f"{field}.volume_m3 cannot be held against an engine that gave no volume",
                field=f"{field}.volume_m3",
            )
        return Judged(measured=Measured(found.volume_m3, truth.volume_m3))
    if isinstance(truth, CountTruth):
        boxes = _boxes(found, f"{field}.counts")
        return Judged(counted=_count(_counts(boxes), truth.counts))
    boxes = _boxes(found, f"{field}.boxes")
    counts = Counter(one.label for one in truth.boxes)
    return Judged(match(boxes, truth.boxes), _count(_counts(boxes), counts))


def _boxes(found: Found, field: str) -> tuple[FoundBox, ...]:
    if found.boxes is None:
        raise InvalidArgument(
            f"{field} cannot be held against an engine that gave no boxes", field=field
        )
    return found.boxes


def _counts(boxes: tuple[FoundBox, ...]) -> Mapping[str, int]:
    return Counter(one.label for one in boxes)


def _count(found: Mapping[str, int], true: Mapping[str, int]) -> Counted:
    pairs = [(found.get(label, 0), true.get(label, 0)) for label in found.keys() | true.keys()]
    return Counted(
        off=sum(abs(seen - there) for seen, there in pairs),
        excess=sum(seen - there for seen, there in pairs),
        most=sum(max(pair) for pair in pairs),
    )
