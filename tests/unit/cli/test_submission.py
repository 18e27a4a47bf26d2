from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from cli import submission
from cli.client import ControlPlane
from cli.submission import Outcome, Question, Submission
from tests.unit.cli.plane import Plane


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_moves_and_outcomes_follow_it(
    plane: Plane, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    told: list[Outcome] = []

    Submission(ControlPlane(plane.url), Question()).run([photo] * 3, told.append)

    assert [outcome.is_well for outcome in told] == [True] * 3
    assert "photos" in terminal.getvalue()


def test_a_photo_beyond_every_limit_is_not_even_read(
    plane: Plane, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "LARGEST_PHOTO_BYTES", 1024)
    told: list[Outcome] = []

    Submission(ControlPlane(plane.url), Question()).run([photo], told.append)

    (refusal,) = told[0].refusals
    assert refusal.code == "photo_too_large"
    assert plane.seen == []


def test_a_control_plane_on_another_machine_may_stand_behind_a_proxy() -> None:
    far, near = ControlPlane("https://gate.example"), ControlPlane("http://127.0.0.1:9000")

    assert far.client_options(1.0)["trust_env"] is True
    assert near.client_options(1.0)["trust_env"] is False
