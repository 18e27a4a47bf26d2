"""Draws docs/images/fleet.svg, what ``tidegate fleet --watch`` shows.

tidegate fleet --json | python scripts/draw_fleet.py docs/images/fleet.svg
"""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import datetime
from pathlib import Path

from rich.console import Console

from cli.fleet_picture import watched_picture

WIDTH = 92
URL = "http://127.0.0.1:9000"


def main() -> None:
    fleet = json.load(sys.stdin)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    console.print(watched_picture(fleet, URL, datetime.now().astimezone()))
    drawn = console.export_svg(title="tidegate fleet --watch")
    # Its fonts would come from a public network.
    drawn = re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    Path(sys.argv[1]).write_text(drawn)


if __name__ == "__main__":
    main()
