"""A release that answers well in all that can be counted, and is wrong: people say so."""

from __future__ import annotations

import json

import pytest

from tests.integration.photos import small_photo
from tests.integration.rollouts.repository import ENGINE, GOOD, STABLE
from tests.integration.rollouts.steering import Steering
from tests.integration.running import RunningTidegate, command_line, wait_until

pytestmark = pytest.mark.triton

GATE = ("--accuracy", "right", "--accuracy-margin", "0.1", "--min-feedback", "5")
SAID_ENOUGH = 40


def say(fleet: RunningTidegate, steering: Steering, *, right: str) -> str:
    """One answer more, and whether it was right: only this release's are. Whose it was."""
    answer = fleet.detect(small_photo(), detection_types=ENGINE)
    assert answer.status_code == 200, answer.text
    release = str(answer.json()["served_by"][ENGINE]["release"])
    steering.say(answer.json()["request_id"], is_right=release == right)
    return release


def test_a_release_that_people_call_wrong_goes_back(
    fleet: RunningTidegate, steering: Steering
) -> None:
    options = ("--canary", "50", "--min-step-s", "0", "--min-samples", "1", *GATE)
    begun = command_line("promote", ENGINE, GOOD, *options, "--json", url=fleet.url)
    assert begun.returncode == 0, begun.stderr
    rollout = str(json.loads(begun.stdout)["id"])
    steering.wait_for(rollout, "step")
    assert steering.show(rollout)["accuracy"] == {
        "score": "right",
        "margin": 0.1,
        "least": 5,
        "proof": False,
    }
    said: list[str] = []

    def is_going_back() -> bool:
        if said.count(GOOD) < SAID_ENOUGH or said.count(STABLE) < SAID_ENOUGH:
            said.append(say(fleet, steering, right=STABLE))
        return steering.show(rollout)["state"] in ("rolling_back", "rolled_back")

    wait_until(is_going_back, timeout_s=90, what="the release is found to be wrong")
    ended = steering.wait_for(rollout, "rolled_back")
    assert ended["reason"] == "accuracy:right is worse by more than 0.1: 1.00 → 0.00"
    assert min(said.count(GOOD), said.count(STABLE)) < SAID_ENOUGH
    (looked,) = [
        one
        for one in steering.evidence(rollout)[-1]["metrics"]
        if one["metric"] == "accuracy:right"
    ]
    assert looked["evidence"] > looked["threshold"] > 0
    releases = fleet.get(f"/api/v1/engines/{ENGINE}/accuracy")["releases"]
    assert releases[GOOD]["metrics"]["right_share"]["value"] == 0.0
    assert releases[STABLE]["metrics"]["right_share"]["value"] == 1.0
