"""An instance's load by its own word."""

from __future__ import annotations

from dataclasses import replace

from control_plane.rest_api.dashboard.load_view import show_load
from control_plane.services.status import LoadView

GIB = 1024**3


LOAD = LoadView(
    scraped_ago_s=0.4,
    pending=7,
    queue_ms={"damage 1.0.0": 3.2},
    gpu_utilization=0.42,
    gpu_memory_used_bytes=3 * GIB,
    gpu_memory_total_bytes=4 * GIB,
    cpu_utilization=0.1,
    cpu_memory_used_bytes=GIB,
    cpu_memory_total_bytes=None,
)


def test_what_it_says_is_shown_with_its_share() -> None:
    panel = show_load(LOAD)
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
    load = replace(LOAD, gpu_utilization=None, gpu_memory_used_bytes=None)
    panel = show_load(load)
    assert {one.name for one in panel.figures} == {"Pending", "Processors", "Memory"}
    assert panel.missing == "It does not say of itself: GPU."


def test_an_old_word_says_how_old_it_is() -> None:
    assert show_load(replace(LOAD, scraped_ago_s=61.0)).read_ago == "1\u202fmin 1\u202fs"


def test_nothing_known_has_a_reason_and_no_figures() -> None:
    assert show_load(None, "connection refused").reason == "connection refused"
    panel = show_load(None)
    assert (panel.figures, panel.queues) == ((), ())
    assert panel.reason
