"""Files that hold what concerns their owner alone: made for nobody else to read.

Made before whoever fills them opens them: SQLite and MLflow would leave them to the umask.
"""

from __future__ import annotations

import os
from pathlib import Path


def make_private_folder(folder: Path) -> None:
    """A folder for its owner alone; one that is there stays as it is. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_private_file(path: Path) -> None:
    """An empty file, and its folder; what is there stays as it is. Raises OSError.

    The journals that SQLite puts beside its file get the mode of the file.
    """
    make_private_folder(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
