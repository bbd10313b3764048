"""Which files of a folder are event files, and where one stops being readable.

Imports nothing heavy: a list of runs, or a run's name, needs no numpy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


def event_files(path: Path) -> list[Path]:
    """The event files of a folder by name (their names begin with their time), or the one that `path` is."""
    if path.is_file():
        return [path]
    try:
        return sorted(Path(entry.path) for entry in os.scandir(path) if "tfevents" in entry.name and entry.is_file())
    except OSError:
        return []


class Damage(NamedTuple):
    """Where an event file stops being readable. What lies before is kept; what lies behind is not read."""

    path: Path
    offset: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path.name} is damaged at byte {self.offset}: {self.reason}; what lies before it is shown"
