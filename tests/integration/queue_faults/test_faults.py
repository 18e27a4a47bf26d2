"""Whatever fails while jobs are under way, what was accepted ends, and arrives with one content.

The scenarios and what they are held to are those of ``benchmarks/queue_faults.py``, which does
all of them on every backend; here each is done where it is most likely to do harm.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.faults.shown import Shown
from tests.integration.queue_faults.scenarios import SCENARIOS, play
from tests.integration.queue_faults.stage import Backend, Servers

JOBS = 60
ATTEMPTS = 6
"""Of a job that uses them all up; none may be hit by more crashes than these."""

SQLITE, POSTGRES, RABBITMQ, SQS = Backend


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("kill-steps", SQLITE),
        ("kill-steps", RABBITMQ),
        ("kill-any", POSTGRES),
        ("kill-any", SQS),
        ("kill-intake", SQLITE),
        ("restart", RABBITMQ),
        ("restart", POSTGRES),
        ("cut-publish", RABBITMQ),
        ("cut-ack", POSTGRES),
        ("cut-ack", RABBITMQ),
        ("store-away", SQLITE),
        ("store-away", RABBITMQ),
        ("full-disk", SQLITE),
        ("full-disk", RABBITMQ),
        ("duplicates", POSTGRES),
        ("poison", SQLITE),
        ("slow-webhook", SQLITE),
    ],
)
def test_nothing_is_lost(name: str, backend: Backend, servers: Servers, tmp_path: Path) -> None:
    scenario = SCENARIOS[name]
    attempts = scenario.max_attempts or ATTEMPTS
    try:
        shown = play(
            replace(scenario, max_attempts=attempts), backend, servers, tmp_path / "run", jobs=JOBS
        )
    except PermissionError as refused:
        pytest.skip(str(refused))
    assert shown.broken() == []
    assert _amount(shown, "accepted") >= JOBS


def _amount(shown: Shown, name: str) -> float:
    return next(one.value for one in shown.figures if one.name == name)
