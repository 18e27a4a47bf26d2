"""Steady load on ``steady`` by the official client, without a version: who answered what, and when.

The pace is that of the faults' load (an open loop); what is added is each answer itself. Every
input is another one, so each request is split by itself and none meets the same luck twice.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from math import inf

import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from tests.integration.asking import image_input
from tests.integration.faults.load import (
    CLIENT_TIMEOUT_S,
    Ask,
    Asking,
    Outcome,
    quantile,
    refusal,
    steady_load,
)
from tests.integration.rollouts.repository import ENGINE, VERSIONS
from tests.integration.running import wait_until

PER_S = 60.0
"""What two cores bear with the client, the control plane and both Tritons on them, with room."""

_RELEASES = {version: release for release, version in VERSIONS.items()}
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Answer:
    """One request. Times are since the epoch, as the journal's and the store's are.

    release: that the answer names; "" for none. by: the release whose scorer made the answer,
    by what it says of itself. error: "" when there is an answer.
    """

    photo: str
    started_s: float
    ended_s: float
    release: str = ""
    by: str = ""
    error: str = ""

    @property
    def latency_s(self) -> float:
        return self.ended_s - self.started_s


@dataclass
class Answers:
    """All of a load's requests that have ended, in that order."""

    all: list[Answer] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def failed(self) -> list[Answer]:
        return [one for one in list(self.all) if one.error]

    @property
    def by_release(self) -> Counter[str]:
        return Counter(one.release for one in list(self.all) if not one.error)

    def between(self, from_s: float, to_s: float = inf) -> Answers:
        """Those that began from one moment to before another."""
        return Answers([one for one in list(self.all) if from_s <= one.started_s < to_s])

    def of(self, release: str) -> list[Answer]:
        return [one for one in list(self.all) if one.release == release]

    def latency_s(self, share: float) -> float:
        """The quantile of those that were answered."""
        return quantile(sorted(one.latency_s for one in list(self.all) if not one.error), share)

    def summary(self) -> str:
        errors = Counter(one.error for one in self.failed)
        return f"{len(self)} asked, {dict(self.by_release)}, failed: {dict(errors)}"


def scoring(answers: Answers) -> Asking:
    """Asks ``steady`` about a new photo each time, and notes what came of it."""

    @asynccontextmanager
    async def asking(url: str) -> AsyncIterator[Ask]:
        async with triton.InferenceServerClient(url) as client:

            async def ask() -> str:
                photo = f"photo-{next(_NUMBERS)}"
                started_s = time.time()
                try:
                    result = await client.infer(
                        ENGINE, image_input(photo.encode()), client_timeout=CLIENT_TIMEOUT_S
                    )
                except InferenceServerException as failed:
                    error = refusal(failed)
                    answers.all.append(Answer(photo, started_s, time.time(), error=error))
                    return error
                release = result.get_response().model_version
                by = _RELEASES.get(int(result.as_numpy("VERSION")[0, 0]), "none that there is")
                answers.all.append(Answer(photo, started_s, time.time(), release, by))
                return ""

            yield ask

    return asking


@contextmanager
def scored(url: str, *, per_s: float = PER_S, least: int = 0) -> Iterator[Answers]:
    """Under load until the block ends. least: so many answers before it begins."""
    answers = Answers()
    with steady_load(url, Outcome(), asking=scoring(answers), per_s=per_s):
        wait_for(answers, least)
        yield answers


def wait_for(answers: Answers, more: int) -> None:
    """Until so many more requests have come to their end."""
    goal = len(answers) + more
    wait_until(lambda: len(answers) >= goal, timeout_s=120, what=f"{more} more answers")


def mislabelled(answers: Iterable[Answer]) -> list[Answer]:
    """Answers that name another release than the one that made them."""
    return [one for one in answers if not one.error and one.by != one.release]
