"""Draws docs/images/rollout.svg, what ``tidegate rollout watch`` shows at one look.

tidegate rollout show ROLLOUT --json | python scripts/draw_rollout.py docs/images/rollout.svg
"""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import datetime
from pathlib import Path

from rich.console import Console

from cli.rollout_picture import rollout_picture

WIDTH = 92


def main() -> None:
    rollout = json.load(sys.stdin)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    console.print(rollout_picture(rollout, moment_of(rollout), width=WIDTH))
    drawn = console.export_svg(title=f"tidegate rollout watch {rollout['engine']}")
    # Its fonts would come from a public network.
    drawn = re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    Path(sys.argv[1]).write_text(drawn)


def moment_of(rollout: dict[str, object]) -> datetime:
    """When it was looked at: when it was judged last, if it was."""
    assessment = rollout["assessment"]
    if isinstance(assessment, dict):
        return datetime.fromisoformat(assessment["at"])
    return datetime.now().astimezone()


if __name__ == "__main__":
    main()
