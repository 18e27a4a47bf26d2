"""Rollouts of ``steady`` steered over REST, as an operator's script would."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tests.integration.rollouts.repository import ENGINE, STABLE
from tests.integration.running import wait_until

FINISHED = frozenset({"completed", "rolled_back", "failed"})
TIMEOUT_S = 10.0
ENDED_WITHIN_S = 60.0

NO_TLS = False
"""Reading the authorities' certificates takes a client longer than the command it is to send."""


@dataclass(frozen=True, slots=True)
class Steering:
    """One control plane's REST."""

    url: str

    def start(self, release: str, **plan: Any) -> str:
        """Its id. plan: what ``POST /api/v1/rollouts`` takes."""
        body = {"engine": ENGINE, "release": release, "who": "tests", **plan}
        return str(self._post("/api/v1/rollouts", body)["id"])

    def act(self, rollout: str, action: str) -> dict[str, Any]:
        return self._post(f"/api/v1/rollouts/{rollout}/{action}", {"who": "tests"})

    def roll_back(self, **body: Any) -> dict[str, Any]:
        return self._post(f"/api/v1/engines/{ENGINE}/rollback", {"who": "tests", **body})

    def say(self, request_id: str, *, is_right: bool) -> None:
        """Feedback on an answer."""
        truth = {ENGINE: {"is_right": is_right}}
        self._post("/api/v1/feedback", {"request_id": request_id, "truth": truth})

    def show(self, rollout: str) -> dict[str, Any]:
        return self._get(f"/api/v1/rollouts/{rollout}")

    def evidence(self, rollout: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get(f"/api/v1/rollouts/{rollout}/evidence")[
            "assessments"
        ]
        return found

    def audit(self, rollout: str) -> list[dict[str, Any]]:
        """The entries of a rollout, the oldest first."""
        answer = self._get(f"/api/v1/audit?engine={ENGINE}&rollout={rollout}&limit=1000")
        return list(reversed(answer["entries"]))

    def latest(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get(f"/api/v1/rollouts?engine={ENGINE}")["rollouts"]
        return found

    def releases(self) -> dict[str, dict[str, Any]]:
        """The engine's releases by name, with their weights and where they are ready."""
        found = self._get(f"/api/v1/engines/{ENGINE}/releases")["releases"]
        return {one["release"]: one for one in found}

    def wait_for(
        self,
        rollout: str,
        *states: str,
        step: int | None = None,
        timeout_s: float = ENDED_WITHIN_S,
    ) -> dict[str, Any]:
        """The rollout as soon as it is in one of the states, and in the step or a later one.

        A rollout that has ended in another state is told at once.
        """
        last: dict[str, Any] = {}

        def is_there() -> bool:
            last.update(self.show(rollout))
            return last["state"] in states and (step is None or last["step"] >= step)

        def is_over() -> bool:
            return is_there() or last["state"] in FINISHED

        try:
            wait_until(is_over, timeout_s=timeout_s, what=f"{rollout} in {states}")
        except AssertionError as late:
            raise AssertionError(f"{late}; it is {last}") from None
        assert is_there(), f"{rollout} ended: {last}"
        return last

    def settle(self, *, timeout_s: float = ENDED_WITHIN_S) -> None:
        """Until no rollout is under way and each instance has the stable release and no other."""

        def is_settled() -> bool:
            latest = self.latest()
            return (not latest or latest[0]["is_finished"]) and self.has_stable_only()

        wait_until(is_settled, timeout_s=timeout_s, what="nothing but the stable release is left")

    def has_stable_only(self, instances: Collection[str] = ("triton-0", "triton-1")) -> bool:
        releases = self.releases()
        return all(
            set(one["ready_on"]) == (set(instances) if one["is_stable"] else set())
            for one in releases.values()
        )

    def back_to_start(self) -> None:
        """Whatever was done before: all traffic with STABLE, and nothing else is loaded."""
        latest = self.latest()
        if latest and not latest[0]["is_finished"]:
            self.roll_back()
            self.wait_for(latest[0]["id"], *FINISHED)
        if not self.releases()[STABLE]["is_stable"]:
            undone = self.roll_back(to=STABLE)
            self.wait_for(undone["id"], "completed")
        self.settle()

    def _get(self, path: str) -> Any:
        answer = httpx.get(self.url + path, timeout=TIMEOUT_S, verify=NO_TLS)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(self.url + path, json=body, timeout=TIMEOUT_S, verify=NO_TLS)
        assert answer.is_success, f"{path} {body}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found


def moment_of(entry: dict[str, Any]) -> float:
    """When an entry of the audit was written, since the epoch."""
    return datetime.fromisoformat(entry["at"]).timestamp()


def sent_s() -> float:
    """Now, on the clock that answers, journal and audit are written by."""
    return time.time()
