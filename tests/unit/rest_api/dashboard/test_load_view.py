"""An instance's load by its own word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from control_plane.rest_api.dashboard.load_view import show_load

GIB = 1024**3


@dataclass(frozen=True)
class FakeLoad:
    scraped_ago_s: float = 0.4
    pending: int = 7
    queue_ms: Mapping[str, float] = field(default_factory=lambda: {"damage 1.0.0": 3.2})
    gpu_utilization: float | None = 0.42
    gpu_memory_used_bytes: int | None = 3 * GIB
    gpu_memory_total_bytes: int | None = 4 * GIB
    cpu_utilization: float | None = 0.1
    cpu_memory_used_bytes: int | None = GIB
    cpu_memory_total_bytes: int | None = None


def test_what_it_says_is_shown_with_its_share() -> None:
    panel = show_load(FakeLoad())
    figures = {one.name: one for one in panel.figures}
    assert figures["Pending"].value == "7"
    assert figures["GPU"].share_bp == 4200
    assert (figures["GPU memory"].value, figures["GPU memory"].note) == (
        *("3\u202fGiB", "of 4\u202fGiB"),
    )
    assert figures["GPU memory"].share_bp == 7500
    assert (figures["Memory"].value, figures["Memory"].share_bp) == ("1\u202fGiB", None)
    assert panel.queues == (("damage 1.0.0", 3.2),)
    assert (panel.missing, panel.read_ago, panel.reason) == ("", "", "")


def test_what_it_does_not_say_is_named_and_no_zero() -> None:
    load = replace(FakeLoad(), gpu_utilization=None, gpu_memory_used_bytes=None)
    panel = show_load(load)
    assert {one.name for one in panel.figures} == {"Pending", "Processors", "Memory"}
    assert panel.missing == "It says nothing of: GPU."


def test_an_old_word_says_how_old_it_is() -> None:
    assert show_load(replace(FakeLoad(), scraped_ago_s=61.0)).read_ago == "1\u202fmin 1\u202fs"


def test_nothing_known_has_a_reason_and_no_figures() -> None:
    assert show_load(None, "connection refused").reason == "connection refused"
    panel = show_load(None)
    assert (panel.figures, panel.queues) == ((), ())
    assert panel.reason
