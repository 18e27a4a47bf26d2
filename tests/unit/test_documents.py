"""The documents' relative links point to what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#|//")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def links_of(text: str) -> list[str]:
    """Targets inside the repository, without the place in the file."""
    found = LINK.findall(CODE.sub("", text))
    return [target.partition("#")[0] for target in found if not ELSEWHERE.match(target)]


def test_links_are_found() -> None:
    text = "[a](b.md) ![c](d/e.png) [f](#g) [h](https://i.j/k) [l](m.md#n) `[o](p)`\n[q](<r.md>)"
    assert links_of(text) == ["b.md", "d/e.png", "m.md", "r.md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_points_to_something(document: Path) -> None:
    missing = [
        link for link in links_of(document.read_text()) if not (document.parent / link).exists()
    ]
    assert missing == []
