"""The reference of the metrics is current, and names them all."""

from __future__ import annotations

from pathlib import Path

from control_plane.adapters.metrics.catalogue import FAMILIES
from control_plane.adapters.metrics.reference import reference_text
from control_plane.core.outcomes import Ending

FILE = Path(__file__).parents[4] / "docs" / "metrics.md"


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text() == reference_text(), (
        "write it anew: python -m control_plane.adapters.metrics.reference > docs/metrics.md"
    )


def test_every_metric_and_every_end_of_a_try_is_in_it() -> None:
    text = reference_text()
    assert [family.name for family in FAMILIES if f"| `{family.name}` |" not in text] == []
    assert [ending.value for ending in Ending if f"`{ending.value}`" not in text] == []
