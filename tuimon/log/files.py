"""Which files of a folder are event files. Imports nothing heavy: a list of runs, or a run's name, needs no numpy."""

from __future__ import annotations

import os
from pathlib import Path


def event_files(path: Path) -> list[Path]:
    """The event files of a folder by name (their names begin with their time), or the one that `path` is."""
    if path.is_file():
        return [path]
    try:
        return sorted(Path(entry.path) for entry in os.scandir(path) if "tfevents" in entry.name and entry.is_file())
    except OSError:
        return []
