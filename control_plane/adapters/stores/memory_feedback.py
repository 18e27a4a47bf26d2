"""Answers and feedback in this process: gone with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from control_plane.adapters.stores.bounds import MOST_JUDGED
from control_plane.adapters.stores.documents import copy_of
from control_plane.adapters.stores.feedback import has_good_ids
from control_plane.adapters.stores.feedback_rows import read_kept, write_kept
from control_plane.adapters.stores.state_rows import can_be_name
from control_plane.core.accuracy import Feedback, Judged, KeptDetection, Score


class MemoryFeedback:
    """KeptDetections and FeedbackStore. now_s: seconds on any clock that goes forward."""

    def __init__(self, now_s: Callable[[], float], *, most_judged: int = MOST_JUDGED) -> None:
        self._now_s = now_s
        self._most_judged = most_judged
        # By number, each with its time; and the latest number of each id.
        self._kept: dict[int, tuple[float, KeptDetection]] = {}
        self._named: dict[str, int] = {}
        self._newest = 0
        # By detection and engine, in the order in which it was said, each with number and time.
        self._said: dict[tuple[str, str], tuple[int, float, Feedback]] = {}
        self._numbered = 0

    def __repr__(self) -> str:
        return f"<MemoryFeedback of {len(self._kept)} detections>"

    async def keep(self, detections: Sequence[KeptDetection]) -> None:
        copies = [
            read_kept(one.request_id, one.detection_id, write_kept(one), one.correlation_id)
            for one in detections
            if has_good_ids(one)
        ]
        for copy in copies:
            self._newest += 1
            self._kept[self._newest] = self._now_s(), copy
            self._named[copy.request_id] = self._named[copy.detection_id] = self._newest

    async def find(self, name: str) -> KeptDetection | None:
        number = self._named.get(name, 0)
        return self._kept[number][1] if number else None

    async def requests_of(self, correlation_id: str, *, limit: int) -> tuple[str, ...]:
        latest_first = (one for _, one in reversed(self._kept.values()))
        found = dict.fromkeys(
            one.request_id
            for one in latest_first
            if correlation_id and one.correlation_id == correlation_id
        )
        return tuple(found)[:limit]

    async def forget(self, *, most: int, keep_s: float, limit: int) -> int:
        oldest_s, dropped = self._now_s() - keep_s, 0
        while self._kept and dropped < limit:
            number = next(iter(self._kept))
            at_s, one = self._kept[number]
            if number > self._newest - most and at_s >= oldest_s:
                break
            del self._kept[number]
            for name in (one.request_id, one.detection_id):
                if self._named.get(name) == number:
                    del self._named[name]
            dropped += 1
        return dropped

    async def put(self, feedback: Feedback) -> bool:
        texts = (feedback.detection_id, feedback.request_id, feedback.engine, feedback.release)
        if not all(can_be_name(text) for text in (*texts, feedback.who, feedback.note)):
            raise ValueError("a text of the feedback cannot be stored")
        copy = copy_of(feedback)
        name = copy.detection_id, copy.engine
        replaced = self._said.pop(name, None)
        self._numbered += 1
        at_s = self._now_s()
        if replaced is not None and replaced[2].release == copy.release:
            at_s = replaced[1]
        self._said[name] = self._numbered, at_s, copy
        of_release = [key for key, _ in self._of(copy.engine, copy.release)]
        for old in of_release[: -self._most_judged]:
            del self._said[old]
        return replaced is not None

    def _of(
        self, engine: str, release: str
    ) -> list[tuple[tuple[str, str], tuple[int, float, Feedback]]]:
        return [
            (key, said)
            for key, said in self._said.items()
            if (said[2].engine, said[2].release) == (engine, release)
        ]

    async def versions(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for number, _, one in self._said.values():
            rows, total = found.get((one.engine, one.release), (0, 0))
            found[one.engine, one.release] = rows + 1, total + number
        return dict(sorted(found.items()))

    async def judged(
        self, engine: str, release: str, *, after_s: float = 0.0, limit: int
    ) -> tuple[Judged, ...]:
        of_release = [said for _, said in self._of(engine, release)]
        found = [one.judged for _, at_s, one in of_release if at_s >= after_s]
        return tuple(found[max(0, len(found) - limit) :])

    async def scores(
        self, engine: str, release: str, score: Score, *, after_s: float = 0.0, limit: int
    ) -> tuple[float, ...]:
        of_release = [said for _, said in self._of(engine, release)]
        of_release.sort(key=lambda said: said[1])
        scores = [one.judged.scores() for _, at_s, one in of_release if at_s >= after_s]
        return tuple(one[score] for one in scores if score in one)[:limit]
