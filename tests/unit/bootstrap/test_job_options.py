"""What jobs are told from the settings."""

from __future__ import annotations

from pathlib import Path

from control_plane.bootstrap.job_options import attempt_options, store_shown
from control_plane.settings import Settings


def test_the_store_is_shown_whole_and_without_its_password() -> None:
    there = {"url": "postgresql://tide:hunter2@db.example/state"}
    shown = store_shown(Settings.model_validate({"store": there}))
    assert "db.example" in shown
    assert "hunter2" not in shown
    here = Settings.model_validate({"state_dir": "somewhere"})
    assert Path(store_shown(here)).is_absolute()
    assert "somewhere" in store_shown(here)
    assert attempt_options(here).store == store_shown(here)
