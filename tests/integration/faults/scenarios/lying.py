"""Tritons that call themselves ready and cannot answer, or have forgotten a model."""

from __future__ import annotations

import signal
import time
from collections import Counter

import tritonclient.grpc as triton

from tests.integration.faults.load import (
    RATE_PER_S,
    Asking,
    Outcome,
    echoing,
    photographing,
    steady_load,
    wait_for_more,
)
from tests.integration.faults.shown import Figure, Shown, callers
from tests.integration.faults.sights import Sights, watched
from tests.integration.faults.stage import FIRST, stubs_of, when_in, when_out
from tests.integration.photos import small_photo
from tests.integration.running import RunningTidegate

MENDED_AT_MOST_S = 30.0
RESTORED_AT_MOST_S = 15.0

PHOTOS_PER_S = 15
"""What a machine of two cores bears of the shipped engines, with the client on it too."""


def kill_stub(tidegate: RunningTidegate) -> Shown:
    """SIGKILL of the one process behind ``echo``; Triton goes on calling it ready."""
    return _kill_stub(tidegate, "echo", "echo", echoing, RATE_PER_S)


def kill_detector(tidegate: RunningTidegate) -> Shown:
    """SIGKILL of one of the two processes behind ``damage_detector``."""
    asking = photographing("damage", small_photo())
    return _kill_stub(tidegate, "damage_detector", "damage", asking, PHOTOS_PER_S)


def kill_preprocess(tidegate: RunningTidegate) -> Shown:
    """SIGKILL of one of the two processes behind what all three engines begin with."""
    asking = photographing("damage", small_photo())
    return _kill_stub(tidegate, "preprocess", "damage", asking, PHOTOS_PER_S)


def unload_component(tidegate: RunningTidegate) -> Shown:
    """Somebody unloads ``echo`` at the Triton itself."""
    outcome = Outcome()
    with (
        triton.InferenceServerClient(tidegate.triton_urls[FIRST]) as direct,
        watched(tidegate) as sights,
        steady_load(tidegate.grpc, outcome),
    ):
        wait_for_more(outcome)
        unloaded_s = time.monotonic()
        direct.unload_model("echo")
        out_s = when_out(sights, unloaded_s, "echo")
        restored_s = when_in(sights, out_s, "echo")
        wait_for_more(outcome)
        assert direct.is_model_ready("echo", "1")
    return Shown(
        "a component unloaded behind our back",
        (
            *callers(outcome),
            Figure("out of rotation after", out_s - unloaded_s, "s"),
            Figure("restored after", restored_s - unloaded_s, "s", at_most=RESTORED_AT_MOST_S),
        ),
        Counter(outcome.errors),
    )


def _kill_stub(
    tidegate: RunningTidegate, model: str, engine: str, asking: Asking, per_s: float
) -> Shown:
    outcome = Outcome()
    stub = stubs_of(tidegate, model)[0]
    with (
        watched(tidegate) as sights,
        steady_load(tidegate.grpc, outcome, asking=asking, per_s=per_s),
    ):
        wait_for_more(outcome, round(per_s))
        killed_s = time.monotonic()
        stub.send_signal(signal.SIGKILL)
        out_s = when_out(sights, killed_s, engine)
        mended_s = _when_mended(sights, engine, out_s)
        wait_for_more(outcome, round(per_s))
    return Shown(
        f"a process of {model} killed",
        (
            *callers(outcome),
            Figure("out of rotation after", out_s - killed_s, "s"),
            Figure("mended after", mended_s - killed_s, "s", at_most=MENDED_AT_MOST_S),
        ),
        Counter(outcome.errors),
    )


def _when_mended(sights: Sights, engine: str, out_s: float) -> float:
    """When the engine was in rotation again, once it had been seen being mended."""
    mending_s = sights.first(
        lambda sight: sight.fitness(FIRST, engine) == "mending",
        after_s=out_s,
        what=f"{engine} being mended",
    )
    return when_in(sights, mending_s, engine)
